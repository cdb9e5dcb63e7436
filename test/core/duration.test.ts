/** Durations as people write them, and the messages where they wrote something else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DURATION_MS_MAX, formatDuration, parseDuration } from '../../src/core/duration.ts';

describe('a duration', () => {
  test.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['1h 30m', 5_400_000],
    ['250ms', 250],
    ['.5s', 500],
    ['0.0004s', 0],
    ['365 days', 365 * 86_400_000],
    ['1 minute', 60_000],
    ['2 Weeks', 14 * 86_400_000],
    ['1d12h', 129_600_000],
    ['0', 0],
    ['0s', 0],
    [1_500, 1_500],
    [0, 0],
  ])('%s is %d ms', (input, ms) => {
    expect(parseDuration(input)).toEqual({ ok: true, ms });
  });

  test.each([
    ['', 'empty'],
    ['15', 'no unit'],
    ['-5m', 'negative'],
    [-1, 'negative'],
    [0.5, 'not a whole number'],
    [Number.NaN, 'not a whole number'],
    [Infinity, 'not a whole number'],
    ['5 parsecs', 'unknown unit "parsecs"'],
    ['5constructor', 'unknown unit "constructor"'],
    ['5us', 'unknown unit "us"'],
    ['1h-30m', 'cannot be read'],
    ['1..5h', 'cannot be read'],
    ['soon', 'cannot be read'],
    ['9e9s', 'unknown unit "e"'],
    ['101y', 'unknown unit'],
    ['999999999999h', 'longer than 100 years'],
    ['1s'.repeat(200), 'characters'],
  ])('%s is refused: %s', (input, why) => {
    const result = parseDuration(input);
    expect(result.ok).toBe(false);
    expect(result.ok ? '' : result.message).toContain(why);
  });

  test.each([
    [0, '0s'],
    [5_400_000, '1h30m'],
    [86_400_000, '1d'],
    [1_500, '1s500ms'],
    [-250, '-250ms'],
  ])('%d ms is written %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test('is read back from what was written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: DURATION_MS_MAX }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, ms });
      }),
    );
  });
});
