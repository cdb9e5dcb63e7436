/**
 * How allocs end: by the holder's finish, by its worker's renewal, or by expiry. One whose target may still run is marked
 * `lost` first: it counts as used for as long as its worker lists it. Statements for a whole batch
 * inside a pool's transaction. Promise: an alloc's capacity is given back exactly once, by whichever
 * statement deletes its row; a stale epoch matches nothing.
 * Rows are found one by one (LATERAL ... OFFSET 0) and then changed by their ctid, which the pool's lock keeps
 * still: left to its estimates, the planner reads a whole pool instead.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Alloc, AllocRef, RenewalPart } from '../contract/pools.ts';
import { BUCKETS_PER_DOUBLING } from '../core/allocator/run-times.ts';
import { REQUEST_NAMES, waitedUntil } from './hand-over-rows.ts';
import { type PoolTransaction, workersChanged } from './pool-transaction.ts';
import { allocOf, json } from './rows.ts';
import type { ReleaseReason } from './store.ts';
import type { AllocRow } from './tables.ts';

export interface Release {
  /** Place in the batch. */
  readonly ord: number;
  readonly id: string;
  /** Null: whatever the eval has. */
  readonly epoch: number | null;
  readonly release: ReleaseReason;
  /** See `FinishRequest`. */
  readonly still_runs: boolean;
}

export interface Released {
  readonly ord: number;
  /** It held the alloc, and holds it no more. */
  readonly held: boolean;
  /** This very release was applied before; its answer was lost. */
  readonly before: boolean;
  readonly freed: boolean;
  readonly worker_id: string | null;
  readonly incarnation: string | null;
  readonly size: number | null;
  readonly lost: boolean | null;
}

/** Releases allocs and takes withdrawn evals off the queue. */
export async function releaseAllocs(
  tx: PoolTransaction,
  releases: readonly Release[],
): Promise<readonly Released[]> {
  if (releases.length === 0) return [];
  const { trx, t, pool, nowMs } = tx;
  const { rows } = await sql<Released>`
    WITH asked AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${json(releases)}::jsonb)
        AS a(ord integer, id text, epoch bigint, release text, still_runs boolean)
    ), held AS MATERIALIZED (
      SELECT DISTINCT ON (l.id) l.id, l.row, l.epoch, l.worker_id, l.incarnation, l.size, l.target, l.warm,
        l.enqueued_at_ms, l.granted_at_ms, l.explained, l.waited, a.release, a.release = 'lost' AS lost,
        a.release = 'lost' OR a.still_runs AS counted
      FROM asked a CROSS JOIN LATERAL (
        SELECT l.ctid AS row, l.* FROM ${t.allocs} l WHERE l.pool_id = ${pool.id} AND l.id = a.id
          AND l.state = 'held' AND (a.epoch IS NULL OR l.epoch = a.epoch) OFFSET 0) l
      ORDER BY l.id, a.ord
    ), marked AS (
      UPDATE ${t.allocs} SET state = 'lost' WHERE ctid = ANY (ARRAY(SELECT h.row FROM held h WHERE h.counted))
    ), gone AS (
      DELETE FROM ${t.allocs} WHERE ctid = ANY (ARRAY(SELECT h.row FROM held h WHERE NOT h.counted))
    ), freed AS (
      UPDATE ${t.workers} w SET used = w.used - s.size, cordoned = w.cordoned OR s.lost
      FROM (SELECT worker_id, incarnation, coalesce(sum(size) FILTER (WHERE NOT counted), 0)::integer AS size,
          bool_or(lost) AS lost FROM held GROUP BY 1, 2) s
      WHERE w.pool_id = ${pool.id} AND w.id = s.worker_id AND w.incarnation = s.incarnation
    ), unqueued AS (
      DELETE FROM ${t.evals} e WHERE ctid = ANY (ARRAY(SELECT e.row FROM asked a CROSS JOIN LATERAL (
        SELECT e.ctid AS row FROM ${t.evals} e WHERE e.pool_id = ${pool.id} AND e.id = a.id OFFSET 0) e))
      RETURNING e.id, e.target, e.enqueued_at_ms, ${waitedUntil(nowMs)} AS waited
    ), measured AS (
      INSERT INTO ${t.run_times} AS m (pool_id, target, bucket, runs)
      SELECT ${pool.id}::text, target, ${bucketSince(sql`${nowMs}::bigint`)}, count(*) FROM held
      WHERE release IN ('finished', 'retrying') GROUP BY 2, 3
      ON CONFLICT (pool_id, target, bucket) DO UPDATE SET runs = m.runs + excluded.runs
    ), remembered AS (
      INSERT INTO ${t.ended} AS d (pool_id, id, epoch, ended_at_ms, release, target, worker_id, enqueued_at_ms,
        granted_at_ms, warm, explained, waited)
      SELECT DISTINCT ON (a.id) ${pool.id}::text, a.id, coalesce(h.epoch, 0), ${nowMs}::bigint, a.release,
        coalesce(h.target, u.target), h.worker_id,
        coalesce(h.enqueued_at_ms, u.enqueued_at_ms), h.granted_at_ms, h.warm, h.explained, coalesce(h.waited, u.waited)
      FROM asked a LEFT JOIN held h ON h.id = a.id LEFT JOIN unqueued u ON u.id = a.id
      WHERE h.id IS NOT NULL OR a.epoch IS NULL
      ORDER BY a.id, a.ord
      ON CONFLICT (pool_id, id) DO UPDATE SET epoch = greatest(d.epoch, excluded.epoch),
        ended_at_ms = excluded.ended_at_ms,
        target = coalesce(excluded.target, d.target),
        release = CASE WHEN excluded.enqueued_at_ms IS NULL THEN d.release ELSE excluded.release END,
        worker_id = coalesce(excluded.worker_id, d.worker_id),
        enqueued_at_ms = coalesce(excluded.enqueued_at_ms, d.enqueued_at_ms),
        granted_at_ms = coalesce(excluded.granted_at_ms, d.granted_at_ms),
        warm = coalesce(excluded.warm, d.warm), explained = coalesce(excluded.explained, d.explained),
        waited = coalesce(excluded.waited, d.waited)
    )
    SELECT a.ord, coalesce(h.id IS NOT NULL AND (a.epoch IS NULL OR a.epoch = h.epoch), false) AS held,
      coalesce((SELECT e.epoch FROM ${t.ended} e WHERE e.pool_id = ${pool.id} AND e.id = a.id) = a.epoch, false) AS before, coalesce(NOT h.counted, false) AS freed,
      h.worker_id, h.incarnation, h.size, h.lost
    FROM asked a LEFT JOIN held h ON h.id = a.id`.execute(trx);
  noteReleases(tx, releases, rows);
  return rows;
}

function noteReleases(tx: PoolTransaction, releases: readonly Release[], rows: readonly Released[]): void {
  const idOf = new Map(releases.map(({ ord, id }) => [ord, id]));
  const noted = new Set<string | undefined>();
  for (const { ord, worker_id: workerId, incarnation, size, lost, freed } of rows) {
    const id = idOf.get(ord);
    const known = tx.known.rows?.get(workerId ?? '');
    // Twins in one batch name the same alloc, whose capacity came back once.
    if (noted.has(id) || known === undefined || known.incarnation !== incarnation) continue;
    noted.add(id);
    if (lost === true) known.cordoned = true;
    if (freed) known.used -= size ?? 0;
  }
}

/** In SQL: the bucket of the time since `granted_at_ms`, as `core/allocator/run-times.ts` reads it. */
export function bucketSince(nowMs: RawBuilder<unknown>) {
  return sql`floor(${sql.lit(BUCKETS_PER_DOUBLING)} * ln(greatest(${nowMs} - granted_at_ms, 1)::float8) / ln(2::float8)
    + ${sql.lit(ROUNDED_UP)}::float8)::integer`;
}

/** A power of two must not fall below its bucket by the last bit of a logarithm. */
const ROUNDED_UP = 1e-9;

export interface Renewal {
  readonly ord: number;
  readonly worker_id: string;
  readonly incarnation: string;
  readonly running: readonly AllocRef[];
  readonly part?: RenewalPart | undefined;
}

export interface Renewed {
  readonly ord: number;
  readonly draining: boolean;
  /** A cordon was lifted, or capacity came back that had been lost. */
  readonly freed: boolean;
  readonly held: readonly AllocRef[];
  readonly lost: readonly AllocRef[];
  readonly used: number;
}

/**
 * Renews workers, their replicas and the allocs they run; answers only for workers that are live. Of a renewal in parts the
 * last one ends the lost allocs that none has listed: those that no part has renewed.
 */
export async function renewWorkers(
  tx: PoolTransaction,
  renewals: readonly Renewal[],
): Promise<readonly Renewed[]> {
  if (renewals.length === 0) return [];
  const { trx, t, pool, nowMs } = tx;
  const asked = renewals.map(({ ord, worker_id, incarnation, part }) => ({
    ...{ ord, worker_id, incarnation, last: part?.last ?? true, since_ms: part?.sinceMs ?? null },
  }));
  const running = renewals.flatMap(({ ord, running: refs }) =>
    refs.map(({ id, epoch }) => ({ ord, id, epoch })),
  );
  const { rows } = await sql<Renewed>`
    WITH asked AS MATERIALIZED (
      SELECT r.ord, r.last, r.since_ms, w.id AS worker_id, w.incarnation, w.cordoned, w.draining, w.used
      FROM jsonb_to_recordset(${json(asked)}::jsonb)
        AS r(ord integer, worker_id text, incarnation text, last boolean, since_ms bigint)
      CROSS JOIN LATERAL (
        SELECT * FROM ${t.workers} w WHERE w.pool_id = ${pool.id} AND w.id = r.worker_id
          AND w.incarnation = r.incarnation AND w.expires_at_ms > ${nowMs} OFFSET 0) w
    ), said AS MATERIALIZED (
      SELECT DISTINCT a.worker_id, a.incarnation, s.id, s.epoch
      FROM jsonb_to_recordset(${json(running)}::jsonb) AS s(ord integer, id text, epoch bigint) JOIN asked a USING (ord)
    ), confirmed AS (
      UPDATE ${t.allocs} l SET expires_at_ms = ${nowMs + pool.alloc_ttl_ms}::bigint, taken_up = true
      WHERE l.ctid = ANY (ARRAY(SELECT k.row FROM said s CROSS JOIN LATERAL (
        SELECT k.ctid AS row FROM ${t.allocs} k WHERE k.pool_id = ${pool.id} AND k.id = s.id AND k.epoch = s.epoch
          AND k.worker_id = s.worker_id AND k.incarnation = s.incarnation
          AND (k.state = 'lost' OR k.expires_at_ms > ${nowMs}) OFFSET 0) k))
      RETURNING l.id, l.epoch, l.worker_id, l.state
    ), gone AS (
      DELETE FROM ${t.allocs} l WHERE l.ctid = ANY (ARRAY(SELECT k.row FROM asked a CROSS JOIN LATERAL (
        SELECT k.ctid AS row FROM ${t.allocs} k WHERE k.pool_id = ${pool.id} AND k.worker_id = a.worker_id
          AND k.incarnation = a.incarnation AND k.state = 'lost' AND a.last
          AND (a.since_ms IS NULL OR k.expires_at_ms < a.since_ms + ${pool.alloc_ttl_ms}::bigint) OFFSET 0) k))
        AND NOT EXISTS (SELECT 1 FROM said s WHERE s.id = l.id AND s.epoch = l.epoch)
      RETURNING l.worker_id, l.size
    ), renewed AS (
      UPDATE ${t.workers} w SET renewed_at_ms = ${nowMs}::bigint, cordoned = false,
        expires_at_ms = ${nowMs + pool.worker_ttl_ms}::bigint,
        used = w.used - coalesce((SELECT sum(g.size)::integer FROM gone g WHERE g.worker_id = w.id), 0)
      FROM (SELECT DISTINCT worker_id FROM asked) a WHERE w.pool_id = ${pool.id} AND w.id = a.worker_id
    ), replicas AS (
      UPDATE ${t.replicas} r SET expires_at_ms = ${nowMs + pool.replica_ttl_ms}::bigint
      WHERE r.ctid = ANY (ARRAY(SELECT k.row FROM asked a CROSS JOIN LATERAL (
        SELECT k.ctid AS row FROM ${t.replicas} k WHERE k.pool_id = ${pool.id} AND k.worker_id = a.worker_id OFFSET 0) k))
    )
    SELECT a.ord, a.draining, a.cordoned OR EXISTS (SELECT 1 FROM gone g WHERE g.worker_id = a.worker_id) AS freed,
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', c.id, 'epoch', c.epoch))
        FROM confirmed c WHERE c.worker_id = a.worker_id AND c.state = 'held'), '[]') AS held,
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', c.id, 'epoch', c.epoch))
        FROM confirmed c WHERE c.worker_id = a.worker_id AND c.state = 'lost'), '[]') AS lost,
      a.used - coalesce((SELECT sum(g.size)::integer FROM gone g WHERE g.worker_id = a.worker_id), 0) AS used
    FROM asked a`.execute(trx);
  if (rows.some((row) => row.freed)) await workersChanged(tx);
  const workerOf = new Map(renewals.map(({ ord, worker_id }) => [ord, worker_id]));
  for (const { ord } of rows) {
    const known = tx.known.rows?.get(workerOf.get(ord) ?? '');
    if (known !== undefined) known.expires_at_ms = nowMs + pool.worker_ttl_ms;
  }
  return rows;
}

/**
 * Ends all allocs `l` that `which` is true for: expired, or their worker is gone. A grant that was
 * never taken up waits again with the age it had; the others' invocations learn it by their heartbeat.
 * Answers those that were running.
 */
export async function giveUpAllocs(
  tx: PoolTransaction,
  which: RawBuilder<unknown>,
): Promise<readonly Alloc[]> {
  const { trx, t, pool, nowMs } = tx;
  tx.known.rows = undefined;
  const { rows } = await sql<AllocRow>`
    WITH gone AS (
      DELETE FROM ${t.allocs} l WHERE l.pool_id = ${pool.id} AND (${which}) RETURNING *
    ), freed AS (
      UPDATE ${t.workers} w SET used = w.used - s.size
      FROM (SELECT worker_id, incarnation, sum(size)::integer AS size FROM gone GROUP BY 1, 2) s
      WHERE w.pool_id = ${pool.id} AND w.id = s.worker_id AND w.incarnation = s.incarnation
    ), waits AS (
      INSERT INTO ${t.evals} (${REQUEST_NAMES}, reason, waited)
      SELECT ${REQUEST_NAMES}, '{"kind":"no-free-capacity","largestFree":0}'::jsonb,
        coalesce(waited, '[]'::jsonb)
      FROM gone WHERE state = 'held' AND NOT taken_up
      ON CONFLICT (pool_id, id) DO NOTHING
    ), remembered AS (
      INSERT INTO ${t.ended} AS d (pool_id, id, epoch, ended_at_ms, release, target, worker_id, enqueued_at_ms,
        granted_at_ms, warm, explained, waited)
      SELECT pool_id, id, -epoch, ${nowMs}::bigint, 'expired', target, worker_id, enqueued_at_ms, granted_at_ms, warm, explained, waited
      FROM gone WHERE state = 'held' AND taken_up
      ON CONFLICT (pool_id, id) DO UPDATE SET epoch = excluded.epoch, ended_at_ms = excluded.ended_at_ms,
        release = excluded.release, target = excluded.target, worker_id = excluded.worker_id, enqueued_at_ms = excluded.enqueued_at_ms,
        granted_at_ms = excluded.granted_at_ms, warm = excluded.warm, explained = excluded.explained,
        waited = excluded.waited
      WHERE d.epoch < 0
    )
    SELECT * FROM gone WHERE state = 'held' AND taken_up`.execute(trx);
  return rows.map(allocOf);
}
