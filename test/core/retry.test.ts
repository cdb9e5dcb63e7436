/** What follows a failed attempt: both limits, the growth of the wait, and its bounds. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RetryPolicy } from '../../src/contract/schedule.ts';
import { backoffMs, retryDecision } from '../../src/core/retry.ts';

const policy: RetryPolicy = { limit: 5, minBackoffMs: 1_000, maxBackoffMs: 3_600_000, coefficient: 2 };
const failed = (attempt: number, ageMs = 0) => ({ attempt, ageMs, random: 0 });

describe('limits', () => {
  test('by default there are six tries: the first and five retries', () => {
    const kinds = [1, 2, 3, 4, 5, 6].map((attempt) => retryDecision(policy, failed(attempt)).kind);
    expect(kinds).toEqual(['retry', 'retry', 'retry', 'retry', 'retry', 'give-up']);
  });

  test('a limit of 0 means one try', () => {
    expect(retryDecision({ ...policy, limit: 0 }, failed(1))).toEqual({
      kind: 'give-up',
      reason: 'reached its retry limit of 0',
    });
  });

  test.each([
    { attempt: 6, ageMs: 59_999, kind: 'retry', why: 'only the count is reached' },
    { attempt: 5, ageMs: 60_000, kind: 'retry', why: 'only the age is reached' },
    { attempt: 6, ageMs: 60_000, kind: 'give-up', why: 'both are reached' },
    { attempt: 900, ageMs: 0, kind: 'retry', why: 'the age goes on however many tries it takes' },
  ])('with an age limit too: $kind, as $why', ({ attempt, ageMs, kind }) => {
    const both = { ...policy, ageLimitMs: 60_000 };
    expect(retryDecision(both, failed(attempt, ageMs)).kind).toBe(kind);
  });

  test('giving up names the limits', () => {
    const decision = retryDecision({ ...policy, limit: 2, ageLimitMs: 60_000 }, failed(3, 60_000));
    expect(decision).toEqual({
      kind: 'give-up',
      reason: 'reached its retry limit of 2 and its age limit of 60000 ms',
    });
  });
});

describe('the wait', () => {
  test('doubles from the minimum to the maximum', () => {
    const waits = [1, 2, 3, 4, 12, 13, 14].map((attempt) => backoffMs(policy, attempt, 0));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 2_048_000, 3_600_000, 3_600_000]);
  });

  test('a coefficient of 1 keeps it even', () => {
    expect([1, 7, 900].map((n) => backoffMs({ ...policy, coefficient: 1 }, n, 0))).toEqual([
      1_000, 1_000, 1_000,
    ]);
  });

  test('jitter takes off a tenth at most', () => {
    expect(backoffMs(policy, 1, 0)).toBe(1_000);
    expect(backoffMs(policy, 1, 0.5)).toBe(950);
    expect(backoffMs(policy, 1, 0.999)).toBe(900);
  });

  test('never overflows, never exceeds the maximum, is never below 1 ms', () => {
    const anyPolicy = fc
      .record({
        limit: fc.nat(),
        minBackoffMs: fc.integer({ min: 1, max: 1e12 }),
        maxBackoffMs: fc.integer({ min: 1, max: 1e12 }),
        coefficient: fc.double({ min: 1, max: 1_000, noNaN: true }),
      })
      .filter((p) => p.minBackoffMs <= p.maxBackoffMs);
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(anyPolicy, fc.nat(), random, (p, attempt, r) => {
        const wait = backoffMs(p, attempt, r);
        expect(Number.isSafeInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(1);
        expect(wait).toBeLessThanOrEqual(p.maxBackoffMs);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(p.minBackoffMs * 0.9));
      }),
    );
  });
});
