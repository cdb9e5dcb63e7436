/**
 * The pace of messages from this process to each schedule: a token bucket for every id. Used by schedule handles, and shared
 * by all handles of one `Schedules`. Promise: a call waits for its turn, in the order of the calls, and none is refused.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MESSAGES_BURST, MESSAGES_PER_SECOND } from '../core/limits.ts';

/** Schedules kept in mind before those that have been quiet for long enough are forgotten. */
const KEPT_MAX = 1_000;

export interface MessageRate {
  /** Resolves when the schedule may be sent one more message. */
  turn(scheduleId: string): Promise<void>;
}

export interface MessageRateOptions {
  /** Default 100 for each schedule. */
  readonly perSecond?: number;
  /** What a schedule that was left in peace takes at once. Default 50. */
  readonly burst?: number;
  /** A clock that never jumps. */
  readonly monotonicMs?: () => number;
  readonly wait?: (ms: number) => Promise<unknown>;
}

export function createMessageRate(options: MessageRateOptions = {}): MessageRate {
  const { perSecond = MESSAGES_PER_SECOND, burst = MESSAGES_BURST } = options;
  const { monotonicMs = () => performance.now(), wait = (ms: number) => sleep(ms) } = options;
  const eachMs = 1_000 / perSecond;
  /** When a schedule's bucket is full again: each message puts it off by its share. */
  const fullAtMs = new Map<string, number>();

  return {
    async turn(scheduleId) {
      const nowMs = monotonicMs();
      if (fullAtMs.size >= KEPT_MAX) forget(fullAtMs, nowMs);
      const thenMs = Math.max(fullAtMs.get(scheduleId) ?? nowMs, nowMs) + eachMs;
      fullAtMs.set(scheduleId, thenMs);
      const waitMs = thenMs - burst * eachMs - nowMs;
      if (waitMs > 0) await wait(waitMs);
    },
  };
}

/** A full bucket is as good as none. */
function forget(fullAtMs: Map<string, number>, nowMs: number): void {
  for (const [scheduleId, atMs] of fullAtMs) if (atMs <= nowMs) fullAtMs.delete(scheduleId);
}
