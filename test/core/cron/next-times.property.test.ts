/** Nominal times against independent answers: a walk over every minute, croner, and plain arithmetic. */
import { Cron } from 'croner';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Case, type Gap, JUDGED_MS, type Repeat, WINDOWS, bruteForce, cases } from './oracle.ts';
import { newestTimes } from '../../../src/core/cron/newest.ts';
import { compileSpec } from '../../../src/core/cron/spec.ts';
import { compiled, excluding, specOf } from './specs.ts';

const gaps = fc.constantFrom<Gap>('next', 'skip', 'shift');
const repeats = fc.constantFrom<Repeat | undefined>('first', 'last', 'both', undefined);

function compile(spec: Case, timeZone: string, gap: Gap, repeat: Repeat | undefined) {
  return compiled(spec.text, {
    timeZone,
    dstGap: gap,
    ...(repeat === undefined ? {} : { dstRepeat: repeat }),
  });
}

describe.each(WINDOWS)('around a clock change in $timeZone, $aroundMs', (window) => {
  const fromMs = window.aroundMs - JUDGED_MS;
  const untilMs = window.aroundMs + JUDGED_MS;

  test('times, counts and restarts agree with a walk over every minute', () => {
    fc.assert(
      fc.property(
        cases,
        gaps,
        repeats,
        fc.integer({ min: fromMs, max: untilMs }),
        (spec, gap, repeat, some) => {
          const expected = bruteForce(window, spec, gap, repeat);
          const schedule = compile(spec, window.timeZone, gap, repeat);
          expect(schedule.times(fromMs, untilMs, 10_000)).toEqual(expected);
          expect(schedule.count(fromMs, untilMs)).toBe(expected.length);
          expect(schedule.count(fromMs, some) + schedule.count(some, untilMs)).toBe(expected.length);
          // Asked from any instant, the answer is the next one of the same list: a restart changes nothing.
          const upcoming = expected.find((at) => at > some);
          if (upcoming !== undefined) expect(schedule.next(some)).toBe(upcoming);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('and so they do with an exclusion', () => {
    const instants = fc.integer({ min: fromMs, max: untilMs });
    fc.assert(
      fc.property(cases, cases, gaps, repeats, instants, (spec, without, gap, repeat, some) => {
        const expected = bruteForce(window, spec, gap, repeat, without);
        const result = compileSpec(
          specOf(spec.text, {
            timeZone: window.timeZone,
            dstGap: gap,
            ...(repeat === undefined ? {} : { dstRepeat: repeat }),
            ...excluding([without.text]),
          }),
          { firesAfterMs: fromMs },
        );
        if (!result.ok) {
          // What excludes everything is refused.
          expect(expected).toEqual([]);
          return;
        }
        const schedule = result.compiled;
        expect(schedule.times(fromMs, untilMs, 10_000)).toEqual(expected);
        expect(schedule.count(fromMs, untilMs)).toBe(expected.length);
        expect(schedule.count(fromMs, some) + schedule.count(some, untilMs)).toBe(expected.length);
        expect(newestTimes(schedule, fromMs, some, 3)).toEqual(
          expected
            .filter((at) => at <= some)
            .toReversed()
            .slice(0, 3),
        );
        const upcoming = expected.find((at) => at > some);
        if (upcoming !== undefined) expect(schedule.next(some)).toBe(upcoming);
      }),
      { numRuns: 25 },
    );
  });
});

describe('days of the month and the week', () => {
  const special = fc.oneof(
    fc
      .constantFrom('L', 'LW', '1W', '15W', '29W', '31W', '30', '31', '1,15', '*/9', '10-20/3')
      .map((day) => `${day} * *`),
    fc
      .tuple(fc.integer({ min: 0, max: 6 }), fc.constantFrom('L', '#1', '#3', '#5', ''))
      .map(([weekday, rule]) => `* * ${weekday}${rule}`),
    fc
      .tuple(
        fc.constantFrom('L', '13', '7W'),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom('5', '1#2', '3L'),
      )
      .map((parts) => parts.join(' ')),
    fc.constant('29 2 *'),
  );

  test('agree with croner', () => {
    fc.assert(
      fc.property(special, fc.integer({ min: 0, max: 60 * 365 }), (days, dayNumber) => {
        const fromMs = dayNumber * 86_400_000;
        const oracle = new Cron(`0 12 ${days}`, { timezone: 'UTC', paused: true });
        const expected = oracle.nextRuns(5, new Date(fromMs)).map((date) => date.getTime());
        expect(compiled(`0 12 ${days}`).times(fromMs, Infinity, 5)).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });
});

describe('unions', () => {
  const expressions = fc.uniqueArray(
    fc.oneof(
      cases.map((spec) => spec.text),
      fc.constantFrom(
        'TZ=Europe/Berlin 30 2 * * *',
        'every 7h',
        '@every 95m',
        'at(2026-03-29T00:30:00)',
        'rate(5 hours)',
      ),
    ),
    { minLength: 2, maxLength: 4 },
  );

  test('hold each time of their parts once, and count what they list', () => {
    fc.assert(
      fc.property(expressions, fc.integer({ min: 0, max: 86_400 * 20 }), (union, offsetS) => {
        const fromMs = Date.UTC(2026, 2, 20) + offsetS * 1_000;
        const untilMs = fromMs + 12 * 86_400_000;
        const zone = { timeZone: 'America/New_York' };
        const parts = union.flatMap((part) => compiled(part, zone).times(fromMs, untilMs, 100_000));
        const expected = [...new Set(parts)].sort((a, b) => a - b);
        const schedule = compiled(union, zone);
        expect(schedule.times(fromMs, untilMs, 100_000)).toEqual(expected);
        expect(schedule.count(fromMs, untilMs)).toBe(expected.length);
      }),
      { numRuns: 60 },
    );
  });
});

describe('fixed rates', () => {
  test('are the multiples of their interval', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 10_000_000 }),
        fc.integer({ min: 0, max: 20_000_000 }),
        fc.integer({ min: 0, max: 2_000_000_000_000 }),
        (intervalMs, phaseMs, afterMs) => {
          const schedule = compiled(`every ${intervalMs}ms`, { phaseMs });
          const nextMs = schedule.next(afterMs) ?? Number.NaN;
          expect(nextMs).toBeGreaterThan(afterMs);
          expect(nextMs - afterMs).toBeLessThanOrEqual(intervalMs);
          expect(Math.abs((nextMs - phaseMs) % intervalMs)).toBe(0);
          expect(schedule.count(afterMs, afterMs + 10 * intervalMs)).toBe(10);
        },
      ),
    );
  });
});
