/**
 * What this process knows of a pool's workers, so that a batch need not read a thousand rows to place one
 * demand. Used inside pool transactions only. Promise: what it knows is what the table holds. The pool's
 * row carries a version that every transaction which may change a worker raises under the pool's lock; what was
 * known is used only if nobody raised it since, and only after a commit is anything kept.
 * Plain renewals do not raise it (each process renews many workers), so an expiry may be known too early:
 * whoever looks expired is read again.
 */
import type { WorkerRow } from './tables.ts';

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

/** The workers as one transaction sees them; undefined until read. */
export interface KnownWorkers {
  rows: Map<string, KnownWorker> | undefined;
}

export interface WorkerCache {
  /** Takes out what is known as of `version`; a transaction that fails simply does not put it back. */
  take(poolId: string, version: number): KnownWorkers;
  keep(poolId: string, version: number, known: KnownWorkers): void;
}

/** Pools whose workers are kept in memory; others are read for each batch. */
const POOLS_MAX = 64;

export function createWorkerCache(): WorkerCache {
  const pools = new Map<string, { readonly version: number; readonly rows: Map<string, KnownWorker> }>();
  return {
    take(poolId, version) {
      const found = pools.get(poolId);
      pools.delete(poolId);
      return { rows: found?.version === version ? found.rows : undefined };
    },
    keep(poolId, version, { rows }) {
      if (rows === undefined) return;
      pools.delete(poolId);
      pools.set(poolId, { version, rows });
      const [oldest] = pools.keys();
      if (pools.size > POOLS_MAX && oldest !== undefined) pools.delete(oldest);
    },
  };
}
