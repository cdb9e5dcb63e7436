/** Due times of a stretch in bounded space, counted without listing them. Used by `plan`. Pure. */
import type { DueSummary } from '../src/contract/activities.ts';
import type { DueTime, DueTimes } from '../src/core/cron/jitter.ts';

/**
 * What is due in (afterMs, untilMs]; undefined where nothing is. `except` are nominal times that are left out where they
 * are among them.
 */
export function dueSummary(
  due: DueTimes,
  { afterMs, untilMs }: { readonly afterMs: number; readonly untilMs: number },
  { except = [], jitters = false }: { readonly except?: readonly number[]; readonly jitters?: boolean } = {},
): DueSummary | undefined {
  const left = new Set(except.filter((nominalMs) => isDueWithin(due, nominalMs, afterMs, untilMs)));
  const count = due.count(afterMs, untilMs) - left.size;
  if (count <= 0) return undefined;
  const isWanted = ({ nominalMs }: DueTime) => !left.has(nominalMs);
  const first = due.times(afterMs, untilMs, left.size + 1).find(isWanted);
  const [last, beforeLast] = due.newest(afterMs, untilMs, left.size + 2).filter(isWanted);
  if (first === undefined || last === undefined) return undefined;
  const nominal = {
    firstMs: first.nominalMs,
    lastMs: last.nominalMs,
    ...(beforeLast !== undefined && { beforeLastMs: beforeLast.nominalMs }),
  };
  return {
    count,
    firstMs: first.dueMs,
    lastMs: last.dueMs,
    ...(beforeLast !== undefined && { beforeLastMs: beforeLast.dueMs }),
    ...(jitters && { nominal }),
  };
}

function isDueWithin(due: DueTimes, nominalMs: number, afterMs: number, untilMs: number): boolean {
  const dueMs = due.dueOf(nominalMs);
  return dueMs !== undefined && dueMs > afterMs && dueMs <= untilMs;
}
