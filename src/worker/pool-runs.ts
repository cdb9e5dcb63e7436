/**
 * What a pool worker runs at this moment, counted in units of capacity. Filled by `pool-call.ts`, told by
 * `pool-membership.ts` what was lost. Plain bookkeeping, no I/O.
 * Promise: never more units than the capacity, whatever the database believes.
 */
import type { AllocRef } from '../contract/pools.ts';

/** Why a run is stopped. `lost`: its capacity belongs to another now, so its result cannot count. */
export class RunStopped extends Error {
  override readonly name = 'RunStopped';
  constructor(
    readonly kind: 'lost' | 'stopping',
    message: string,
  ) {
    super(message);
  }
}

export interface Run {
  readonly ref: AllocRef;
  readonly size: number;
  /** Aborts when the run is stopped; its reason is a RunStopped. */
  readonly signal: AbortSignal;
}

interface Entry extends Run {
  readonly controller: AbortController;
  disowned: boolean;
}

export type BeginResult =
  | { readonly kind: 'begun'; readonly run: Run }
  | { readonly kind: 'refused'; readonly message: string };

export class PoolRuns {
  /** May be changed at any time; below what is used nothing begins until it fits. */
  capacity: number;
  readonly #entries = new Map<string, Entry>();
  #used = 0;
  #idleWaiters: (() => void)[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Units in use, those of stopped runs whose handler has not returned yet included. */
  get used(): number {
    return this.#used;
  }

  get count(): number {
    return this.#entries.size;
  }

  begin(ref: AllocRef, size: number): BeginResult {
    if (this.#entries.has(ref.id)) return { kind: 'refused', message: `"${ref.id}" runs here already` };
    if (this.#used + size > this.capacity) {
      const message = `${size} of ${this.capacity} units wanted, ${this.#used} still in use`;
      return { kind: 'refused', message };
    }
    const controller = new AbortController();
    const entry = {
      ref: { id: ref.id, epoch: ref.epoch },
      size,
      signal: controller.signal,
      controller,
      disowned: false,
    };
    this.#entries.set(ref.id, entry);
    this.#used += size;
    return { kind: 'begun', run: entry };
  }

  /** The handler has returned. Idempotent. */
  end(run: Run): void {
    if (this.#entries.get(run.ref.id) !== run) return;
    this.#entries.delete(run.ref.id);
    this.#used -= run.size;
    if (this.#entries.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }

  /** Units of disowned runs: in use here, free in the database. The worker offers less for as long as there are any. */
  get overhang(): number {
    return [...this.#entries.values()]
      .filter((entry) => entry.disowned)
      .reduce((sum, entry) => sum + entry.size, 0);
  }

  /**
   * What a renewal lists: all that really runs, stopped runs included. The database counts the capacity of
   * a lost alloc as used until its worker no longer lists it; what it does not count is disowned and offered no more.
   */
  running(): readonly AllocRef[] {
    return [...this.#entries.values()].filter((entry) => !entry.disowned).map((entry) => entry.ref);
  }

  /** Stops everything, and lists it no more: it belongs to a registration that is gone. */
  disownAll(reason: RunStopped): void {
    this.disown(this.running(), reason);
    this.stopAll(reason);
  }

  /** Stops the runs of these allocs, and lists them no more: the database does not know them. */
  disown(refs: readonly AllocRef[], reason: RunStopped): void {
    for (const ref of refs) {
      const entry = this.#entries.get(ref.id);
      if (entry?.ref.epoch === ref.epoch) entry.disowned = true;
    }
    this.stop(refs, reason);
  }

  /** Stops the runs of these allocs; those that ended meanwhile are no matter. */
  stop(refs: readonly AllocRef[], reason: RunStopped): void {
    for (const ref of refs) {
      const entry = this.#entries.get(ref.id);
      if (entry?.ref.epoch === ref.epoch) entry.controller.abort(reason);
    }
  }

  stopAll(reason: RunStopped): void {
    for (const entry of this.#entries.values()) entry.controller.abort(reason);
  }

  /** Settles once nothing runs. */
  idle(): Promise<void> {
    if (this.#entries.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }
}

/** Why the run was stopped; undefined while it goes on. */
export function stopReason(run: Run): RunStopped | undefined {
  const reason: unknown = run.signal.reason;
  return reason instanceof RunStopped ? reason : undefined;
}
