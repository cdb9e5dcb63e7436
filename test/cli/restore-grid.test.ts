/** What counts from a schedule's creation keeps its grid over a restore. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { onItsGrid } from '../../src/cli/restore-grid.ts';
import { checkSchedule } from '../../src/client/definition.ts';
import { isoInstant } from '../../src/contract/ids.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';

/** Its next times after an instant, had it been made at another. */
function timesOf(input: ScheduleInput, createdAtMs: number, afterMs: number): readonly number[] {
  return checkSchedule('s', input, createdAtMs).spec.times(afterMs, Number.MAX_SAFE_INTEGER, 5);
}

const lengths = fc.oneof(
  fc.integer({ min: 1, max: 5_000 }).map((n) => `@every ${n}s`),
  fc.integer({ min: 1_000, max: 90_000 }).map((n) => `@every ${n}ms`),
  fc.integer({ min: 1, max: 90 }).map((n) => `@every 1h${n}m`),
  fc.integer({ min: 2, max: 500 }).map((n) => `rate(${n} minutes)`),
  fc.constantFrom('rate(1 minute)', 'RATE(1 hour)', 'rate( 2 days )', '@every 1.5h', '0 9 * * mon-fri'),
);
const instants = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) });

describe('a restored schedule', () => {
  test('is due at the times at which the lost one was, though it was created later', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(lengths, { minLength: 1, maxLength: 3 }),
        instants,
        fc.integer({ min: 0, max: 10 * 86_400_000 }),
        (expressions, createdAtMs, laterMs) => {
          const input = { spec: { expressions, timeZone: 'Europe/Berlin' }, target: 'echo' };
          const restoredAtMs = createdAtMs + laterMs;
          const { schedule, kept } = onItsGrid({ schedule: input, createdAt: isoInstant(createdAtMs) });
          expect(kept).toBe(true);
          expect(timesOf(schedule, restoredAtMs, restoredAtMs)).toEqual(
            timesOf(input, createdAtMs, restoredAtMs),
          );
        },
      ),
    );
  });

  test.each([
    ['an "every" that is aligned beside it', { expressions: ['@every 5m', 'every 1h'] }],
    ['a phase of its own', { expressions: ['@every 5m'], phase: '1m' }],
    ['an anchor of its own', { expressions: 'rate(5 minutes)', anchor: '2026-01-01T00:00:00Z' }],
  ])('with %s says that its grid is not kept, and is left as it is', (_, spec) => {
    const schedule = { spec, target: 'echo' };
    const found = onItsGrid({ schedule, createdAt: '2026-01-01T00:00:00Z' });
    expect(found).toEqual({ schedule, kept: false });
  });

  test('that counts from nothing of the kind is left as it is', () => {
    for (const spec of ['0 9 * * *', ['every 15m', 'with 3s interval'], { expressions: 'triggered' }]) {
      const schedule: ScheduleInput = { spec, target: 'echo' };
      expect(onItsGrid({ schedule, createdAt: '2026-01-01T00:00:00Z' })).toEqual({ schedule, kept: true });
    }
  });
});
