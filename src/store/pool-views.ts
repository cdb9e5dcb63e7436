/**
 * What this process knows of a pool: its row, its workers, and whether anybody waits, so that a batch need not read a
 * thousand rows to place one demand. Promise: what it knows is what the tables hold. The pool's row carries a version
 * that every transaction which may change more than an expiry raises under the pool's lock; what was known is used only
 * if nobody raised it since, and only after a commit is anything kept.
 * Plain renewals do not raise it (each process renews many workers), so an expiry may be known too early:
 * whoever looks expired is read again.
 */
import type { Placer } from '../core/allocator/place.ts';
import type { PoolRow, WorkerRow } from './tables.ts';

export type KnownWorker = Pick<
  WorkerRow,
  | 'id'
  | 'incarnation'
  | 'draining'
  | 'cordoned'
  | 'capacity'
  | 'used'
  | 'targets'
  | 'task_queue'
  | 'expires_at_ms'
>;

/** The pool as one transaction sees it. */
export interface Known {
  /** Undefined until read. */
  rows: Map<string, KnownWorker> | undefined;
  /** Nobody waits; false also where that is not known. */
  queueEmpty: boolean;
  /** Nobody waited when this transaction began, as far as that was known. */
  readonly queueWasEmpty: boolean;
  /** What the transaction before knew was still true when this one began. */
  readonly steady: boolean;
}

/** A pool as it was committed, and as the express batches that are under way will leave it. */
export interface PoolView {
  readonly pool: PoolRow;
  /** The database's clock when it was last read. */
  nowMs: number;
  readonly rows: Map<string, KnownWorker>;
  readonly queueEmpty: boolean;
  readonly steady: boolean;
  /** Made by the first express batch that needs it, and kept for the next ones: sorting many workers takes longer than placing. */
  ready?: ReadyPool | undefined;
}

/** A pool whose workers are all live, and what they have free. */
export interface ReadyPool {
  readonly placer: Placer;
  /** The first of them is not live from this instant on, as far as is known. */
  readonly untilMs: number;
}

export interface PoolViews {
  /** Takes out what is known as of `version`; a transaction that fails simply does not put it back. */
  take(poolId: string, version: number): Known;
  keep(pool: PoolRow, nowMs: number, known: Known): void;
  /** Left where it is. */
  peek(poolId: string): PoolView | undefined;
  forget(poolId: string): void;
}

/** Pools that are kept in memory; others are read for each batch. */
const POOLS_MAX = 64;

export function createPoolViews(): PoolViews {
  const views = new Map<string, PoolView>();
  return {
    take(poolId, version) {
      const found = views.get(poolId);
      views.delete(poolId);
      const steady = found?.pool.version === version;
      const queueWasEmpty = steady && found.queueEmpty;
      return { rows: steady ? found.rows : undefined, queueEmpty: false, queueWasEmpty, steady };
    },
    keep(pool, nowMs, { rows, queueEmpty, steady }) {
      if (rows === undefined) return;
      views.delete(pool.id);
      views.set(pool.id, { pool, nowMs, rows, queueEmpty, steady });
      const [oldest] = views.keys();
      if (views.size > POOLS_MAX && oldest !== undefined) views.delete(oldest);
    },
    peek: (poolId) => views.get(poolId),
    forget: (poolId) => void views.delete(poolId),
  };
}
