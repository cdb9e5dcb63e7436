/**
 * A transaction that owns a pool: it holds the lock on the pool's row, so whatever reads or changes
 * the pool's workers, queue and allocs happens one after the other, in this process and in all others.
 * Used by everything that touches a pool. Promise: `nowMs` is read after the lock was granted.
 */
import { sql, type Transaction } from 'kysely';
import type { Database } from './database.ts';
import type { PoolRow, TableNames, Tables } from './tables.ts';
import {
  ALLOC_TTL_MS_DEFAULT,
  LOST_MAX_DEFAULT,
  POOL_TTL_MS_DEFAULT,
  REPLICA_TTL_MS_DEFAULT,
  RESERVE_AFTER_MS_DEFAULT,
  WORKER_TTL_MS_DEFAULT,
} from '../core/limits.ts';
import type { PoolSettings } from '../contract/pools.ts';
import type { Known } from './pool-views.ts';

export interface PoolTransaction {
  readonly trx: Transaction<Tables>;
  readonly t: TableNames;
  readonly pool: PoolRow;
  /** The database's clock. */
  readonly nowMs: number;
  /** Milliseconds without any gateway, ever; `pool.silence_known_ms` of them are accounted for. */
  readonly silenceMs: number;
  /** Of this process. */
  readonly writer: number;
  /** Whoever changes the workers' table changes this alike, or sets `rows` to undefined. */
  readonly known: Known;
}

export const POOL_SETTINGS_DEFAULT: PoolSettings = {
  workerTtlMs: WORKER_TTL_MS_DEFAULT,
  replicaTtlMs: REPLICA_TTL_MS_DEFAULT,
  allocTtlMs: ALLOC_TTL_MS_DEFAULT,
  poolTtlMs: POOL_TTL_MS_DEFAULT,
  retryMax: LOST_MAX_DEFAULT,
  reserveAfterMs: RESERVE_AFTER_MS_DEFAULT,
  strategy: 'pack',
};

export interface PoolLockOptions {
  /**
   * Default true: other processes read the workers again afterwards. False for plain renewals; whoever
   * changes more after all calls `workersChanged`.
   */
  readonly changesWorkers?: boolean;
}

/** Runs `work` with the pool locked. A pool that nobody has created gets a row in state `absent` to lock. */
export async function inPool<T>(
  database: Database,
  poolId: string,
  work: (tx: PoolTransaction) => Promise<T>,
  { changesWorkers = true }: PoolLockOptions = {},
): Promise<T> {
  const { t, views, writer } = database;
  let keep = () => {};
  const result = await database.transaction(async (trx) => {
    const {
      now_ms: nowMs,
      silence_ms: silenceMs,
      ...pool
    } = await lock(trx, t, poolId, changesWorkers, writer);
    const known = views.take(poolId, changesWorkers ? pool.version - 1 : pool.version);
    const answer = await work({ trx, t, pool, nowMs, silenceMs, writer, known });
    keep = () => views.keep(pool, nowMs, known);
    return answer;
  });
  // Only what is committed may be known.
  keep();
  return result;
}

/** For a transaction that was begun with `changesWorkers: false` and changes them after all. */
export async function workersChanged({ trx, t, pool, writer, known }: PoolTransaction): Promise<void> {
  known.rows = undefined;
  await sql`UPDATE ${t.pools} SET version = version + 1, writer = ${writer} WHERE id = ${pool.id}`.execute(
    trx,
  );
}

type LockedRow = PoolRow & { now_ms: number; silence_ms: number };

async function lock(
  trx: Transaction<Tables>,
  t: TableNames,
  poolId: string,
  changesWorkers: boolean,
  writer: number,
): Promise<LockedRow> {
  // Either way the clock is read after the wait for the lock: RETURNING comes last, and so does the outer SELECT.
  const locking = changesWorkers
    ? sql<LockedRow>`UPDATE ${t.pools} SET version = version + 1, writer = ${writer} WHERE id = ${poolId} 
        RETURNING *, ${t.now} AS now_ms, ${t.silence} AS silence_ms`
    : sql<LockedRow>`
        SELECT p.*, ${t.now} AS now_ms, ${t.silence} AS silence_ms FROM (SELECT * FROM ${t.pools} WHERE id = ${poolId} FOR UPDATE) p`;
  const found = (await locking.execute(trx)).rows[0];
  if (found !== undefined) return found;
  const s = POOL_SETTINGS_DEFAULT;
  await sql`
    INSERT INTO ${t.pools} (id, state, worker_ttl_ms, replica_ttl_ms, alloc_ttl_ms, pool_ttl_ms, retry_max,
      reserve_after_ms, strategy, created_at_ms, silence_known_ms)
    VALUES (${poolId}, 'absent', ${s.workerTtlMs}, ${s.replicaTtlMs}, ${s.allocTtlMs}, ${s.poolTtlMs},
      ${s.retryMax}, ${s.reserveAfterMs}, ${s.strategy}, ${t.now}, ${t.silence})
    ON CONFLICT (id) DO NOTHING`.execute(trx);
  const made = (await locking.execute(trx)).rows[0];
  if (made === undefined) throw new Error(`pool "${poolId}" vanished while it was being locked`);
  return made;
}
