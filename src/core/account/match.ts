/**
 * Which of the expected due times the record accounts for. A row of one instant accounts for that instant; what stands for
 * several (a span of the ledger, a pause that lasts, a queue) may account for as many instants within its bounds as
 * it counts. Pure; called by findings.ts. Promise: as many times are accounted for as can be, so that a time that is
 * left over is without outcome however the counts are shared out.
 */

/** Accounts for up to `count` due times in [fromMs, toMs]. */
export interface Cover {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** What is left of `timesMs` (ascending, each once), the earliest first. */
export function leftOver(timesMs: readonly number[], covers: readonly Cover[]): readonly number[] {
  const waiting = covers.filter(({ count }) => count > 0).toSorted((a, b) => a.fromMs - b.fromMs);
  const left: number[] = [];
  let open: { readonly toMs: number; room: number }[] = [];
  let begun = 0;
  for (const timeMs of timesMs) {
    for (let next = waiting[begun]; next !== undefined && next.fromMs <= timeMs; next = waiting[begun]) {
      open.push({ toMs: next.toMs, room: next.count });
      begun += 1;
    }
    open = open.filter(({ toMs, room }) => toMs >= timeMs && room > 0);
    // The one that ends first can be of the least use later: this sharing-out leaves the fewest over.
    const first = open.reduce<(typeof open)[number] | undefined>(
      (best, cover) => (best === undefined || cover.toMs < best.toMs ? cover : best),
      undefined,
    );
    if (first === undefined) left.push(timeMs);
    else first.room -= 1;
  }
  return left;
}
