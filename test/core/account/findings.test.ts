/** The account of one schedule: what its spec expects against what the ledger has, and what is no reason to complain. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isoInstant } from '../../../src/contract/ids.ts';
import type { LedgerRow } from '../../../src/contract/ledger.ts';
import type { ScheduleDescription } from '../../../src/contract/messages.ts';
import { parseSchedule } from '../../../src/contract/schemas.ts';
import type { ScheduleInput } from '../../../src/contract/schedule.ts';
import { ACCOUNT_TIMES_MAX, findingsOf, stretchOf } from '../../../src/core/account/findings.ts';
import { compileSpec } from '../../../src/core/cron/spec.ts';

const MINUTE = 60_000;
const NOW = Date.parse('2026-05-04T12:00:30Z');
const CREATED = Date.parse('2026-05-01T00:00:00Z');
const OPTIONS = { nowMs: NOW, graceMs: 30_000, afterMs: NOW - 30_000 - 60 * MINUTE };

function schedule(spec: string, more: Partial<ScheduleDescription> = {}, input: Partial<ScheduleInput> = {}) {
  const parsed = parseSchedule({ spec, target: 'echo', ...input }, CREATED);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  const compiled = compileSpec(parsed.definition.spec, { firesAfterMs: -Infinity });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.issues));
  const description: ScheduleDescription = {
    ...{ id: 's', creation: 'c', revision: 1, createdAtMs: CREATED, changedAtMs: CREATED, state: 'active' },
    ...{ definition: parsed.definition, timing: compiled.compiled.timing, notes: [], nextTimesMs: [] },
    ...{ counts: {}, skipsInARow: 0, unsentRows: 0, problems: [], pending: [], pendingCount: 0, active: [] },
    ...{ backlogs: [], occurrences: [], revisions: [], machine: { enabled: true, generation: 1 } },
    ...more,
  };
  return { description, spec: compiled.compiled };
}

const due = (minute: number) => Date.parse('2026-05-04T11:00:00Z') + minute * MINUTE;
const ALL = Array.from({ length: 60 }, (_, n) => n + 1);

const fire = (dueMs: number, more: Partial<LedgerRow> = {}): LedgerRow => ({
  ...{ scheduleId: 's', creation: 'c', key: isoInstant(dueMs), kind: 'fire', outcome: 'started', count: 1 },
  ...{ fromMs: dueMs, toMs: dueMs, decidedAtMs: dueMs + 20 },
  ...more,
});
const span = (fromMs: number, toMs: number, count: number): LedgerRow =>
  fire(toMs, { kind: 'span', outcome: 'paused', key: `paused/${fromMs}`, fromMs, count });

function findings(
  more: Partial<ScheduleDescription>,
  rows: readonly LedgerRow[],
  input: Partial<ScheduleInput> = {},
) {
  const { description, spec } = schedule('every 1m', more, input);
  return findingsOf(description, spec, rows, OPTIONS);
}

describe('an absolute schedule', () => {
  test('is in order with a row for each due time of any outcome', () => {
    expect(
      findings(
        {},
        ALL.map((n) => fire(due(n), n % 2 === 0 ? { outcome: 'skipped-overlap' } : {})),
      ),
    ).toEqual([]);
  });

  test('lacks exactly the times whose rows are not there, whatever else is recorded', () => {
    const lost = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(lost, fc.boolean(), (minutes, others) => {
        const rows = ALL.filter((n) => !minutes.includes(n)).map((n) => fire(due(n)));
        const beside = others ? ALL.map((n) => fire(due(n), { kind: 'manual', key: `manual/${n}` })) : [];
        const sorted = minutes.toSorted((a, b) => a - b);
        expect(findings({}, [...rows, ...beside])).toEqual([
          {
            kind: 'without-outcome',
            count: minutes.length,
            firstDueAtMs: due(sorted[0] ?? 0),
            lastDueAtMs: due(sorted.at(-1) ?? 0),
            unsentRows: 0,
          },
        ]);
      }),
    );
  });

  test('has its spans believed by their count and no further', () => {
    const rest = ALL.filter((n) => n > 20).map((n) => fire(due(n)));
    expect(findings({}, [span(due(0), due(20), 20), ...rest])).toEqual([]);
    expect(findings({}, [span(due(0), due(20), 17), ...rest])).toMatchObject([{ count: 3 }]);
  });

  test('is not complained of before the grace is over, nor for what came before its last change', () => {
    expect(findings({ changedAtMs: due(58) }, [])).toMatchObject([{ count: 2, firstDueAtMs: due(59) }]);
    expect(findings({ changedAtMs: due(60) }, [])).toEqual([]);
  });

  test.each<[string, Partial<ScheduleDescription>]>([
    ['a pause that lasts', { paused: { sinceMs: due(30) } }],
    ['a switch-off that lasts until later', { disabled: { sinceMs: due(30), untilMs: due(90) } }],
    [
      'a queue that shows its first and tells of the rest',
      {
        pending: [{ kind: 'fire', key: isoInstant(due(31)), invocationId: 'i', createdAtMs: due(31) }],
        pendingCount: 30,
      },
    ],
    [
      'a catch-up under way',
      {
        backlogs: [
          {
            id: 'b',
            kind: 'catch-up',
            order: 'oldest',
            afterMs: due(30),
            untilMs: due(60),
            left: 29,
            done: 0,
            running: 1,
          },
        ],
      },
    ],
    ['its end', { state: 'finished', last: { dueAtMs: due(30), outcome: 'started', decidedAtMs: due(30) } }],
    [
      'plans of its own for each',
      {
        occurrences: ALL.filter((n) => n > 30).map((n) => ({ nominalMs: due(n), act: 'hold', isDue: true })),
      },
    ],
  ])('waits, and has lost nothing, because of %s', (_why, more) => {
    const rows = ALL.filter((n) => n <= 30).map((n) => fire(due(n)));
    expect(findings(more, rows)).toEqual([]);
    expect(findings({}, rows)).toMatchObject([{ kind: 'without-outcome', count: 30 }]);
  });

  test('that should have gone on after its pause has lost what fell due since', () => {
    expect(findings({ paused: { sinceMs: due(0), untilMs: due(50) } }, [])).toMatchObject([{ count: 10 }]);
  });

  test('is late where it started after the grace, unless a queue or its jitter explains it', () => {
    const rows = ALL.map((n) => fire(due(n), { decidedAtMs: due(n) + (n === 7 ? 45_000 : 20) }));
    const late = { kind: 'late', count: 1, firstDueAtMs: due(7), lastDueAtMs: due(7), worstMs: 45_000 };
    expect(findings({}, rows)).toEqual([late]);
    expect(findings({}, rows, { overlap: 'bufferAll' })).toEqual([]);
  });

  test('with a jitter is paused for the times that it had moved into the pause', () => {
    const rows = ALL.filter((n) => n <= 29).map((n) => fire(due(n), { decidedAtMs: due(n) + 40_000 }));
    const paused = { paused: { sinceMs: due(30) + 20_000 } };
    expect(findings(paused, rows, { spec: { expressions: 'every 1m', jitter: '45s' } })).toEqual([]);
  });

  test('that is due every second is looked at for its newest times', () => {
    const { description, spec } = schedule('every 1s');
    const stretch = stretchOf(description, spec, OPTIONS);
    const count = spec.count(stretch.afterMs, stretch.untilMs);
    expect(stretch.untilMs).toBe(NOW - 30_000);
    expect(count).toBeLessThanOrEqual(ACCOUNT_TIMES_MAX);
    expect(count).toBeGreaterThan(ACCOUNT_TIMES_MAX / 2 - 2);
  });
});

describe('a relative schedule', () => {
  const relative = (
    rows: readonly (LedgerRow & { run?: { endedAtMs: number } })[],
    more: Partial<ScheduleDescription> = {},
  ) => {
    const { description, spec } = schedule('with 5m interval', more);
    return findingsOf(description, spec, rows, OPTIONS);
  };
  const ran = (startMs: number, endedAtMs: number) => ({ ...fire(startMs), run: { endedAtMs } });

  test('is missed one interval after the end of its last run, and not while one goes on', () => {
    expect(relative([ran(due(40), due(50))])).toMatchObject([
      { kind: 'without-outcome', firstDueAtMs: due(55) },
    ]);
    expect(relative([ran(due(40), due(57))])).toEqual([]);
    expect(relative([fire(due(56)), ran(due(40), due(50))])).toEqual([]);
    expect(relative([ran(due(40), due(50))], { paused: { sinceMs: due(51) } })).toEqual([]);
  });

  test('is missed when it never began, and counts anew from a change', () => {
    expect(relative([])).toMatchObject([{ firstDueAtMs: CREATED + 5 * MINUTE }]);
    expect(relative([ran(due(40), due(50))], { changedAtMs: due(58) })).toEqual([]);
  });
});

test('a triggered schedule owes nothing', () => {
  const { description, spec } = schedule('triggered');
  expect(findingsOf(description, spec, [], OPTIONS)).toEqual([]);
});
