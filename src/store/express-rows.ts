/**
 * The statement that does the work of an express batch: ends allocs and makes new ones, in one. Used by `express.ts`
 * only, inside the transaction that has locked the pool. Promise: if anything is not as expected (an eval is known or
 * was granted before, an alloc is gone, a worker is full or expired), it fails, and with it the transaction.
 * Lists travel as arrays, and rows are found one by one (LATERAL ... OFFSET 0), then changed by their ctid, for the
 * reasons given in `allocs.ts`. What a grant needs travels with it: joined to a second list it would be compared with
 * all of that.
 */
import { type RawBuilder, sql } from 'kysely';
import type { EvalRequest } from '../contract/pools.ts';
import { bucketSince } from './allocs.ts';
import { numberArray, textArray } from './arrays.ts';
import type { KnownWorker } from './pool-views.ts';
import type { FinishRequest } from './store.ts';
import type { PoolRow, TableNames } from './tables.ts';

export interface ExpressGrant {
  readonly request: EvalRequest;
  readonly worker: KnownWorker;
  readonly explained: string;
}

export type ExpressRelease = FinishRequest & { readonly evalId: string; readonly epoch: number };

/** What it answers. */
export interface ExpressDone {
  readonly now_ms: number;
  /** Of the first grant; each further one has the next. Null where there are none. */
  readonly epoch: number | null;
  readonly freed: readonly (readonly [workerId: string, incarnation: string, size: number])[] | null;
}

export function expressStatement(
  t: TableNames,
  pool: PoolRow,
  grants: readonly ExpressGrant[],
  releases: readonly ExpressRelease[],
): RawBuilder<unknown> {
  const requests = grants.map(({ request }) => request);
  const workers = grants.map(({ worker }) => worker);
  const taken = takenFrom(grants);
  return sql`
    WITH n AS MATERIALIZED (
      SELECT ${t.now} AS ms, CASE WHEN ${grants.length}::integer > 0 THEN ${t.nextEpoch} END AS epoch
    ), taken AS MATERIALIZED (
      SELECT * FROM unnest(${textArray(taken.map((one) => one.worker.id))}::text[],
        ${textArray(taken.map((one) => one.worker.incarnation))}::text[], ${numberArray(taken.map((one) => one.size))}::integer[])
        AS s(worker_id, incarnation, size)
    ), e AS (
      SELECT * FROM unnest(${textArray(releases.map((r) => r.evalId))}::text[],
        ${numberArray(releases.map((r) => r.epoch))}::bigint[], ${textArray(releases.map((r) => r.release))}::text[])
        AS e(id, epoch, release)
    ), gone AS (
      DELETE FROM ${t.allocs} l USING (
        SELECT k.row, e.release FROM e CROSS JOIN LATERAL (SELECT k.ctid AS row FROM ${t.allocs} k
          WHERE k.pool_id = ${pool.id} AND k.id = e.id AND k.epoch = e.epoch AND k.state = 'held' OFFSET 0) k OFFSET 0) e
      WHERE l.ctid = e.row
      RETURNING l.id, l.epoch, l.target, l.size, l.worker_id, l.incarnation, l.enqueued_at_ms, l.granted_at_ms, l.warm,
        l.explained, l.waited, e.release
    ), moved AS MATERIALIZED (
      SELECT worker_id, incarnation, sum(freed)::integer AS freed, sum(taken)::integer AS taken FROM (
        SELECT worker_id, incarnation, size AS freed, 0 AS taken FROM gone
        UNION ALL SELECT worker_id, incarnation, 0, size FROM taken) m
      GROUP BY 1, 2
    ), changed AS (
      UPDATE ${t.workers} w SET used = w.used - m.freed + m.taken,
        peak_used = greatest(w.peak_used, w.used - m.freed + m.taken)
      FROM moved m, n WHERE w.id = m.worker_id AND w.incarnation = m.incarnation AND w.ctid = ANY (ARRAY(
          SELECT k.row FROM moved m CROSS JOIN LATERAL (SELECT k.ctid AS row FROM ${t.workers} k
            WHERE k.pool_id = ${pool.id} AND k.id = m.worker_id OFFSET 0) k))
        AND (m.taken = 0 OR (w.used + m.taken <= w.capacity AND w.expires_at_ms > n.ms))
      RETURNING m.taken
    ), measured AS (
      INSERT INTO ${t.run_times} AS m (pool_id, target, bucket, runs)
      SELECT ${pool.id}::text, target, ${bucketSince(sql`n.ms`)}, count(*) FROM gone, n
      WHERE release IN ('finished', 'retrying') GROUP BY 2, 3
      ON CONFLICT (pool_id, target, bucket) DO UPDATE SET runs = m.runs + excluded.runs
    ), remembered AS (
      INSERT INTO ${t.ended} (pool_id, id, epoch, ended_at_ms, release, target, worker_id, enqueued_at_ms,
        granted_at_ms, warm, explained, waited)
      SELECT ${pool.id}, id, gone.epoch, n.ms, release, target, worker_id, enqueued_at_ms, granted_at_ms, warm, explained, waited
      FROM gone, n
    ), granted AS (
      INSERT INTO ${t.allocs} (pool_id, id, invocation_id, target, size, priority, retry, enqueued_at_ms, worker_id,
        incarnation, task_queue, epoch, granted_at_ms, expires_at_ms, state, taken_up, from_queue, explained)
      SELECT ${pool.id}, g.id, g.invocation_id, g.target, g.size, g.priority, g.retry, n.ms, g.worker_id,
        g.incarnation, g.task_queue, n.epoch + g.ord - 1, n.ms, n.ms + ${pool.alloc_ttl_ms}::bigint, 'held', false, false, g.explained
      FROM n CROSS JOIN unnest(${textArray(requests.map((r) => r.id))}::text[],
        ${textArray(requests.map((r) => r.invocationId))}::text[], ${textArray(requests.map((r) => r.target))}::text[],
        ${numberArray(requests.map((r) => r.size))}::integer[], ${numberArray(requests.map((r) => r.priority))}::integer[],
        ${numberArray(requests.map((r) => r.retry))}::integer[], ${textArray(workers.map((w) => w.id))}::text[],
        ${textArray(workers.map((w) => w.incarnation))}::text[], ${textArray(workers.map((w) => w.task_queue))}::text[],
        ${textArray(grants.map((one) => one.explained))}::text[])
        WITH ORDINALITY
        AS g(id, invocation_id, target, size, priority, retry, worker_id, incarnation, task_queue, explained, ord)
      WHERE NOT EXISTS (SELECT 1 FROM ${t.ended} d WHERE d.pool_id = ${pool.id} AND d.id = g.id OFFSET 0)
      RETURNING 1
    )
    SELECT n.ms AS now_ms, n.epoch,
      (SELECT jsonb_agg(jsonb_build_array(worker_id, incarnation, freed)) FROM moved WHERE freed > 0) AS freed,
      ${t.expect}((SELECT count(*) FROM gone) = ${releases.length}::integer
        AND (SELECT count(*) FROM changed WHERE taken > 0) = ${taken.length}::integer
        AND (SELECT count(*) FROM granted) = ${grants.length}::integer) AS met
    FROM n`;
}

/** How much each worker gives, in the order of first use. */
function takenFrom(
  grants: readonly ExpressGrant[],
): readonly { readonly worker: KnownWorker; readonly size: number }[] {
  const sizes = new Map<KnownWorker, number>();
  for (const { worker, request } of grants) sizes.set(worker, (sizes.get(worker) ?? 0) + request.size);
  return Array.from(sizes, ([worker, size]) => ({ worker, size }));
}
