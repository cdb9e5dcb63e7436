/**
 * Tells others what a store call brought about (grants, a new worker) without holding up the request.
 * Used by the worker protocol's routes. Promise: a failure is logged and forgotten, as the pool's sweep
 * delivers again; what is under way when the gateway closes is waited for.
 */
import type { Logger } from '@temporalio/common';
import type { WaitingEval } from '../contract/pools.ts';
import type { Grant } from '../store/store.ts';

export interface NotifierOptions {
  /** Signals the invocations that were waiting. */
  readonly onGrants: (grants: readonly Grant[]) => Promise<void> | void;
  /** Tells those who wait for a disbanded pool. Absent: its sweep alone does. */
  readonly onRefused?: (refused: readonly WaitingEval[]) => Promise<void> | void;
  /** Starts the workflow that tends the pool, where it is not running. */
  readonly onWorkerRegistered: (poolId: string) => Promise<void> | void;
  readonly logger?: Logger | undefined;
}

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #pending = new Set<Promise<void>>();

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  grants(grants: readonly Grant[]): void {
    if (grants.length === 0) return;
    this.#start('deliver grants', { grants: grants.length }, () => this.#options.onGrants(grants));
  }

  refused(refused: readonly WaitingEval[]): void {
    const { onRefused } = this.#options;
    if (refused.length === 0 || onRefused === undefined) return;
    this.#start('tell who waits', { refused: refused.length }, () => onRefused(refused));
  }

  workerRegistered(poolId: string): void {
    this.#start('tend the pool', { poolId }, () => this.#options.onWorkerRegistered(poolId));
  }

  /** Settles once everything begun so far has ended. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** A renewal must not wait for Temporal: a worker whose renewals are slow stops healthy work. */
  #start(what: string, meta: Record<string, unknown>, act: () => Promise<void> | void): void {
    const attempt = (async () => {
      try {
        await act();
      } catch (error) {
        this.#options.logger?.warn(`could not ${what}; the pool's sweep will`, { ...meta, error });
      }
    })();
    this.#pending.add(attempt);
    void attempt.finally(() => this.#pending.delete(attempt));
  }
}
