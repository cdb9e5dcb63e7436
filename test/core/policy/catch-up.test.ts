/** Late due times: what starts, what is run later and what is only recorded, mode by mode; then for any lateness. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CatchUp } from '../../../src/contract/schedule.ts';
import { summarize } from '../../../src/core/fires.ts';
import {
  CATCH_UP_PER_SECOND_DEFAULT,
  CATCH_UP_WINDOW_MS_DEFAULT,
  CATCH_UP_WINDOW_MS_MIN,
  LATE_AFTER_MS,
} from '../../../src/core/limits.ts';
import { type LateSplit, splitLate, type Stretch } from '../../../src/core/policy/catch-up.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const NOW = 1_000 * HOUR;
const MODES = ['none', 'latest', 'all'] as const;

const catchUp = (mode: CatchUp['mode'], windowMs = CATCH_UP_WINDOW_MS_DEFAULT): CatchUp => ({
  mode,
  windowMs,
  perSecond: CATCH_UP_PER_SECOND_DEFAULT,
});

const present = (stretch: Stretch | undefined) => stretch !== undefined;

/** Which of the due times are where; as the host learns it, by asking for the due times of each stretch. */
function told(dueMs: readonly number[], split: LateSplit) {
  const inside = (stretch: Stretch | undefined) =>
    stretch === undefined ? [] : dueMs.filter((ms) => ms > stretch.afterMs && ms <= stretch.untilMs);
  return {
    missed: inside(split.missed),
    superseded: inside(split.superseded),
    backlog: inside(split.backlog),
    starts: split.startMs === undefined ? [] : [split.startMs],
  };
}

function splitOf(policy: CatchUp, dueMs: readonly number[]): LateSplit {
  const due = summarize(dueMs);
  if (due === undefined) throw new Error('a test needs due times');
  return splitLate(policy, due, NOW);
}

/** Due times by how long ago they were; the answer in the same way. */
function lately(policy: CatchUp, agoMs: readonly number[]) {
  const dueMs = agoMs.map((ms) => NOW - ms).sort((a, b) => a - b);
  const { missed, superseded, backlog, starts } = told(dueMs, splitOf(policy, dueMs));
  const ago = (times: readonly number[]) => times.map((ms) => NOW - ms);
  return { missed: ago(missed), superseded: ago(superseded), backlog: ago(backlog), starts: ago(starts) };
}

const nothing = { missed: [], superseded: [], backlog: [], starts: [] };

test('the shortest window holds what counts as on time', () => {
  expect(CATCH_UP_WINDOW_MS_MIN).toBe(LATE_AFTER_MS);
});

describe('one due time', () => {
  test.each(MODES)('on time, if ten seconds late, it starts at once: %s', (mode) => {
    for (const agoMs of [0, 1, LATE_AFTER_MS])
      expect(lately(catchUp(mode, CATCH_UP_WINDOW_MS_MIN), [agoMs])).toEqual({ ...nothing, starts: [agoMs] });
  });

  test('late within the window: missed, started, or a backlog', () => {
    const agoMs = LATE_AFTER_MS + 1;
    expect(lately(catchUp('none'), [agoMs])).toEqual({ ...nothing, missed: [agoMs] });
    expect(lately(catchUp('latest'), [agoMs])).toEqual({ ...nothing, starts: [agoMs] });
    expect(lately(catchUp('all'), [agoMs])).toEqual({ ...nothing, backlog: [agoMs] });
  });

  test.each(MODES)('the window leaves out its very beginning: %s', (mode) => {
    expect(lately(catchUp(mode, HOUR), [HOUR])).toEqual({ ...nothing, missed: [HOUR] });
    if (mode !== 'none') expect(lately(catchUp(mode, HOUR), [HOUR - 1]).missed).toEqual([]);
  });
});

describe('an outage of two days of an hourly schedule, back half an hour after the last', () => {
  const agoMs = Array.from({ length: 48 }, (_, n) => (47.5 - n) * HOUR);

  test('none: all are missed', () => {
    expect(lately(catchUp('none'), agoMs)).toEqual({ ...nothing, missed: agoMs });
  });

  test('latest: the newest starts, those of the last day are superseded, older ones missed', () => {
    expect(lately(catchUp('latest'), agoMs)).toEqual({
      ...nothing,
      missed: agoMs.slice(0, 24),
      superseded: agoMs.slice(24, 47),
      starts: [0.5 * HOUR],
    });
  });

  test('all: the last day is a backlog', () => {
    expect(lately(catchUp('all'), agoMs)).toEqual({
      ...nothing,
      missed: agoMs.slice(0, 24),
      backlog: agoMs.slice(24),
    });
  });
});

describe('an outage that ends just after a due time', () => {
  const agoMs = [3 * HOUR, 2 * HOUR, HOUR, SECOND];
  const older = agoMs.slice(0, 3);

  test.each([
    { mode: 'none' as const, rest: { missed: older } },
    { mode: 'latest' as const, rest: { superseded: older } },
    { mode: 'all' as const, rest: { backlog: older } },
  ])('$mode: that one starts at once', ({ mode, rest }) => {
    expect(lately(catchUp(mode), agoMs)).toEqual({ ...nothing, ...rest, starts: [SECOND] });
  });
});

describe('what the host need not ask for', () => {
  const dueMs = [NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR];

  test('a stretch that the window does not cut comes with its summary and the reason for its row', () => {
    expect(splitOf(catchUp('latest'), dueMs)).toEqual({
      superseded: {
        afterMs: NOW - 3 * HOUR - 1,
        untilMs: NOW - 2 * HOUR,
        known: { count: 2, firstMs: NOW - 3 * HOUR, lastMs: NOW - 2 * HOUR },
        reason: 'a newer fire was due when it could run',
      },
      startMs: NOW - HOUR,
    });
    expect(splitOf(catchUp('none'), dueMs)).toEqual({
      missed: {
        afterMs: NOW - 3 * HOUR - 1,
        untilMs: NOW - HOUR,
        known: summarize(dueMs),
        reason: 'it was late, and the schedule does not catch up',
      },
    });
  });

  test('a stretch that it cuts is to be summed up', () => {
    expect(splitOf(catchUp('all', 2.5 * HOUR), dueMs)).toEqual({
      missed: {
        afterMs: NOW - 3 * HOUR - 1,
        untilMs: NOW - 2.5 * HOUR,
        reason: 'it was later than the catch-up window of 9000 s',
      },
      backlog: { afterMs: NOW - 2.5 * HOUR, untilMs: NOW - HOUR },
    });
  });

  test.each([
    { windowMs: 3 * HOUR, told: 'one is missed', known: [undefined, undefined] },
    { windowMs: 3 * HOUR + 1, told: 'none is missed', known: ['absent', 3] },
    { windowMs: HOUR, told: 'all are missed', known: [3, 'absent'] },
  ])('a window of $windowMs ms: $told, and no stretch is empty', ({ windowMs, known }) => {
    const { missed, backlog } = splitOf(catchUp('all', windowMs), dueMs);
    const countOf = (stretch?: Stretch) => (stretch === undefined ? 'absent' : stretch.known?.count);
    expect([missed, backlog].map(countOf)).toEqual(known);
  });

  test('a month of seconds is split as quickly as an hour', () => {
    const firstMs = NOW - 30 * 24 * HOUR;
    const due = { count: 30 * 86_400, firstMs, lastMs: NOW - SECOND, beforeLastMs: NOW - 2 * SECOND };
    expect(splitLate(catchUp('all'), due, NOW)).toMatchObject({
      missed: { afterMs: firstMs - 1, untilMs: NOW - 24 * HOUR },
      backlog: { afterMs: NOW - 24 * HOUR, untilMs: NOW - 2 * SECOND },
      startMs: NOW - SECOND,
    });
  });
});

describe('for any due times', () => {
  const anyCase = fc.record({
    mode: fc.constantFrom(...MODES),
    windowMs: fc.integer({ min: CATCH_UP_WINDOW_MS_MIN, max: 60 * SECOND }),
    dueMs: fc
      .uniqueArray(fc.integer({ min: NOW - 90 * SECOND, max: NOW }), { minLength: 1, maxLength: 30 })
      .map((times) => times.sort((a, b) => a - b)),
  });

  test('each is in exactly one place, oldest to newest, and every stretch that is known is told rightly', () => {
    fc.assert(
      fc.property(anyCase, ({ mode, windowMs, dueMs }) => {
        const split = splitOf(catchUp(mode, windowMs), dueMs);
        const { missed, superseded, backlog, starts } = told(dueMs, split);
        expect([...missed, ...superseded, ...backlog, ...starts]).toEqual(dueMs);
        for (const { afterMs, untilMs } of [split.missed, split.superseded, split.backlog].filter(present))
          expect(untilMs).toBeGreaterThan(afterMs);
        for (const [stretch, times] of [
          [split.missed, missed],
          [split.superseded, superseded],
          [split.backlog, backlog],
        ] as const)
          if (stretch?.known)
            expect(stretch.known).toMatchObject({
              count: times.length,
              firstMs: times[0],
              lastMs: times.at(-1),
            });
        expect(JSON.parse(JSON.stringify(split))).toEqual(split);
      }),
    );
  });

  test('what becomes of each is what its mode says of its age', () => {
    fc.assert(
      fc.property(anyCase, ({ mode, windowMs, dueMs }) => {
        const { missed, superseded, backlog, starts } = told(dueMs, splitOf(catchUp(mode, windowMs), dueMs));
        const newest = dueMs.at(-1);
        for (const ms of dueMs) {
          const ago = NOW - ms;
          const runsNow = ms === newest && (ago <= LATE_AFTER_MS || (mode === 'latest' && ago < windowMs));
          expect(starts.includes(ms)).toBe(runsNow);
          expect(missed.includes(ms)).toBe(!runsNow && (mode === 'none' || ago >= windowMs));
        }
        if (mode !== 'latest') expect(superseded).toEqual([]);
        if (mode !== 'all') expect(backlog).toEqual([]);
      }),
    );
  });

  test('a summary without the last but one is enough', () => {
    fc.assert(
      fc.property(anyCase, ({ mode, windowMs, dueMs }) => {
        const [firstMs = 0, lastMs = 0] = [dueMs[0], dueMs.at(-1)];
        const split = splitLate(catchUp(mode, windowMs), { count: dueMs.length, firstMs, lastMs }, NOW);
        expect(told(dueMs, split)).toEqual(told(dueMs, splitOf(catchUp(mode, windowMs), dueMs)));
      }),
    );
  });
});
