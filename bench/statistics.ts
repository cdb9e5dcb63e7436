/**
 * The few statistics that the benchmarks need. Called by every suite and by `suite.ts`. Pure; imports nothing.
 * Promise: no interpolation, so a printed percentile is a value that was measured.
 */

/** The middle value; of an even number the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/**
 * The smallest value that at least `percent` of the values do not exceed (nearest rank). NaN of none.
 * @param percent above 0, at most 100; of fewer than 100 values the 99th percentile is the largest
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? Number.NaN;
}
