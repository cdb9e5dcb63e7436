/** A backlog: how many of its due times may start when, and that each is dealt with once, in order, at its pace. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BACKLOG_STARTS_MAX } from '../../../src/core/limits.ts';
import {
  advanceBacklog,
  type Backlog,
  type BacklogInput,
  createBacklog,
  isFinished,
  quota,
} from '../../../src/core/policy/backlog.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const NOW = 1_000_000_000;

/** Of `count` due times, the n-th at n minutes. */
function backlogOf(count: number, more: Partial<BacklogInput> = {}): Backlog {
  return createBacklog({
    id: 'b',
    kind: 'catch-up',
    order: 'oldest',
    concurrency: 0,
    perSecond: 10,
    due: { count, firstMs: MINUTE, lastMs: count * MINUTE },
    nowMs: NOW,
    ...more,
  });
}

/** What the activity would answer: the next due times of the stretch by its order. */
function nextTimes({ order, afterMs, untilMs }: Backlog, count: number): number[] {
  const first = Math.floor(afterMs / MINUTE) + 1;
  const last = Math.floor(untilMs / MINUTE);
  const times = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => (first + n) * MINUTE);
  return (order === 'oldest' ? times : times.reverse()).slice(0, count);
}

/** Starts what may start now, as often as that is something. */
function drain(backlog: Backlog, nowMs: number) {
  const started: number[] = [];
  for (;;) {
    const { starts, lookAgainAtMs } = quota(backlog, { running: 0, nowMs });
    if (starts === 0) return { backlog, started, lookAgainAtMs };
    expect(starts).toBeLessThanOrEqual(BACKLOG_STARTS_MAX);
    const timesMs = nextTimes(backlog, starts);
    started.push(...timesMs);
    backlog = advanceBacklog(backlog, { timesMs, nowMs });
  }
}

describe('the pace', () => {
  test('a batch of a second starts at once, and the next look is a second later', () => {
    const first = drain(backlogOf(100), NOW);
    expect(first.started).toHaveLength(10);
    expect(first.lookAgainAtMs).toBe(NOW + SECOND);
    expect(first.backlog).toMatchObject({ left: 90, done: 10, afterMs: 10 * MINUTE, untilMs: 100 * MINUTE });
  });

  test.each([
    { perSecond: 0.1, batch: 1, againMs: 10 * SECOND },
    { perSecond: 1, batch: 1, againMs: SECOND },
    { perSecond: 3, batch: 3, againMs: SECOND },
    { perSecond: 2.5, batch: 2, againMs: 800 },
    { perSecond: 50, batch: 25, againMs: 500 },
    { perSecond: 1_000, batch: 25, againMs: 25 },
  ])('$perSecond a second: $batch, then again after $againMs ms', ({ perSecond, batch, againMs }) => {
    const { started, lookAgainAtMs } = drain(backlogOf(1_000, { perSecond }), NOW);
    expect(started).toHaveLength(batch);
    expect(lookAgainAtMs).toBe(NOW + againMs);
  });

  test('a look for another reason takes what is saved up by then', () => {
    const { backlog } = drain(backlogOf(100), NOW);
    expect(quota(backlog, { running: 0, nowMs: NOW + 99 })).toEqual({
      starts: 0,
      lookAgainAtMs: NOW + SECOND,
    });
    expect(quota(backlog, { running: 0, nowMs: NOW + 350 })).toEqual({ starts: 3 });
  });

  test('a look that comes up to a second late has lost nothing; after a long sleep there is no flood', () => {
    const { backlog } = drain(backlogOf(1_000), NOW);
    expect(quota(backlog, { running: 0, nowMs: NOW + 1_900 })).toEqual({ starts: 19 });
    expect(quota(backlog, { running: 0, nowMs: NOW + 3_600 * SECOND })).toEqual({ starts: 20 });
  });

  test('the last ones are not waited for longer than they take', () => {
    const { backlog } = drain(backlogOf(13), NOW);
    expect(quota(backlog, { running: 0, nowMs: NOW })).toEqual({ starts: 0, lookAgainAtMs: NOW + 300 });
  });

  test('without a limit, as many as one step may start, again and again', () => {
    const { started, backlog, lookAgainAtMs } = drain(backlogOf(120, { perSecond: 0 }), NOW);
    expect(started).toHaveLength(120);
    expect(lookAgainAtMs).toBeUndefined();
    expect(isFinished(backlog)).toBe(true);
  });

  test('a clock that went back earns nothing and takes nothing', () => {
    const { backlog } = drain(backlogOf(100), NOW);
    const back = advanceBacklog(backlog, { timesMs: [], nowMs: NOW - MINUTE });
    expect(back).toEqual(backlog);
    expect(quota(back, { running: 0, nowMs: NOW - MINUTE }).starts).toBe(0);
  });
});

describe('its runs at a time', () => {
  test('bound what starts; with none free, only the end of a run helps', () => {
    const backlog = backlogOf(100, { concurrency: 4 });
    expect(quota(backlog, { running: 1, nowMs: NOW })).toEqual({ starts: 3 });
    expect(quota(backlog, { running: 4, nowMs: NOW })).toEqual({ starts: 0 });
    expect(quota(backlog, { running: 9, nowMs: NOW })).toEqual({ starts: 0 });
  });

  test('with one free the next look waits for one start, not for a batch', () => {
    const { backlog } = drain(backlogOf(100, { concurrency: 20 }), NOW);
    expect(quota(backlog, { running: 19, nowMs: NOW })).toEqual({ starts: 0, lookAgainAtMs: NOW + 100 });
  });
});

describe('the cursor', () => {
  test('newest first takes from the other end', () => {
    const backlog = advanceBacklog(backlogOf(5, { order: 'newest' }), {
      timesMs: [5 * MINUTE, 4 * MINUTE],
      nowMs: NOW,
    });
    expect(backlog).toMatchObject({ afterMs: MINUTE - 1, untilMs: 4 * MINUTE - 1, left: 3, done: 2 });
  });

  test.each(['oldest', 'newest'] as const)('the last due time ends it without another look: %s', (order) => {
    const backlog = backlogOf(2, { order });
    const timesMs = nextTimes(backlog, 2);
    const done = advanceBacklog(backlog, { timesMs, nowMs: NOW });
    expect(done).toMatchObject({ left: 0, done: 2 });
    expect(isFinished(done)).toBe(true);
    expect(quota(done, { running: 0, nowMs: NOW + MINUTE })).toEqual({ starts: 0 });
  });

  test.each(['oldest', 'newest'] as const)(
    'fewer found than counted: it is finished all the same: %s',
    (order) => {
      const turn = { timesMs: [2 * MINUTE], nowMs: NOW, exhausted: true };
      const done = advanceBacklog(backlogOf(3, { order }), turn);
      expect(done).toMatchObject({ left: 0, done: 1 });
      expect(isFinished(done)).toBe(true);
    },
  );

  test('more found than counted: it goes on until the stretch is empty', () => {
    const backlog = { ...backlogOf(3), left: 1 };
    const next = advanceBacklog(backlog, { timesMs: [MINUTE], nowMs: NOW });
    expect(next.left).toBe(1);
    expect(quota(next, { running: 0, nowMs: NOW })).toEqual({ starts: 1 });
  });

  test('fields of its host stay', () => {
    const backlog = { ...backlogOf(3), reason: 'the restore' };
    expect(advanceBacklog(backlog, { timesMs: [MINUTE], nowMs: NOW }).reason).toBe('the restore');
  });

  test('its state is small, however long it is', () => {
    const due = { count: 2_592_000, firstMs: NOW - 2_592_000_000, lastMs: NOW - SECOND };
    const backlog = createBacklog({ ...backlogOf(1), due, nowMs: NOW });
    expect(JSON.stringify(backlog).length).toBeLessThan(300);
    expect(JSON.parse(JSON.stringify(backlog))).toEqual(backlog);
  });
});

describe('over time, whoever looks whenever', () => {
  const anyStory = fc.record({
    count: fc.integer({ min: 1, max: 300 }),
    order: fc.constantFrom('oldest' as const, 'newest' as const),
    perSecond: fc.oneof(fc.constantFrom(0, 0.5, 1, 10, 50), fc.double({ min: 0.01, max: 100, noNaN: true })),
    concurrency: fc.integer({ min: 0, max: 8 }),
    /** How late each look is, and how long each run takes. */
    lateMs: fc.array(fc.nat(900), { minLength: 1, maxLength: 20 }),
    lengthMs: fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 20 }),
  });
  type Story = typeof anyStory extends fc.Arbitrary<infer S> ? S : never;

  /** Looks when told to and when a run ends, each time a little late. */
  function tell(story: Story) {
    let backlog = backlogOf(story.count, story);
    let nowMs = NOW;
    const started: { ms: number; atMs: number; endMs: number }[] = [];
    for (let look = 0; !isFinished(backlog); look += 1) {
      const running = started.filter(({ endMs }) => endMs > nowMs);
      const { starts, lookAgainAtMs } = quota(backlog, { running: running.length, nowMs });
      if (starts === 0) {
        const next = lookAgainAtMs ?? Math.min(...running.map(({ endMs }) => endMs));
        expect(next).toBeGreaterThan(nowMs);
        expect(next).toBeLessThan(Infinity);
        nowMs = next + (story.lateMs[look % story.lateMs.length] ?? 0);
        continue;
      }
      const timesMs = nextTimes(backlog, starts);
      for (const ms of timesMs) {
        const endMs = nowMs + (story.lengthMs[started.length % story.lengthMs.length] ?? 1);
        started.push({ ms, atMs: nowMs, endMs });
      }
      if (story.concurrency > 0)
        expect(running.length + timesMs.length).toBeLessThanOrEqual(story.concurrency);
      backlog = advanceBacklog(backlog, { timesMs, nowMs, exhausted: timesMs.length < starts });
      expect(backlog.left + backlog.done).toBe(story.count);
    }
    return started;
  }

  test('every due time starts once, in its order, and never too many run', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        const all = Array.from({ length: story.count }, (_, n) => (n + 1) * MINUTE);
        expect(tell(story).map(({ ms }) => ms)).toEqual(story.order === 'oldest' ? all : all.reverse());
      }),
    );
  });

  test('in no stretch of time do more start than its pace and one burst allow', () => {
    fc.assert(
      fc.property(
        anyStory.filter(({ perSecond }) => perSecond > 0),
        (story) => {
          const started = tell(story);
          for (const [i, { atMs: fromMs }] of started.entries())
            for (const [j, { atMs }] of started.entries()) {
              if (j < i) continue;
              const allowed = BACKLOG_STARTS_MAX + ((atMs - fromMs) * story.perSecond) / SECOND;
              if (j - i + 1 > allowed + 1e-6) throw new Error(`${j - i + 1} starts, ${allowed} allowed`);
            }
        },
      ),
    );
  });

  test('looks that are up to 0.9 s late do not slow it down', () => {
    const paced = anyStory.map((story) => ({ ...story, concurrency: 0 }));
    fc.assert(
      fc.property(
        paced.filter(({ perSecond }) => perSecond > 0 && perSecond <= 25),
        (story) => {
          const started = tell(story);
          const lastMs = (started.at(-1)?.atMs ?? NOW) - NOW;
          // The last look may be late; none before it adds to that.
          expect(lastMs).toBeLessThanOrEqual((story.count * SECOND) / story.perSecond + SECOND);
        },
      ),
    );
  });
});
