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

/** Ended here, while the pool may not have heard of it. */
interface Ended {
  readonly ref: AllocRef;
  /** Listed no longer than until then; undefined before a renewal has shown that the pool still waits. */
  untilMs: number | undefined;
}

/**
 * Longer than an invocation waits between two tries to tell the pool; who has not told it by then is gone, and the TTL ends
 * what it held.
 */
const ENDED_LISTED_MS = 60_000;

export type BeginResult =
  | { readonly kind: 'begun'; readonly run: Run }
  | { readonly kind: 'refused'; readonly message: string };

export class PoolRuns {
  /** May be changed at any time; below what is used nothing begins until it fits. */
  capacity: number;
  readonly #entries = new Map<string, Entry>();
  readonly #ended = new Map<string, Ended>();
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
    this.#ended.delete(ref.id);
    this.#used += size;
    return { kind: 'begun', run: entry };
  }

  /**
   * The handler has returned. Idempotent.
   * @param counts its result is on its way to the pool, which may be out of reach for long: until it is there, the alloc is the run's
   */
  end(run: Run, { counts }: { readonly counts: boolean }): void {
    if (this.#entries.get(run.ref.id) !== run) return;
    this.#entries.delete(run.ref.id);
    if (counts) this.#ended.set(run.ref.id, { ref: run.ref, untilMs: undefined });
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
   * What a renewal lists: all that really runs, stopped runs included, and what has ended but is not known to be
   * taken in. The database counts the capacity of a lost alloc as used until its worker no longer lists it; what it does not
   * count is disowned and offered no more.
   */
  running(): readonly AllocRef[] {
    const ours = [...this.#entries.values()].filter((entry) => !entry.disowned);
    return [...ours, ...this.#ended.values()].map(({ ref }) => ref);
  }

  /** The pool still holds these for us. @param nowMs of a monotonic clock */
  held(refs: readonly AllocRef[], nowMs: number): void {
    for (const { id } of refs) {
      const ended = this.#ended.get(id);
      if (ended === undefined) continue;
      ended.untilMs ??= nowMs + ENDED_LISTED_MS;
      if (nowMs >= ended.untilMs) this.#ended.delete(id);
    }
  }

  /** Stops everything, and lists it no more: it belongs to a registration that is gone. */
  disownAll(reason: RunStopped): void {
    this.disown(this.running(), reason);
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
      if (this.#ended.get(ref.id)?.ref.epoch === ref.epoch) this.#ended.delete(ref.id);
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
