/** The triggering policies over time: stories of busy schedules, then any story at all. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TriggeringPolicy } from '../../../src/contract/schedule.ts';
import { MAX_BATCH_DEFAULT, PENDING_MAX, PENDING_TIMEOUT_MS_DEFAULT } from '../../../src/core/limits.ts';
import { type Outcome, type Scenario, simulate } from './simulator.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const defaults = {
  maxConcurrent: 1,
  maxBatch: MAX_BATCH_DEFAULT,
  base: 2,
  pendingTimeoutMs: PENDING_TIMEOUT_MS_DEFAULT,
};
const greedy: TriggeringPolicy = { ...defaults, kind: 'greedy' };
const logarithmic: TriggeringPolicy = { ...defaults, kind: 'logarithmic' };
const newestFirst: TriggeringPolicy = { ...defaults, kind: 'newestFirst' };

/** `count` triggers, one every `everyMs`, from time 0. */
const each = (everyMs: number, count: number) => Array.from({ length: count }, (_, n) => n * everyMs);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const starts = ({ runs }: Outcome) => runs.map(({ startedAtMs, triggers }) => [startedAtMs, triggers]);
const sizes = ({ runs }: Outcome) => runs.map(({ triggers }) => triggers.length);

describe('greedy', () => {
  test('triggers further apart than a run is long each have their own run, at once', () => {
    const outcome = simulate({
      policy: greedy,
      arrivalsMs: each(MINUTE, 4),
      lengthMs: () => 59 * SECOND,
    });
    expect(starts(outcome)).toEqual([
      [0, [0]],
      [MINUTE, [1]],
      [2 * MINUTE, [2]],
      [3 * MINUTE, [3]],
    ]);
  });

  test('a run takes everything that came while the long one before it went', () => {
    const outcome = simulate({
      policy: greedy,
      arrivalsMs: each(MINUTE, 12),
      lengthMs: () => 5.5 * MINUTE,
    });
    expect(outcome.runs).toEqual([
      { startedAtMs: 0, endedAtMs: 5.5 * MINUTE, triggers: [0], leader: 0 },
      { startedAtMs: 5.5 * MINUTE, endedAtMs: 11 * MINUTE, triggers: [1, 2, 3, 4, 5], leader: 5 },
      // The one that comes as the run ends goes with the next.
      { startedAtMs: 11 * MINUTE, endedAtMs: 16.5 * MINUTE, triggers: numbers(6, 11), leader: 11 },
    ]);
    expect(outcome.pending).toEqual([]);
  });

  test('with three at a time the first three run alone, and what comes after waits for the first to end', () => {
    const outcome = simulate({
      policy: { ...greedy, maxConcurrent: 3 },
      arrivalsMs: each(MINUTE, 9),
      lengthMs: () => 6.5 * MINUTE,
    });
    expect(starts(outcome)).toEqual([
      [0, [0]],
      [MINUTE, [1]],
      [2 * MINUTE, [2]],
      [6.5 * MINUTE, [3, 4, 5, 6]],
      [7.5 * MINUTE, [7]],
      [8.5 * MINUTE, [8]],
    ]);
  });

  test('a batch limit splits a pile over runs, oldest first', () => {
    const outcome = simulate({
      policy: { ...greedy, maxBatch: 4 },
      arrivalsMs: each(1, 11),
      lengthMs: () => MINUTE,
    });
    expect(starts(outcome)).toEqual([
      [0, [0]],
      [MINUTE, [1, 2, 3, 4]],
      [2 * MINUTE, [5, 6, 7, 8]],
      [3 * MINUTE, [9, 10]],
    ]);
  });

  test('a run of hours in a storm: a thousand wait, and each older one is dropped with its reason', () => {
    const storm = 1_500;
    const outcome = simulate({
      policy: greedy,
      arrivalsMs: each(SECOND, storm),
      lengthMs: () => 60 * MINUTE,
    });
    const lost = storm - 1 - PENDING_MAX;
    expect(sizes(outcome)).toEqual([1, PENDING_MAX]);
    expect(outcome.dropped.map(({ id }) => id)).toEqual(numbers(1, lost));
    expect(outcome.dropped[0]).toEqual({
      id: 1,
      atMs: (PENDING_MAX + 1) * SECOND,
      reason: '1000 newer triggers were pending, and no more can be',
    });
    expect(Math.max(...outcome.moments.map(({ pending }) => pending))).toBe(PENDING_MAX);
  });
});

describe('logarithmic', () => {
  /** One run goes while `count` triggers come; then the pile is worked off. */
  const pile = (base: number, count: number) =>
    sizes(
      simulate({
        policy: { ...logarithmic, base },
        arrivalsMs: [0, ...each(1, count).map((ms) => ms + 1)],
        lengthMs: () => MINUTE,
      }),
    ).slice(1);

  test('base 2 works a pile off in batches that shrink as it does', () => {
    expect(pile(2, 20)).toEqual([4, 4, 3, 3, 2, 2, 1, 1]);
    expect(pile(2, 8)).toEqual([3, 2, 1, 1, 1]);
  });

  test('base 3 takes fewer at a time', () => {
    expect(pile(3, 30)).toEqual([3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  test('a batch has the oldest, and its properties come from its newest', () => {
    const { runs } = simulate({
      policy: logarithmic,
      arrivalsMs: each(1, 9),
      lengthMs: () => MINUTE,
    });
    expect(runs.slice(1, 3).map(({ triggers, leader }) => [triggers, leader])).toEqual([
      [[1, 2, 3], 3],
      [[4, 5], 5],
    ]);
  });

  test('under steady load the pile grows only until a batch keeps up with it', () => {
    // Four come while one run goes: a batch is 4 as soon as 16 wait.
    const { moments } = simulate({
      policy: logarithmic,
      arrivalsMs: each(MINUTE, 1_000),
      lengthMs: () => 4 * MINUTE,
    });
    expect(Math.max(...moments.map(({ pending }) => pending))).toBeLessThanOrEqual(16);
  });
});

describe('newest first', () => {
  const policy = { ...newestFirst, pendingTimeoutMs: 5 * MINUTE };

  test('the newest run, each alone; what nobody got to in time is dropped the moment its time is up', () => {
    const outcome = simulate({ policy, arrivalsMs: each(MINUTE, 8), lengthMs: () => 3.5 * MINUTE });
    expect(starts(outcome)).toEqual([
      [0, [0]],
      [3.5 * MINUTE, [3]],
      [7 * MINUTE, [7]],
      [10.5 * MINUTE, [6]],
    ]);
    expect(outcome.dropped.map(({ id, atMs }) => [id, atMs])).toEqual([
      [1, 6 * MINUTE],
      [2, 7 * MINUTE],
      [4, 9 * MINUTE],
      [5, 10 * MINUTE],
    ]);
  });

  test('where several may run, the oldest of the newest starts first', () => {
    const outcome = simulate({
      policy: { ...policy, maxConcurrent: 3 },
      arrivalsMs: [0, 0, 0, 1, 2, 3, 4],
      lengthMs: () => MINUTE,
    });
    expect(starts(outcome)).toEqual([
      [0, [0]],
      [0, [1]],
      [0, [2]],
      [MINUTE, [4]],
      [MINUTE, [5]],
      [MINUTE, [6]],
      [2 * MINUTE, [3]],
    ]);
  });

  test('with time enough the older ones run after all, newest first', () => {
    const outcome = simulate({
      policy: newestFirst,
      arrivalsMs: each(1, 5),
      lengthMs: () => MINUTE,
    });
    expect(outcome.runs.map(({ triggers }) => triggers)).toEqual([[0], [4], [3], [2], [1]]);
    expect(outcome.dropped).toEqual([]);
  });
});

describe('in any story', () => {
  const anyScenario: fc.Arbitrary<Scenario & { maxLengthMs: number }> = fc
    .record({
      policy: fc.record({
        kind: fc.constantFrom('greedy' as const, 'logarithmic' as const, 'newestFirst' as const),
        maxConcurrent: fc.integer({ min: 1, max: 5 }),
        maxBatch: fc.integer({ min: 1, max: 8 }),
        base: fc.constantFrom(1.0001, 1.5, 2, 3),
        pendingTimeoutMs: fc.integer({ min: 1, max: 80 }),
      }),
      arrivalsMs: fc.array(fc.nat(200), { maxLength: 80 }),
      lengths: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
    })
    .map(({ lengths, ...scenario }) => ({
      ...scenario,
      lengthMs: (n: number) => lengths[n % lengths.length] ?? 1,
      maxLengthMs: Math.max(...lengths),
    }));

  const accounted = ({ runs, dropped, pending }: Outcome) =>
    [...runs.flatMap(({ triggers }) => triggers), ...dropped.map(({ id }) => id), ...pending].sort(
      (a, b) => a - b,
    );

  test('never too many run, no batch is too large, and nothing waits while there is room', () => {
    fc.assert(
      fc.property(anyScenario, (scenario) => {
        const { policy } = scenario;
        const { maxConcurrent } = policy;
        const maxBatch = policy.kind === 'newestFirst' ? 1 : policy.maxBatch;
        const { runs, moments } = simulate(scenario);
        for (const { running, pending } of moments) {
          expect(running).toBeLessThanOrEqual(maxConcurrent);
          if (running < maxConcurrent) expect(pending).toBe(0);
        }
        for (const { triggers } of runs) expect(triggers.length).toBeLessThanOrEqual(maxBatch);
      }),
    );
  });

  test('every trigger ends in exactly one batch or dropped; stopped at any time, the others are pending', () => {
    fc.assert(
      fc.property(anyScenario, fc.nat(300), (scenario, untilMs) => {
        const all = [...scenario.arrivalsMs.keys()];
        const whole = simulate(scenario);
        expect(whole.pending).toEqual([]);
        expect(accounted(whole)).toEqual(all);
        const come = all.filter((id) => (scenario.arrivalsMs[id] ?? 0) <= untilMs);
        expect(accounted(simulate({ ...scenario, untilMs }))).toEqual(come);
      }),
    );
  });

  test('greedy and logarithmic run triggers in the order they came; newest first drops exactly at the timeout', () => {
    fc.assert(
      fc.property(anyScenario, (scenario) => {
        const { policy, arrivalsMs } = scenario;
        const { runs, dropped } = simulate(scenario);
        const came = (id: number) => arrivalsMs[id] ?? 0;
        if (policy.kind === 'newestFirst') {
          for (const { id, atMs } of dropped) expect(atMs).toBe(came(id) + policy.pendingTimeoutMs);
          for (const { triggers, startedAtMs } of runs)
            expect(startedAtMs - came(triggers[0] ?? 0)).toBeLessThan(policy.pendingTimeoutMs);
        } else {
          const order = runs.flatMap(({ triggers }) => triggers).map(came);
          expect(order).toEqual([...order].sort((a, b) => a - b));
          expect(dropped).toEqual([]);
        }
        for (const { triggers, leader } of runs) expect(came(leader)).toBe(Math.max(...triggers.map(came)));
      }),
    );
  });

  test('the wait is bounded by the work before it', () => {
    fc.assert(
      fc.property(anyScenario, (scenario) => {
        const { runs } = simulate(scenario);
        const boundMs = scenario.arrivalsMs.length * scenario.maxLengthMs;
        for (const { startedAtMs, triggers } of runs)
          for (const id of triggers)
            expect(startedAtMs - (scenario.arrivalsMs[id] ?? 0)).toBeLessThanOrEqual(boundMs);
      }),
    );
  });
});
