/** The statistics of the benchmarks: what they answer is a value that was measured. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { median, percentile } from '../../bench/statistics.ts';

const values = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1 });

test('the median is the middle value, or halfway between the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
});

test('a percentile is the nearest rank', () => {
  const upToHundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(percentile(upToHundred, 50)).toBe(50);
  expect(percentile(upToHundred, 99)).toBe(99);
  expect(percentile(upToHundred, 100)).toBe(100);
  expect(percentile([3, 1, 2], 99)).toBe(3);
  expect(percentile([5], 1)).toBe(5);
});

test('nothing measured is not a number, so it meets no goal', () => {
  expect(median([])).toBeNaN();
  expect(percentile([], 50)).toBeNaN();
});

test('a percentile was measured, and enough values do not exceed it', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 100 }), (measured, percent) => {
      const found = percentile(measured, percent);
      expect(measured).toContain(found);
      const within = measured.filter((value) => value <= found).length;
      expect(within * 100).toBeGreaterThanOrEqual(percent * measured.length);
    }),
  );
});

test('half of the values lie on each side of the median', () => {
  fc.assert(
    fc.property(values, (measured) => {
      const middle = median(measured);
      expect(measured.filter((value) => value <= middle).length * 2).toBeGreaterThanOrEqual(measured.length);
      expect(measured.filter((value) => value >= middle).length * 2).toBeGreaterThanOrEqual(measured.length);
    }),
  );
});
