/**
 * How long a target's runs took, as counts in buckets of time whose bounds grow by a fifth: small, exact to a tenth, and
 * true to lengths that are not alike. Filled by the store (`bucketOf` as SQL), read by the estimate. Pure; imports nothing.
 */

/** Buckets in a doubling of time. */
export const BUCKETS_PER_DOUBLING = 4;

/** Runs by bucket: bucket b holds lengths from 2^(b/4) ms up to 2^((b+1)/4) ms. */
export type RunTimes = readonly { readonly bucket: number; readonly runs: number }[];

export function bucketOf(lengthMs: number): number {
  return Math.floor(BUCKETS_PER_DOUBLING * Math.log2(Math.max(1, lengthMs)));
}

export function runsIn(times: RunTimes): number {
  return times.reduce((sum, { runs }) => sum + runs, 0);
}

/**
 * How much longer something runs that has run for `elapsedMs`: the length at `share` (0 up to 1) of the past runs that took
 * longer than that. One that has outrun them all is taken to need up to as long again.
 */
export function drawFrom(times: RunTimes, elapsedMs: number): (share: number) => number {
  const longer = times
    .map(({ bucket, runs }) => {
      const [low, high] = boundsOf(bucket);
      const from = Math.max(low, elapsedMs);
      // Within a bucket lengths are taken to be spread evenly.
      return { from, high, weight: high <= from ? 0 : (runs * (high - from)) / (high - low) };
    })
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => a.from - b.from || a.high - b.high);
  const total = longer.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return (share) => elapsedMs * share;
  return (share) => {
    let left = share * total;
    for (const { from, high, weight } of longer) {
      if (left <= weight) return from + (high - from) * (left / weight) - elapsedMs;
      left -= weight;
    }
    return Math.max(0, (longer.at(-1)?.high ?? elapsedMs) - elapsedMs);
  };
}

function boundsOf(bucket: number): readonly [number, number] {
  const low = bucket === 0 ? 0 : 2 ** (bucket / BUCKETS_PER_DOUBLING);
  return [low, 2 ** ((bucket + 1) / BUCKETS_PER_DOUBLING)];
}
