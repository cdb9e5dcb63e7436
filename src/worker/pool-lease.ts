/**
 * What a pool worker knows of its lease, by its own monotonic clock: when it ends, and what the
 * database's clock shows at most. Used by `pool-membership.ts`. Plain arithmetic; the clock is an argument.
 * Promise: it errs to the safe side; a lease never looks longer here than it is in the database.
 */
import type { WorkerLease } from '../contract/pools.ts';

export class Lease {
  readonly #nowMs: () => number;
  #answer: WorkerLease | undefined;
  /** When the request was SENT that the answer belongs to: the database cannot have renewed it earlier. */
  #sentAtMs = 0;

  /** @param nowMs a monotonic clock; wall time jumps */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** The moment to hand to `confirmed` later. */
  now(): number {
    return this.#nowMs();
  }

  /** Takes an answer in; one that was asked for earlier than the last is ignored. */
  confirmed(answer: WorkerLease, sentAtMs: number): void {
    if (this.#answer !== undefined && sentAtMs < this.#sentAtMs) return;
    this.#answer = answer;
    this.#sentAtMs = sentAtMs;
  }

  /** Forgets everything: the registration is gone. */
  ended(): void {
    this.#answer = undefined;
  }

  /** Units that the pool counted as used here when it answered last. */
  get used(): number | undefined {
    return this.#answer?.used;
  }

  /** The worker's TTL has passed since the last renewal that was answered was sent. */
  get expired(): boolean {
    return this.#answer === undefined || this.#nowMs() - this.#sentAtMs >= this.#answer.workerTtlMs;
  }

  /** Undefined before the first answer. */
  get renewedAgoMs(): number | undefined {
    return this.#answer === undefined ? undefined : this.#nowMs() - this.#sentAtMs;
  }

  /** A third of the shorter TTL: two renewals may fail before anything expires. */
  get periodMs(): number {
    const { workerTtlMs, allocTtlMs } = this.#answer ?? { workerTtlMs: 3_000, allocTtlMs: 3_000 };
    // Whole, as timers of the platform refuse fractions.
    return Math.floor(Math.min(workerTtlMs, allocTtlMs) / 3);
  }

  /**
   * Whether an instant of the database's clock may be less than a third of the alloc TTL away: such an alloc
   * is not sure to live until the next renewal.
   */
  isNear(expiresAtMs: number): boolean {
    if (this.#answer === undefined) return true;
    // The answer was given after the request was sent, so this is the latest the database's clock can show.
    const databaseNowMs = this.#answer.nowMs + (this.#nowMs() - this.#sentAtMs);
    return expiresAtMs - databaseNowMs < this.#answer.allocTtlMs / 3;
  }
}
