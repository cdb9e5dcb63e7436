/** Jitter: due times that keep their order and their bounds, and are the same whoever asks, and from wherever. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dueTimes } from '../../../src/core/cron/jitter.ts';
import { after, at, compiled, excluding } from './specs.ts';

const FROM_MS = Date.UTC(2026, 2, 28);
const UNTIL_MS = FROM_MS + 2 * 86_400_000;

const specs = fc
  .tuple(
    fc.constantFrom('0 * * * *', '*/7 2,9 * * *', 'every 95m', '0 0,1 * * *', '@daily', '*/40 * 3 * * * *'),
    fc.constantFrom([], ['* 4-5 * * *'], ['30-59 * * * *']),
  )
  .map(([expression, exclude]) =>
    compiled(expression, { timeZone: 'Europe/Berlin', ...(exclude.length > 0 && excluding(exclude)) }),
  );
const ids = fc.string({ minLength: 1, maxLength: 20 });
const jitters = fc.integer({ min: 1, max: 3 * 3_600_000 });

describe('jitter', () => {
  test('keeps order and bounds: nominal <= due < nominal + jitter, and due < the next nominal time', () => {
    fc.assert(
      fc.property(specs, ids, jitters, (spec, id, jitterMs) => {
        const due = dueTimes(spec, id, jitterMs);
        const nominals = spec.times(FROM_MS, UNTIL_MS, 500);
        for (const nominalMs of nominals) {
          const dueMs = due.dueOf(nominalMs) ?? Number.NaN;
          expect(dueMs).toBeGreaterThanOrEqual(nominalMs);
          expect(dueMs).toBeLessThan(Math.min(nominalMs + jitterMs, spec.next(nominalMs) ?? Infinity));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('gives the same due times from any instant, and counts what it lists', () => {
    const instants = fc.integer({ min: FROM_MS, max: UNTIL_MS });
    fc.assert(
      fc.property(specs, ids, jitters, instants, (spec, id, jitterMs, someMs) => {
        const due = dueTimes(spec, id, jitterMs);
        const all = spec
          .times(FROM_MS - 86_400_000, UNTIL_MS, 10_000)
          .map((nominalMs) => ({ nominalMs, dueMs: due.dueOf(nominalMs) ?? Number.NaN }))
          .filter(({ dueMs }) => dueMs > FROM_MS && dueMs <= UNTIL_MS);
        expect(due.times(FROM_MS, UNTIL_MS, 10_000)).toEqual(all);
        expect(due.count(FROM_MS, UNTIL_MS)).toBe(all.length);
        expect(due.count(FROM_MS, someMs) + due.count(someMs, UNTIL_MS)).toBe(all.length);
        const upcoming = all.find(({ dueMs }) => dueMs > someMs);
        if (upcoming !== undefined) expect(due.next(someMs)).toEqual(upcoming);
        const passed = all.filter(({ dueMs }) => dueMs <= someMs);
        expect(due.newest(FROM_MS, someMs, 3)).toEqual(passed.toReversed().slice(0, 3));
      }),
      { numRuns: 100 },
    );
  });

  test('differs between schedules and between times, and is spread over its whole length', () => {
    const hourly = compiled('0 * * * *');
    const late = (id: string) => {
      const due = dueTimes(hourly, id, 60_000);
      const nominals = hourly.times(FROM_MS, Infinity, 1_000);
      return nominals.map((nominalMs) => (due.dueOf(nominalMs) ?? Number.NaN) - nominalMs);
    };
    const [one, other] = [late('one'), late('other')];
    expect(one).not.toEqual(other);
    for (const lates of [one, other]) {
      const quarters = [0, 1, 2, 3].map((q) => lates.filter((ms) => Math.floor(ms / 15_000) === q).length);
      for (const count of quarters) expect(count).toBeGreaterThan(200);
    }
  });

  test('is the same for ever: what was planned before an upgrade is what is planned after it', () => {
    const due = dueTimes(compiled('0 9 * * *'), 'nightly', 600_000);
    const lates = due
      .times(at('2026-01-01T00:00:00Z'), Infinity, 3)
      .map(({ dueMs, nominalMs }) => dueMs - nominalMs);
    expect(lates).toEqual([253234, 116008, 456257]);
  });

  test('of an instant that is no nominal time is not asked for', () => {
    expect(dueTimes(compiled('0 9 * * *'), 'nightly', 5).dueOf(at('2026-01-01T08:00:00Z'))).toBeUndefined();
  });

  test('without a length leaves times as they are', () => {
    const spec = compiled('0 9 * * *');
    const due = dueTimes(spec, 'nightly');
    const [first] = due.times(at('2026-01-01T00:00:00Z'), Infinity, 1);
    expect(first).toEqual({ nominalMs: first?.dueMs, dueMs: at('2026-01-01T09:00:00Z') });
    expect(after(spec, '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-01T09:00']);
  });
});
