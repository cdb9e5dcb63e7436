/** Sharing out counts among due times: nothing that is accounted for is left over, and nothing else is taken. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cover, leftOver } from '../../../src/core/account/match.ts';

const timesMs = fc
  .uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 25 })
  .map((times) => times.sort((a, b) => a - b));

/** The most that covers can account for, by trying: one unit of one cover for each time. */
function mostCovered(times: readonly number[], covers: readonly Cover[]): number {
  const units = covers.flatMap((cover) =>
    Array.from({ length: Math.min(cover.count, times.length) }, () => cover),
  );
  const owner = new Map<number, number>();
  const place = (time: number, seen: Set<number>): boolean =>
    units.some((unit, n) => {
      if (seen.has(n) || time < unit.fromMs || time > unit.toMs) return false;
      seen.add(n);
      const other = owner.get(n);
      if (other !== undefined && !place(other, seen)) return false;
      owner.set(n, time);
      return true;
    });
  return times.filter((time) => place(time, new Set())).length;
}

const cover = fc
  .record({ fromMs: fc.integer({ min: 0, max: 60 }), long: fc.nat(30), count: fc.nat(6) })
  .map(({ fromMs, long, count }) => ({ fromMs, toMs: fromMs + long, count }));

describe('what is left over', () => {
  test('is as little as any sharing-out of the counts could leave', () => {
    fc.assert(
      fc.property(timesMs, fc.array(cover, { maxLength: 8 }), (times, covers) => {
        const left = leftOver(times, covers);
        expect(times.length - left.length).toBe(mostCovered(times, covers));
        expect(times).toEqual(expect.arrayContaining([...left]));
      }),
    );
  });

  test('is as many as were lost, however the others lie in spans that overlap', () => {
    const fates = fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 25, maxLength: 25 });
    fc.assert(
      fc.property(timesMs, fates, (times, fate) => {
        const spans = [0, 1, 2, 3, 4].flatMap((span): Cover[] => {
          const own = times.filter((_, n) => fate[n] === span);
          const [fromMs, toMs] = [own[0], own.at(-1)];
          return fromMs === undefined || toMs === undefined ? [] : [{ fromMs, toMs, count: own.length }];
        });
        expect(leftOver(times, spans)).toHaveLength(times.filter((_, n) => fate[n] === -1).length);
      }),
    );
  });

  test('is everything where nothing is recorded, and nothing where a pause lasts', () => {
    expect(leftOver([1, 2, 3], [])).toEqual([1, 2, 3]);
    expect(leftOver([1, 2, 3], [{ fromMs: 2, toMs: Infinity, count: Infinity }])).toEqual([1]);
  });
});
