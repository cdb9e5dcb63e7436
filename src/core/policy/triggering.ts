/**
 * LUCI's triggering policies: triggers wait in a set, oldest first, and whenever one comes, a run ends or one times out,
 * `release` says which of them run now, together in which batches, and which are dropped. Called by the schedule workflow;
 * pure, plain data in and out. Asked again with its own result it starts nothing new.
 */
import type { NewestFirst, OldestFirst, TriggeringPolicy } from '../../contract/schedule.ts';
import { assertNever } from '../assert.ts';
import { LOGARITHMIC_BASE_MIN } from '../limits.ts';
import { boundPending, type WithInput } from './pending-bound.ts';

/** All that a policy asks of a trigger. */
interface Dated {
  /** When it came to be, ms since the epoch. */
  readonly createdAtMs: number;
}

/** The triggers of one run, oldest first. */
export type Batch<T> = readonly [T, ...T[]];

export interface Dropped<T> {
  readonly trigger: T;
  readonly reason: string;
}

export interface Release<T> {
  /** In the order in which they are to start. */
  readonly batches: readonly Batch<T>[];
  readonly dropped: readonly Dropped<T>[];
  /** What waits on, oldest first. */
  readonly pending: readonly T[];
}

/** Puts a trigger in its place by age, after those of the same age. Past the bound the oldest is dropped. */
export function addPending<T extends Dated & WithInput>(
  pending: readonly T[],
  trigger: T,
): { readonly pending: readonly T[]; readonly dropped: readonly Dropped<T>[] } {
  const place = pending.findLastIndex(({ createdAtMs }) => createdAtMs <= trigger.createdAtMs) + 1;
  const all = [...pending.slice(0, place), trigger, ...pending.slice(place)];
  const { kept, over } = boundPending(all);
  return { pending: kept, dropped: over };
}

/** Decides on all that is pending (oldest first, as `addPending` keeps it) while `running` runs of the schedule are going. */
export function release<T extends Dated>(
  policy: TriggeringPolicy,
  pending: readonly T[],
  running: number,
  nowMs: number,
): Release<T> {
  const slots = Math.max(0, policy.maxConcurrent - running);
  switch (policy.kind) {
    case 'greedy':
    case 'logarithmic':
      return releaseOldest(policy, pending, slots);
    case 'newestFirst':
      return releaseNewest(policy, pending, slots, nowMs);
    default:
      return assertNever(policy);
  }
}

/** When the next pending trigger times out; undefined where none ever does. */
export function nextTimeoutMs(policy: TriggeringPolicy, pending: readonly Dated[]): number | undefined {
  const oldest = pending[0];
  if (policy.kind !== 'newestFirst' || oldest === undefined) return undefined;
  return oldest.createdAtMs + policy.pendingTimeoutMs;
}

/** The newest of a batch, from which its run takes its properties. */
export function leader<T>(batch: Batch<T>): T {
  return batch.at(-1) ?? batch[0];
}

/** Each slot takes a batch of the oldest that are left; the size is found anew for each. */
function releaseOldest<T extends Dated>(
  policy: OldestFirst,
  pending: readonly T[],
  slots: number,
): Release<T> {
  const batches: Batch<T>[] = [];
  let rest = pending;
  while (batches.length < slots) {
    const [oldest, ...younger] = rest;
    if (oldest === undefined) break;
    const size = batchSize(policy, rest.length);
    batches.push([oldest, ...younger.slice(0, size - 1)]);
    rest = younger.slice(size - 1);
  }
  return { batches, dropped: [], pending: rest };
}

/** One run for each of the newest; the older ones wait for a slot that no newer one wants, or for their timeout. */
function releaseNewest<T extends Dated>(
  { pendingTimeoutMs }: NewestFirst,
  pending: readonly T[],
  slots: number,
  nowMs: number,
): Release<T> {
  const fresh = pending.findIndex(({ createdAtMs }) => nowMs - createdAtMs < pendingTimeoutMs);
  const kept = fresh < 0 ? [] : pending.slice(fresh);
  const reason = `it was pending for ${pendingTimeoutMs / 1_000} s, its timeout`;
  const cut = Math.max(0, kept.length - slots);
  return {
    batches: kept.slice(cut).map((trigger): Batch<T> => [trigger]),
    dropped: pending.slice(0, pending.length - kept.length).map((trigger) => ({ trigger, reason })),
    pending: kept.slice(0, cut),
  };
}

function batchSize(policy: OldestFirst, pending: number): number {
  const max = Math.max(1, Math.min(policy.maxBatch, pending));
  return policy.kind === 'logarithmic' ? Math.min(max, logarithm(pending, policy.base, max)) : max;
}

/**
 * floor(ln n / ln base), at least 1, looked for up to `max`. By multiplication: a quotient of logarithms is off at exact
 * powers (ln 1000 / ln 10 = 2.9999999999999996), and `Math.log` may differ between engines, which a replay must not.
 */
function logarithm(n: number, base: number, max: number): number {
  const factor = Math.max(base, LOGARITHMIC_BASE_MIN);
  let exponent = 1;
  for (let power = factor * factor; power <= n && exponent < max; power *= factor) exponent += 1;
  return exponent;
}
