/**
 * The statements behind `hand-over.ts`: reading workers and queue, writing evals and grants, each for a
 * whole batch at once. Promise: a grant is written only where it fits (`used + size <= capacity` is part of
 * the UPDATE), whatever was read before.
 */
import { sql } from 'kysely';
import type { Alloc } from '../contract/pools.ts';
import type { Candidate } from '../core/allocator/place.ts';
import { WAITED_KEPT_MAX } from '../core/limits.ts';
import type { PoolTransaction } from './pool-transaction.ts';
import { allocOf, json, workerState } from './rows.ts';
import type { EvalRow, Explained, RequestColumns } from './tables.ts';
import type { KnownWorker } from './pool-views.ts';

export type PlacedOn = Pick<KnownWorker, 'id' | 'incarnation' | 'task_queue'>;

export interface WorkerTable {
  readonly candidates: readonly Candidate[];
  row(workerId: string): PlacedOn;
  /** Learns who holds these datasets; must come before a demand for one is offered. */
  loadReplicas(datasets: readonly (string | null)[]): Promise<void>;
}

/** All workers of the pool, those that can take nothing included: reasons are told by them. */
export async function readCandidates(tx: PoolTransaction): Promise<WorkerTable> {
  const { trx, t, pool, nowMs } = tx;
  const rows = await readWorkers(tx);
  const datasetsOf = new Map<string, string[]>();
  const known = new Set<string>();

  async function loadReplicas(datasets: readonly (string | null)[]): Promise<void> {
    const wanted = new Set(datasets.filter((id): id is string => id !== null && !known.has(id)));
    if (wanted.size === 0) return;
    const found = await sql<{ worker_id: string; dataset_id: string }>`
      SELECT worker_id, dataset_id FROM ${t.replicas}
      WHERE pool_id = ${pool.id} AND expires_at_ms > ${nowMs}
        AND dataset_id IN (SELECT jsonb_array_elements_text(${json([...wanted])}::jsonb))`.execute(trx);
    for (const replica of found.rows) datasetsOf.get(replica.worker_id)?.push(replica.dataset_id);
    for (const id of wanted) known.add(id);
  }

  const candidates = Array.from(rows.values(), (row) => {
    // Filled by loadReplicas, before the placer looks at it.
    const datasets: string[] = [];
    datasetsOf.set(row.id, datasets);
    return candidateOf(row, datasets);
  });
  return {
    candidates,
    row(workerId) {
      const found = rows.get(workerId);
      if (found === undefined) throw new Error(`worker "${workerId}" was placed on but not read`);
      return found;
    },
    loadReplicas,
  };
}

async function readWorkers({ trx, t, pool, nowMs, known }: PoolTransaction) {
  if (known.rows !== undefined && allLive(known.rows, nowMs)) return known.rows;
  const { rows } = await sql<KnownWorker>`
    SELECT id, incarnation, draining, cordoned, capacity, used, targets, task_queue, expires_at_ms
    FROM ${t.workers} WHERE pool_id = ${pool.id} ORDER BY id`.execute(trx);
  known.rows = new Map(rows.map((row) => [row.id, row]));
  return known.rows;
}

function allLive(rows: ReadonlyMap<string, KnownWorker>, nowMs: number): boolean {
  for (const row of rows.values()) if (row.expires_at_ms <= nowMs) return false;
  return true;
}

export function candidateOf(row: KnownWorker, datasets: readonly string[]): Candidate {
  return {
    id: row.id,
    state: workerState(row),
    capacity: row.capacity,
    free: row.capacity - row.used,
    targets: row.targets,
    datasets,
    expiresAtMs: row.expires_at_ms,
  };
}

const PAGE = 500;

/**
 * The waiting evals in the order of service. Without `all`: only those that may fit now, or have waited
 * long enough to have capacity kept for them, and only while `more()` says that something is free.
 */
export async function* readQueue(
  tx: PoolTransaction,
  workers: WorkerTable,
  options: { readonly all: boolean; more(): boolean },
): AsyncGenerator<EvalRow> {
  if (!options.more()) return;
  const { trx, t, pool, nowMs } = tx;
  const active = workers.candidates.filter((w) => w.state === 'active' && w.expiresAtMs > nowMs);
  const largestFree = active.reduce((most, worker) => Math.max(most, worker.free), 0);
  const targets = [...new Set(active.flatMap((worker) => worker.targets))];
  const hopeful = options.all
    ? sql`true`
    : sql`(size <= ${largestFree}::integer OR enqueued_at_ms <= ${nowMs - pool.reserve_after_ms}::bigint)
        AND target IN (SELECT jsonb_array_elements_text(${json(targets)}::jsonb))
        AND (dataset IS NULL OR dataset_mode = 'preferred' OR EXISTS (
          SELECT 1 FROM ${t.replicas} r
          WHERE r.pool_id = ${pool.id} AND r.dataset_id = dataset AND r.expires_at_ms > ${nowMs}))`;
  let last: EvalRow | undefined;
  while (options.more()) {
    const after =
      last === undefined
        ? sql`true`
        : sql`(priority < ${last.priority} OR (priority = ${last.priority}
            AND (enqueued_at_ms, id) > (${last.enqueued_at_ms}, ${last.id})))`;
    const { rows } = await sql<EvalRow>`
      SELECT * FROM ${t.evals} WHERE pool_id = ${pool.id} AND ${after} AND ${hopeful}
      ORDER BY priority DESC, enqueued_at_ms, id LIMIT ${sql.lit(PAGE)}`.execute(trx);
    await workers.loadReplicas(rows.map((row) => row.dataset));
    for (const row of rows) {
      if (!options.more()) return;
      yield row;
    }
    if (rows.length < PAGE) return;
    last = rows.at(-1);
  }
}

/** Columns of a request in a jsonb_to_recordset. */
const REQUEST_TYPES = sql.raw(`pool_id text, id text, invocation_id text, target text, size integer,
  dataset text, dataset_mode text, warm_wait_ms bigint, priority integer, retry integer, enqueued_at_ms bigint`);
export const REQUEST_NAMES = sql.raw(`pool_id, id, invocation_id, target, size,
  dataset, dataset_mode, warm_wait_ms, priority, retry, enqueued_at_ms`);

export type NewEval = RequestColumns & Pick<EvalRow, 'reason'>;

/** In SQL: all that an eval `e` has waited for, its present reason included, as far as it is kept. */
export function waitedUntil(nowMs: number) {
  return sql`(CASE WHEN jsonb_array_length(e.waited) < ${sql.lit(WAITED_KEPT_MAX)} THEN e.waited ELSE e.waited - 0 END
    || jsonb_build_array(jsonb_build_object('reason', e.reason, 'untilAtMs', ${nowMs}::bigint)))`;
}

export async function insertEvals(tx: PoolTransaction, rows: readonly NewEval[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    INSERT INTO ${tx.t.evals} (${REQUEST_NAMES}, reason)
    SELECT ${REQUEST_NAMES}, reason
    FROM jsonb_to_recordset(${json(rows)}::jsonb) AS e(${REQUEST_TYPES}, reason jsonb)
    ON CONFLICT (pool_id, id) DO NOTHING`.execute(tx.trx);
}

export interface NewGrant extends Explained {
  readonly row: RequestColumns;
  readonly worker: PlacedOn;
  readonly warm: boolean | null;
  readonly fromQueue: boolean;
}

export interface WrittenGrant {
  readonly alloc: Alloc;
  readonly fromQueue: boolean;
}

/** Takes the capacity, writes the allocs with a new epoch each, and takes their evals off the queue. */
export async function writeGrants(
  tx: PoolTransaction,
  grants: readonly NewGrant[],
): Promise<readonly WrittenGrant[]> {
  if (grants.length === 0) return [];
  const { trx, t, pool, nowMs } = tx;
  const param = grants.map(({ row, worker, warm, fromQueue, explained, waited }) => ({
    ...requestPart(row),
    worker_id: worker.id,
    incarnation: worker.incarnation,
    task_queue: worker.task_queue,
    warm,
    from_queue: fromQueue,
    explained,
    ...(waited !== null && { waited }),
  }));
  const { rows } = await sql<{ id: string; epoch: number; took: number }>`
    WITH g AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${json(param)}::jsonb) AS g(${REQUEST_TYPES}, worker_id text,
        incarnation text, task_queue text, warm boolean, from_queue boolean, explained text, waited jsonb)
    ), took AS (
      UPDATE ${t.workers} w
      SET used = w.used + s.size, peak_used = greatest(w.peak_used, w.used + s.size)
      FROM (SELECT worker_id, incarnation, sum(size)::integer AS size FROM g GROUP BY 1, 2) s
      WHERE w.pool_id = ${pool.id} AND w.id = s.worker_id AND w.incarnation = s.incarnation
        AND w.used + s.size <= w.capacity
      RETURNING w.id
    ), left_queue AS (
      DELETE FROM ${t.evals} WHERE ctid = ANY (ARRAY(SELECT e.row FROM g CROSS JOIN LATERAL (
        SELECT e.ctid AS row FROM ${t.evals} e WHERE e.pool_id = ${pool.id} AND e.id = g.id OFFSET 0) e
        WHERE g.from_queue))
    ), granted AS (
      INSERT INTO ${t.allocs} (${REQUEST_NAMES}, worker_id, incarnation, task_queue, epoch, warm,
        granted_at_ms, expires_at_ms, state, taken_up, from_queue, explained, waited)
      SELECT ${REQUEST_NAMES}, worker_id, incarnation, task_queue, ${t.nextEpoch}, warm,
        ${nowMs}::bigint, ${nowMs + pool.alloc_ttl_ms}::bigint, 'held', false, from_queue, explained, waited
      FROM g RETURNING id, epoch
    )
    SELECT granted.id, granted.epoch, (SELECT count(*) FROM took) AS took FROM granted`.execute(trx);
  const workers = new Set(grants.map((grant) => grant.worker.id));
  if (rows.some((row) => row.took !== workers.size) || rows.length !== grants.length) {
    throw new OverCommitError(pool.id);
  }
  const epochs = new Map(rows.map(({ id, epoch }) => [id, epoch]));
  return grants.map((grant) => {
    const known = tx.known.rows?.get(grant.worker.id);
    if (known !== undefined) known.used += grant.row.size;
    return { alloc: grantedAlloc(tx, grant, epochs.get(grant.row.id) ?? 0), fromQueue: grant.fromQueue };
  });
}

function grantedAlloc(
  { pool, nowMs }: PoolTransaction,
  { row, worker, warm }: NewGrant,
  epoch: number,
): Alloc {
  return allocOf({
    ...row,
    worker_id: worker.id,
    incarnation: worker.incarnation,
    task_queue: worker.task_queue,
    epoch,
    warm,
    granted_at_ms: nowMs,
    expires_at_ms: nowMs + pool.alloc_ttl_ms,
  });
}

function requestPart(row: RequestColumns): RequestColumns {
  const { pool_id, id, invocation_id, target, size, dataset, dataset_mode, warm_wait_ms } = row;
  const { priority, retry, enqueued_at_ms } = row;
  const first = { pool_id, id, invocation_id, target, size, dataset, dataset_mode, warm_wait_ms };
  return { ...first, priority, retry, enqueued_at_ms };
}

/** What was read no longer held when it was written, which the pool's lock should make impossible. */
export class OverCommitError extends Error {
  override readonly name = 'OverCommitError';
  constructor(poolId: string) {
    super(`a grant in pool "${poolId}" would exceed a worker's capacity: the transaction is begun again`);
  }
}
