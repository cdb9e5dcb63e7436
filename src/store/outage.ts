/**
 * What an outage must not do: kill the healthy for their silence. When a pool was not swept for much
 * longer than its period, or no gateway lived, nobody could renew, so every TTL, the pool's own too, is extended by the
 * gap, at most to a fresh one. Called by the sweep, and before renewals that may come in ahead of it; gateways sign here.
 * Promise: the silence of the gateways is counted once for each pool, whether it is still going on or was over
 * before anybody looked; while it goes on each sweep adds what has come since the last.
 */
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { type PoolTransaction, workersChanged } from './pool-transaction.ts';
import type { PoolRow } from './tables.ts';

/** A gateway's sign of life; the silence that it ends, if any, is kept for pools that have not seen it. */
export async function gatewayAlive({ db, t }: Database): Promise<void> {
  await sql`UPDATE ${t.gateways} SET silent_ms = ${t.silence}, alive_at_ms = ${t.now}`.execute(db);
}

export function shortestTtlMs(pool: PoolRow): number {
  return Math.min(pool.worker_ttl_ms, pool.replica_ttl_ms, pool.alloc_ttl_ms);
}

/** A sweep comes every third of the shortest TTL; one may be late, two are an outage. */
function unsweptMs({ pool, nowMs }: PoolTransaction): number {
  if (pool.swept_at_ms === null) return 0;
  const gap = nowMs - pool.swept_at_ms;
  return gap > (2 * shortestTtlMs(pool)) / 3 ? gap : 0;
}

/** Answers by how much; 0 where there was no outage. What a renewal extended the next sweep reports. */
export async function extendAfterOutage(tx: PoolTransaction): Promise<number> {
  const { trx, t, pool, nowMs, silenceMs } = tx;
  // Where both were away it was one and the same time, give or take the moment it took to notice.
  const gap = Math.max(unsweptMs(tx), silenceMs - pool.silence_known_ms);
  if (gap <= 0) return 0;
  await workersChanged(tx);
  const ttls = [
    [t.workers, pool.worker_ttl_ms],
    [t.replicas, pool.replica_ttl_ms],
    [t.allocs, pool.alloc_ttl_ms],
  ] as const;
  for (const [table, ttl] of ttls) {
    await sql`
      UPDATE ${table} SET expires_at_ms =
        greatest(expires_at_ms, least(expires_at_ms + ${gap}::bigint, ${nowMs + ttl}::bigint))
      WHERE pool_id = ${pool.id}`.execute(trx);
  }
  await sql`
    UPDATE ${t.pools} SET swept_at_ms = ${nowMs}, extended_ms = extended_ms + ${gap}::bigint,
      silence_known_ms = ${silenceMs}::bigint,
      expires_at_ms = CASE WHEN state = 'disbanded' THEN expires_at_ms ELSE
        expires_at_ms + greatest(0, least(${gap}::bigint, ${nowMs + pool.pool_ttl_ms}::bigint - expires_at_ms)) END
    WHERE id = ${pool.id}`.execute(trx);
  return gap;
}
