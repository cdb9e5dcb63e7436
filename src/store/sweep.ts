/**
 * The sweep of a pool: what nobody says is found here by the database's clock. Called by the pool's
 * workflow every third of the shortest TTL. Promise: one transaction; after an outage TTLs are extended
 * before anything expires; a grant nobody took up is told again, and after its TTL waits again.
 */
import { sql } from 'kysely';
import type { Alloc } from '../contract/pools.ts';
import { giveUpAllocs } from './allocs.ts';
import type { Database } from './database.ts';
import { handOver } from './hand-over.ts';
import { extendAfterOutage, shortestTtlMs } from './outage.ts';
import { inPool, type PoolTransaction } from './pool-transaction.ts';
import { allocOf } from './rows.ts';
import type { SweepResult } from './store.ts';
import type { AllocRow } from './tables.ts';

/** A finish whose answer was lost may be asked again for this long. */
const ENDED_KEPT_MS = 24 * 3_600_000;
/** Bounds one sweep's clearing; the next one goes on. */
const ENDED_REMOVED_MAX = 10_000;
/** A signal is on its way for less than this. */
const TELL_AGAIN_MS = 2_000;

export async function sweepPool(database: Database, poolId: string): Promise<SweepResult> {
  return inPool(database, poolId, async (tx) => {
    const extendedByMs = (await extendAfterOutage(tx)) + tx.pool.extended_ms;
    const { expiredWorkers, expiredAllocs } = await expire(tx);
    const { fromQueue } = await handOver(tx, { all: true });
    const told = new Set(fromQueue.map((grant) => grant.id));
    const untold = (await notTakenUp(tx)).filter((grant) => !told.has(grant.id));
    await clear(tx);
    return {
      nowMs: tx.nowMs,
      extendedByMs,
      expiredWorkers,
      expiredAllocs,
      grants: [...fromQueue, ...untold],
      ...(await counts(tx)),
      shortestTtlMs: shortestTtlMs(tx.pool),
    };
  });
}

async function expire(
  tx: PoolTransaction,
): Promise<{ readonly expiredWorkers: readonly string[]; readonly expiredAllocs: readonly Alloc[] }> {
  const { trx, t, pool, nowMs } = tx;
  // Allocs before their workers: whose worker is gone cannot be told afterwards.
  const expiredAllocs = await giveUpAllocs(
    tx,
    sql`l.expires_at_ms <= ${nowMs} OR NOT EXISTS (
      SELECT 1 FROM ${t.workers} w WHERE w.pool_id = l.pool_id AND w.id = l.worker_id
        AND w.incarnation = l.incarnation AND w.expires_at_ms > ${nowMs})`,
  );
  tx.workers.rows = undefined;
  const { rows } = await sql<{ id: string }>`
    DELETE FROM ${t.workers} WHERE pool_id = ${pool.id} AND expires_at_ms <= ${nowMs} RETURNING id`.execute(
    trx,
  );
  await sql`
    DELETE FROM ${t.replicas} r WHERE pool_id = ${pool.id} AND (expires_at_ms <= ${nowMs} OR NOT EXISTS (
      SELECT 1 FROM ${t.workers} w WHERE w.pool_id = r.pool_id AND w.id = r.worker_id))`.execute(trx);
  return { expiredWorkers: rows.map((row) => row.id).sort(), expiredAllocs };
}

/** Grants to those who waited that no worker has confirmed: the signal may have been lost. */
async function notTakenUp(tx: PoolTransaction): Promise<readonly Alloc[]> {
  const { trx, t, pool, nowMs } = tx;
  const { rows } = await sql<AllocRow>`
    SELECT * FROM ${t.allocs} WHERE pool_id = ${pool.id} AND from_queue AND NOT taken_up AND state = 'held'
      AND granted_at_ms <= ${nowMs - Math.min(TELL_AGAIN_MS, Math.floor(pool.alloc_ttl_ms / 3))}::bigint
    ORDER BY epoch`.execute(trx);
  return rows.map(allocOf);
}

async function clear(tx: PoolTransaction): Promise<void> {
  const { trx, t, pool, nowMs } = tx;
  await sql`
    DELETE FROM ${t.ended} WHERE pool_id = ${pool.id} AND id IN (
      SELECT id FROM ${t.ended} WHERE pool_id = ${pool.id} AND ended_at_ms < ${nowMs - ENDED_KEPT_MS}
      ORDER BY ended_at_ms LIMIT ${sql.lit(ENDED_REMOVED_MAX)})`.execute(trx);
  await sql`UPDATE ${t.pools} SET swept_at_ms = ${nowMs}, extended_ms = 0 WHERE id = ${pool.id}`.execute(trx);
}

async function counts(tx: PoolTransaction): Promise<Pick<SweepResult, 'workers' | 'waiting' | 'allocs'>> {
  const { trx, t, pool } = tx;
  const { rows } = await sql<Pick<SweepResult, 'workers' | 'waiting' | 'allocs'>>`
    SELECT (SELECT count(*) FROM ${t.workers} WHERE pool_id = ${pool.id}) AS workers,
      (SELECT count(*) FROM ${t.evals} WHERE pool_id = ${pool.id}) AS waiting,
      (SELECT count(*) FROM ${t.allocs} WHERE pool_id = ${pool.id}) AS allocs`.execute(trx);
  return rows[0] ?? { workers: 0, waiting: 0, allocs: 0 };
}
