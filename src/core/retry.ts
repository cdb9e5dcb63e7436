/**
 * What follows a failed attempt: another one, after how long, or the end. Pure; decided in the invocation's
 * workflow, carried out by Temporal's workflow retries. The jitter's random number is an argument.
 */
import type { RetryPolicy } from '../contract/schedule.ts';

export interface AttemptFailed {
  /** 1 for the first try. */
  readonly attempt: number;
  /** Since the first try began. */
  readonly ageMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'give-up'; readonly reason: string };

/** A tenth of the backoff at most is taken off, so that herds part and `maxBackoff` stays the longest wait. */
const JITTER = 0.1;

/** With an age limit beside the count, both must be reached before it is given up. */
export function retryDecision(policy: RetryPolicy, failed: AttemptFailed): RetryDecision {
  const countReached = failed.attempt > policy.limit;
  const ageReached = policy.ageLimitMs === undefined || failed.ageMs >= policy.ageLimitMs;
  if (countReached && ageReached) {
    const age = policy.ageLimitMs === undefined ? '' : ` and its age limit of ${policy.ageLimitMs} ms`;
    return { kind: 'give-up', reason: `reached its retry limit of ${policy.limit}${age}` };
  }
  return { kind: 'retry', delayMs: backoffMs(policy, failed.attempt, failed.random) };
}

/** Grows by the coefficient up to the maximum; the exponent is bounded so that it never overflows. */
export function backoffMs(policy: RetryPolicy, attempt: number, random: number): number {
  const exponent = Math.min(Math.max(attempt - 1, 0), 1_000);
  const grown = policy.minBackoffMs * policy.coefficient ** exponent;
  const capped = Math.min(Number.isFinite(grown) ? grown : policy.maxBackoffMs, policy.maxBackoffMs);
  return Math.max(1, Math.round(capped * (1 - JITTER * random)));
}
