/** The triggering policies call by call: batch sizes, what is dropped and when, then what holds for any pending set. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TriggeringPolicy } from '../../../src/contract/schedule.ts';
import {
  LOGARITHMIC_BASE_MIN,
  MAX_BATCH_DEFAULT,
  PENDING_MAX,
  PENDING_TIMEOUT_MS_DEFAULT,
} from '../../../src/core/limits.ts';
import { addPending, leader, nextTimeoutMs, release } from '../../../src/core/policy/triggering.ts';

const defaults = {
  maxConcurrent: 1,
  maxBatch: MAX_BATCH_DEFAULT,
  base: 2,
  pendingTimeoutMs: PENDING_TIMEOUT_MS_DEFAULT,
};
const greedy: TriggeringPolicy = { ...defaults, kind: 'greedy' };
const logarithmic: TriggeringPolicy = { ...defaults, kind: 'logarithmic' };
const newestFirst: TriggeringPolicy = { ...defaults, kind: 'newestFirst', pendingTimeoutMs: 100 };

interface Trigger {
  readonly id: number;
  readonly createdAtMs: number;
}

/** The n-th came at n ms. */
const come = (id: number): Trigger => ({ id, createdAtMs: id });
const many = (count: number, from = 0) => Array.from({ length: count }, (_, n) => come(from + n));
const ids = (triggers: readonly Trigger[]) => triggers.map(({ id }) => id);

/** Sizes of the batches that start, and how many wait on. */
function sizes(policy: TriggeringPolicy, pending: number, running = 0) {
  const released = release(policy, many(pending), running, pending);
  return [released.batches.map((batch) => batch.length), released.pending.length];
}

describe('greedy', () => {
  test.each([
    { pending: 0, batches: [], left: 0 },
    { pending: 1, batches: [1], left: 0 },
    { pending: 7, batches: [7], left: 0 },
    { pending: 7, maxBatch: 3, batches: [3], left: 4 },
    { pending: 7, maxBatch: 3, maxConcurrent: 2, batches: [3, 3], left: 1 },
    { pending: 7, maxBatch: 3, maxConcurrent: 5, batches: [3, 3, 1], left: 0 },
    { pending: 7, maxBatch: 3, maxConcurrent: 5, running: 4, batches: [3], left: 4 },
    { pending: 7, running: 1, batches: [], left: 7 },
    { pending: 7, running: 9, batches: [], left: 7 },
  ])('$pending pending, $running running, $maxBatch at most: $batches', (row) => {
    const { pending, running = 0, batches, left, ...policy } = row;
    expect(sizes({ ...greedy, ...policy }, pending, running)).toEqual([batches, left]);
  });

  test('a batch takes the oldest, and its properties come from its newest', () => {
    const { batches, pending } = release({ ...greedy, maxBatch: 3 }, many(5), 0, 5);
    expect(batches.map(ids)).toEqual([[0, 1, 2]]);
    expect(batches.map(leader)).toEqual([come(2)]);
    expect(ids(pending)).toEqual([3, 4]);
  });
});

describe('logarithmic', () => {
  /** Of 1, 2, 3 and so on pending. */
  test.each([
    { base: 2, known: [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4] },
    { base: 3, known: [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2] },
    { base: 1.7, known: [1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5] },
  ])('base $base takes the logarithm, at least one', ({ base, known }) => {
    expect(known.map((_, n) => sizes({ ...logarithmic, base }, n + 1)[0])).toEqual(known.map((n) => [n]));
  });

  test.each([
    { base: 2, pending: 512, size: 9 },
    { base: 3, pending: 242, size: 4 },
    { base: 3, pending: 243, size: 5 },
    { base: 10, pending: 999, size: 2 },
    // Where a quotient of logarithms falls short: ln 1000 / ln 10 = 2.9999999999999996.
    { base: 10, pending: 1_000, size: 3 },
    { base: LOGARITHMIC_BASE_MIN, pending: 1_000, size: 1_000 },
    { base: 1_000_000, pending: 1_000, size: 1 },
  ])('base $base with $pending pending takes $size', ({ base, pending, size }) => {
    expect(sizes({ ...logarithmic, base }, pending)).toEqual([[size], pending - size]);
  });

  test('each slot reckons with what the one before has left, and no batch passes its limit', () => {
    expect(sizes({ ...logarithmic, maxConcurrent: 4 }, 9)).toEqual([[3, 2, 2, 1], 1]);
    expect(sizes({ ...logarithmic, maxConcurrent: 2, maxBatch: 2 }, 100)).toEqual([[2, 2], 96]);
    expect(sizes({ ...logarithmic, base: 1.1 }, 3)).toEqual([[3], 0]);
  });
});

describe('newest first', () => {
  test('one run for each of the newest, the oldest of them first; the others wait', () => {
    const { batches, dropped, pending } = release({ ...newestFirst, maxConcurrent: 3 }, many(5), 1, 5);
    expect(batches.map(ids)).toEqual([[3], [4]]);
    expect(dropped).toEqual([]);
    expect(ids(pending)).toEqual([0, 1, 2]);
  });

  test('what has reached the timeout is dropped, to the millisecond, whether or not there is room', () => {
    const released = (running: number) => release(newestFirst, many(3), running, 101);
    const dropped = [0, 1].map((id) => ({
      trigger: come(id),
      reason: 'it was pending for 0.1 s, its timeout',
    }));
    expect(released(0)).toEqual({ batches: [[come(2)]], dropped, pending: [] });
    expect(released(1)).toEqual({ batches: [], dropped, pending: [come(2)] });
  });

  test('the next timeout is that of the oldest; the other policies have none', () => {
    expect(nextTimeoutMs(newestFirst, many(3, 7))).toBe(107);
    expect(nextTimeoutMs(newestFirst, [])).toBeUndefined();
    expect(nextTimeoutMs(greedy, many(3))).toBeUndefined();
    expect(nextTimeoutMs(logarithmic, many(3))).toBeUndefined();
  });

  test('a look at the next timeout drops it, and one a millisecond earlier does not', () => {
    const pending = many(3);
    const atMs = nextTimeoutMs(newestFirst, pending) ?? 0;
    expect(release(newestFirst, pending, 1, atMs - 1).dropped).toEqual([]);
    expect(release(newestFirst, pending, 1, atMs).dropped.map(({ trigger }) => trigger)).toEqual([come(0)]);
  });
});

describe('the pending set', () => {
  test('fits into one batch, as large as they are by default', () => {
    expect(MAX_BATCH_DEFAULT).toBe(PENDING_MAX);
    expect(sizes(greedy, PENDING_MAX)).toEqual([[PENDING_MAX], 0]);
  });

  test('is ordered by age, and by arrival where that is the same', () => {
    const triggers = [5, 3, 5, 9, 3].map((createdAtMs, id) => ({ id, createdAtMs }));
    const pending = triggers.reduce<readonly Trigger[]>((set, one) => addPending(set, one).pending, []);
    expect(ids(pending)).toEqual([1, 4, 0, 2, 3]);
  });

  test('has a bound; the oldest is dropped and told, be it the one that has just come', () => {
    const full = many(PENDING_MAX, 10);
    const reason = `${PENDING_MAX} newer triggers were pending, and no more can be`;
    const newer = addPending(full, come(5_000));
    expect(newer.dropped).toEqual([{ trigger: come(10), reason }]);
    expect(newer.pending).toEqual([...full.slice(1), come(5_000)]);
    expect(addPending(full, come(0))).toEqual({ pending: full, dropped: [{ trigger: come(0), reason }] });
  });
});

describe('for any policy and any pending set', () => {
  const anyPolicy: fc.Arbitrary<TriggeringPolicy> = fc.record({
    kind: fc.constantFrom('greedy' as const, 'logarithmic' as const, 'newestFirst' as const),
    maxConcurrent: fc.integer({ min: 1, max: 6 }),
    maxBatch: fc.integer({ min: 1, max: 12 }),
    base: fc.oneof(
      fc.constantFrom(2, 3, LOGARITHMIC_BASE_MIN),
      fc.double({ min: 1.01, max: 20, noNaN: true }),
    ),
    pendingTimeoutMs: fc.integer({ min: 1, max: 60 }),
  });
  const anyPending = fc
    .array(fc.nat(50), { maxLength: 60 })
    .map((times) =>
      times
        .map((createdAtMs, id): Trigger => ({ id, createdAtMs }))
        .reduce<readonly Trigger[]>((set, one) => addPending(set, one).pending, []),
    );
  const asked = fc.record({
    policy: anyPolicy,
    pending: anyPending,
    running: fc.nat(7),
    nowMs: fc.integer({ min: 50, max: 120 }),
  });

  test('each trigger is in one batch, dropped or pending, and the input is as it was', () => {
    fc.assert(
      fc.property(asked, ({ policy, pending, running, nowMs }) => {
        const before = structuredClone(pending);
        const released = release(policy, pending, running, nowMs);
        const all = [
          ...released.batches.flat(),
          ...released.dropped.map(({ trigger }) => trigger),
          ...released.pending,
        ];
        expect(ids(all).sort((a, b) => a - b)).toEqual(ids(pending).sort((a, b) => a - b));
        expect(pending).toEqual(before);
        expect(JSON.parse(JSON.stringify(released))).toEqual(released);
      }),
    );
  });

  test('no batch is too large, no slot is given twice, none is left free while something waits', () => {
    fc.assert(
      fc.property(asked, ({ policy, pending, running, nowMs }) => {
        const { batches, pending: left } = release(policy, pending, running, nowMs);
        const slots = Math.max(0, policy.maxConcurrent - running);
        expect(batches.length).toBeLessThanOrEqual(slots);
        if (left.length > 0) expect(batches).toHaveLength(slots);
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(policy.kind === 'newestFirst' ? 1 : policy.maxBatch);
          expect(leader(batch).createdAtMs).toBe(Math.max(...batch.map(({ createdAtMs }) => createdAtMs)));
        }
      }),
    );
  });

  test('asked again with its own result it starts and drops nothing', () => {
    fc.assert(
      fc.property(asked, ({ policy, pending, running, nowMs }) => {
        const first = release(policy, pending, running, nowMs);
        const again = release(policy, first.pending, running + first.batches.length, nowMs);
        expect(again).toEqual({ batches: [], dropped: [], pending: first.pending });
        expect(nextTimeoutMs(policy, first.pending) ?? Infinity).toBeGreaterThan(nowMs);
      }),
    );
  });

  test('the size of a logarithmic batch agrees with the logarithm but at the exact powers', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1.0001, max: 50, noNaN: true }),
        fc.integer({ min: 1, max: PENDING_MAX }),
        (base, n) => {
          const exact = Math.log(n) / Math.log(base);
          fc.pre(Math.abs(exact - Math.round(exact)) > 1e-6);
          const size = Math.min(n, Math.max(1, Math.floor(exact)));
          expect(sizes({ ...logarithmic, base }, n)[0]).toEqual([size]);
        },
      ),
    );
  });
});
