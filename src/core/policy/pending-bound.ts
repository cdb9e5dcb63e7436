/**
 * How much may be pending: so many triggers, with so much input. Used by the overlap rules and the triggering policies; pure.
 */
import { PENDING_CHARS_MAX, PENDING_MAX } from '../limits.ts';

/** All that is asked of a trigger here. */
export interface WithInput {
  readonly input?: unknown;
}

export interface Bounded<T> {
  /** Oldest first, as they were given. */
  readonly kept: readonly T[];
  readonly over: readonly { readonly trigger: T; readonly reason: string }[];
}

/** Parts with the oldest where there is no room for them. */
export function boundPending<T extends WithInput>(all: readonly T[]): Bounded<T> {
  const tooMany = Math.max(0, all.length - PENDING_MAX);
  let first = all.length;
  for (let chars = 0; first > tooMany; first--) {
    const input = all[first - 1]?.input;
    chars += input === undefined ? 0 : JSON.stringify(input).length;
    // The newest always has its place.
    if (chars > PENDING_CHARS_MAX && first < all.length) break;
  }
  const reason =
    first > tooMany
      ? `newer triggers were pending, and their inputs together have at most ${PENDING_CHARS_MAX} characters`
      : `${PENDING_MAX} newer triggers were pending, and no more can be`;
  return { kept: all.slice(first), over: all.slice(0, first).map((trigger) => ({ trigger, reason })) };
}
