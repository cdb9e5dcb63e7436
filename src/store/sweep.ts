/**
 * The sweep of a pool: what nobody says is found here by the database's clock. Called by the pool's
 * workflow every third of the shortest TTL. Promise: one transaction; after an outage TTLs are extended
 * before anything expires; a grant nobody took up is told again, and after its TTL waits again. A pool of
 * which nobody makes use is disbanded here, where it has a TTL.
 */
import { sql } from 'kysely';
import type { Alloc, WaitingEval } from '../contract/pools.ts';
import { PAGE_LIMIT_MAX, RUN_TIMES_COUNTED_MAX } from '../core/limits.ts';
import { giveUpAllocs } from './allocs.ts';
import type { Database } from './database.ts';
import { handOver } from './hand-over.ts';
import { extendAfterOutage, shortestTtlMs } from './outage.ts';
import { inPool, type PoolTransaction } from './pool-transaction.ts';
import { allocOf, waitingOf } from './rows.ts';
import type { SweepResult, Unheard } from './store.ts';
import type { AllocRow, EndedRow, EvalRow, PoolRow } from './tables.ts';

/** A finish whose answer was lost may be asked again for this long. */
const ENDED_KEPT_MS = 24 * 3_600_000;
/** Bounds one sweep's clearing; the next one goes on. */
const ENDED_REMOVED_MAX = 10_000;
/** A signal is on its way for less than this. */
const TELL_AGAIN_MS = 2_000;
/** Looked up in one sweep of each kind: a millisecond or two each. */
const LOOK_UPS_PER_SWEEP_MAX = 20;
/** Unheard of for so long. A try's backoff is as a rule longer than a wait, and nobody waits for it. */
const LOOK_UP_AFTER_MS = 5_000;
const RETRY_LOOK_UP_AFTER_MS = 15_000;

export async function sweepPool(database: Database, poolId: string): Promise<SweepResult> {
  return inPool(database, poolId, async (tx) => {
    const extendedByMs = (await extendAfterOutage(tx)) + tx.pool.extended_ms;
    const { expiredWorkers, expiredAllocs } = await expire(tx);
    const poolExpired = await expirePool(tx);
    const { fromQueue } = await handOver(tx, { all: true });
    const told = new Set(fromQueue.map((grant) => grant.id));
    const untold = (await notTakenUp(tx)).filter((grant) => !told.has(grant.id));
    const refused = tx.pool.state === 'disbanded' ? await stillWaiting(tx) : [];
    const unheard = [...(await longWaiting(tx)), ...(await longRetrying(tx))];
    await clear(tx);
    return {
      nowMs: tx.nowMs,
      extendedByMs,
      expiredWorkers,
      expiredAllocs,
      poolExpired,
      ...poolExpiry(tx.pool),
      grants: [...fromQueue, ...untold],
      ...(await counts(tx)),
      refused,
      unheard,
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
  tx.known.rows = undefined;
  const { rows } = await sql<{ id: string }>`
    DELETE FROM ${t.workers} WHERE pool_id = ${pool.id} AND expires_at_ms <= ${nowMs} RETURNING id`.execute(
    trx,
  );
  await sql`
    DELETE FROM ${t.replicas} r WHERE pool_id = ${pool.id} AND (expires_at_ms <= ${nowMs} OR NOT EXISTS (
      SELECT 1 FROM ${t.workers} w WHERE w.pool_id = r.pool_id AND w.id = r.worker_id))`.execute(trx);
  return { expiredWorkers: rows.map((row) => row.id).sort(), expiredAllocs };
}

/** After the workers, so that whoever is left lives. One that has expired is as disbanded as by hand, for good. */
async function expirePool({ trx, t, pool, nowMs }: PoolTransaction): Promise<boolean> {
  if (pool.pool_ttl_ms === 0 || pool.state === 'disbanded') return false;
  const { rows } = await sql<{ expires_at_ms: number | null }>`
    UPDATE ${t.pools} p SET expires_at_ms = CASE
        WHEN EXISTS (SELECT 1 FROM ${t.workers} w WHERE w.pool_id = p.id) THEN NULL
        ELSE coalesce(p.expires_at_ms, ${nowMs + pool.pool_ttl_ms}::bigint) END
    WHERE p.id = ${pool.id} RETURNING p.expires_at_ms`.execute(trx);
  pool.expires_at_ms = rows[0]?.expires_at_ms ?? null;
  if (pool.expires_at_ms === null || pool.expires_at_ms > nowMs) return false;
  pool.state = 'disbanded';
  await sql`UPDATE ${t.pools} SET state = 'disbanded' WHERE id = ${pool.id}`.execute(trx);
  return true;
}

function poolExpiry({ state, expires_at_ms: atMs }: PoolRow): Pick<SweepResult, 'poolExpiresAtMs'> {
  return state === 'disbanded' || atMs === null ? {} : { poolExpiresAtMs: atMs };
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

async function stillWaiting({ trx, t, pool }: PoolTransaction): Promise<readonly WaitingEval[]> {
  const { rows } = await sql<EvalRow>`
    SELECT * FROM ${t.evals} WHERE pool_id = ${pool.id} ORDER BY id LIMIT ${sql.lit(PAGE_LIMIT_MAX)}`.execute(
    trx,
  );
  return rows.map(waitingOf);
}

/** Those that wait and were not looked up for longest. A terminated invocation tells nobody. */
async function longWaiting({ trx, t, pool, nowMs }: PoolTransaction): Promise<readonly Unheard[]> {
  const { rows } = await sql<EvalRow>`
    UPDATE ${t.evals} e SET looked_at_ms = ${nowMs}::bigint WHERE e.ctid = ANY (ARRAY(
      SELECT ctid FROM ${t.evals} WHERE pool_id = ${pool.id}
        AND coalesce(looked_at_ms, enqueued_at_ms) <= ${nowMs - LOOK_UP_AFTER_MS}::bigint
      ORDER BY coalesce(looked_at_ms, enqueued_at_ms) LIMIT ${sql.lit(LOOK_UPS_PER_SWEEP_MAX)}))
    RETURNING e.*`.execute(trx);
  return rows.map(({ id, target, invocation_id: invocationId, enqueued_at_ms: enqueuedAtMs }) => ({
    ...{ kind: 'waiting', id, poolId: pool.id, invocationId, target, enqueuedAtMs },
  }));
}

/** Those whose next try has not ended yet, as far as the records say; in backoff nothing else is known of them. */
async function longRetrying({ trx, t, pool, nowMs }: PoolTransaction): Promise<readonly Unheard[]> {
  const { rows } = await sql<EndedRow & { invocation_id: string; over: boolean }>`
    WITH picked AS MATERIALIZED (
      SELECT d.ctid AS row, substr(d.id, 1, length(d.id) - position('#' in reverse(d.id))) AS invocation_id
      FROM ${t.ended} d WHERE d.pool_id = ${pool.id} AND d.release = 'retrying'
        AND coalesce(d.looked_at_ms, d.ended_at_ms) <= ${nowMs - RETRY_LOOK_UP_AFTER_MS}::bigint
      ORDER BY coalesce(d.looked_at_ms, d.ended_at_ms) LIMIT ${sql.lit(LOOK_UPS_PER_SWEEP_MAX)}
    ), known AS MATERIALIZED (
      SELECT p.*, EXISTS (SELECT 1 FROM ${t.runs} r WHERE r.invocation_id = p.invocation_id) AS over FROM picked p
    )
    UPDATE ${t.ended} d SET looked_at_ms = ${nowMs}::bigint,
      release = CASE WHEN k.over THEN 'retried' ELSE d.release END
    FROM known k WHERE d.ctid = k.row RETURNING d.*, k.invocation_id, k.over`.execute(trx);
  return rows
    .filter(({ over }) => !over)
    .map(({ id, target, invocation_id: invocationId, enqueued_at_ms: at, ended_at_ms }) => ({
      ...{ kind: 'retrying', id, poolId: pool.id, invocationId, target: target ?? '' },
      enqueuedAtMs: at ?? ended_at_ms,
    }));
}

async function clear(tx: PoolTransaction): Promise<void> {
  const { trx, t, pool, nowMs } = tx;
  await sql`
    DELETE FROM ${t.ended} WHERE pool_id = ${pool.id} AND id IN (
      SELECT id FROM ${t.ended} WHERE pool_id = ${pool.id} AND ended_at_ms < ${nowMs - ENDED_KEPT_MS}
      ORDER BY ended_at_ms LIMIT ${sql.lit(ENDED_REMOVED_MAX)})`.execute(trx);
  // So that what has changed lately counts for more than what was once.
  await sql`
    UPDATE ${t.run_times} r SET runs = r.runs / 2 WHERE r.pool_id = ${pool.id} AND r.target IN (
      SELECT target FROM ${t.run_times} WHERE pool_id = ${pool.id}
      GROUP BY target HAVING sum(runs) > ${sql.lit(RUN_TIMES_COUNTED_MAX)})`.execute(trx);
  await sql`DELETE FROM ${t.run_times} WHERE pool_id = ${pool.id} AND runs = 0`.execute(trx);
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
