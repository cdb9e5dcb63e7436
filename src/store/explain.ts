/**
 * What the database knows of why: of one eval, of all evals of an invocation, of a pool's queue with estimates. Read-only
 * and without the pool's lock, each in one snapshot, so that looking never holds up granting.
 * Called by `create-store.ts`. Promise: bounded, however long the queue and the history.
 */
import { sql, type Transaction } from 'kysely';
import { NotExistsError } from '../contract/errors.ts';
import type { EvalExplanation, EvalStory, QueueEntry, StartEstimate } from '../contract/explanations.ts';
import { estimateStarts, type Running } from '../core/allocator/estimate.ts';
import { type Candidate, compareDemands, createPlacer, type Demand } from '../core/allocator/place.ts';
import type { RunTimes } from '../core/allocator/run-times.ts';
import { ESTIMATE_QUEUE_MAX, PAGE_LIMIT_MAX, STORIES_KEPT_MAX } from '../core/limits.ts';
import type { Database } from './database.ts';
import { demandOf } from './hand-over.ts';
import { json, poolOf, storable, waitingOf, workerState } from './rows.ts';
import { isEvalOf } from './runs.ts';
import { allocStory, type EndedColumns, endedStory, evalStory } from './stories.ts';
import type { AllocRow, EvalRow, PoolRow, TableNames, Tables, WorkerRow } from './tables.ts';
import { poolNotExists } from './pools.ts';

/** Losing workers listed for one that waits. */
const CANDIDATES_MAX = 100;
/** Runs under way that an estimate looks at. */
const RUNNING_MAX = 10_000;

interface Snapshot {
  readonly trx: Transaction<Tables>;
  readonly t: TableNames;
}

function snapshot<T>({ db, t }: Database, read: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  const transaction = db.transaction().setIsolationLevel('repeatable read');
  return transaction.execute((trx) => read({ trx, t }));
}

/** @throws NotExistsError (EvalNotExists) */
export function explainEval(database: Database, evalId: string): Promise<EvalExplanation> {
  return snapshot(database, async (at) => {
    const { trx, t } = at;
    const id = storable(evalId);
    // By pool first, as every key begins with it.
    const { rows } = await sql<{ alloc: AllocRow | null; waits: EvalRow | null; over: EndedColumns | null }>`
      SELECT to_jsonb(l) AS alloc, to_jsonb(e) AS waits, to_jsonb(d) AS over FROM ${t.pools} p
      LEFT JOIN LATERAL (SELECT * FROM ${t.allocs} l
        WHERE l.pool_id = p.id AND l.id = ${id} AND l.state = 'held' OFFSET 0) l ON true
      LEFT JOIN LATERAL (SELECT * FROM ${t.evals} e WHERE e.pool_id = p.id AND e.id = ${id} OFFSET 0) e ON true
      LEFT JOIN LATERAL (SELECT * FROM ${t.ended} d WHERE d.pool_id = p.id AND d.id = ${id} OFFSET 0) d ON true
      WHERE l.id IS NOT NULL OR e.id IS NOT NULL OR d.id IS NOT NULL
      ORDER BY l.id IS NULL, e.id IS NULL LIMIT 1`.execute(trx);
    const [found] = rows;
    if (found?.alloc) return { state: 'granted', ...allocStory(found.alloc) };
    if (found?.waits) return explainWaiting(at, found.waits);
    if (found?.over) return { state: 'ended', story: endedStory(found.over.pool_id, found.over) };
    const kept = await keptStory(at, id);
    if (kept !== undefined) return { state: 'ended', story: kept };
    const message =
      `eval "${evalId}" is not known: evals are named as \`invocation explain\` shows them, ` +
      'and are forgotten with the record of their invocation';
    throw new NotExistsError('EvalNotExists', message, { evalId });
  });
}

/** Of one whose invocation is over and that is older than what is kept beside the queue. */
async function keptStory({ trx, t }: Snapshot, evalId: string): Promise<EvalStory | undefined> {
  const { rows } = await sql<{ pool_id: string; story: EndedColumns }>`
    SELECT r.record->>'poolId' AS pool_id, s AS story FROM ${t.runs} r, jsonb_array_elements(r.evals) s
    WHERE r.invocation_id = ${evalId.replace(/#[^#]*$/, '')} AND s->>'id' = ${evalId}`.execute(trx);
  const [row] = rows;
  return row && endedStory(row.pool_id, row.story);
}

async function explainWaiting(at: Snapshot, row: EvalRow): Promise<EvalExplanation> {
  const outlook = await readOutlook(at, row.pool_id, row);
  const placer = createPlacer(outlook.workers, outlook.options);
  const asked = demandOf(row);
  let reason = row.reason;
  for (const demand of outlook.waiting) {
    const offer = placer.offer(demand);
    if (demand.evalId !== row.id) continue;
    // One that could be placed is about to be: the reason on its row was true until a moment ago.
    if (offer.kind === 'waits' && outlook.pool.state === 'active') reason = offer.reason;
    break;
  }
  const verdicts = placer.verdicts(asked);
  const lost: Partial<Record<(typeof verdicts)[number]['by'], number>> = {};
  for (const { by } of verdicts) lost[by] = (lost[by] ?? 0) + 1;
  const nearest = verdicts.toSorted((a, b) => b.free - a.free || (a.workerId < b.workerId ? -1 : 1));
  const estimate = outlook.estimates().get(row.id) ?? TOO_FAR_BACK;
  return {
    state: 'waiting',
    waiting: { ...waitingOf({ ...row, reason }), position: await positionOf(at, row), estimate },
    waited: row.waited,
    candidates: nearest.slice(0, CANDIDATES_MAX),
    lost,
  };
}

const TOO_FAR_BACK: StartEstimate = { kind: 'unknown', why: 'too-far-back' };

async function positionOf({ trx, t }: Snapshot, row: EvalRow): Promise<number> {
  const { pool_id, priority, enqueued_at_ms, id } = row;
  const { rows } = await sql<{ ahead: number }>`
    SELECT count(*) AS ahead FROM ${t.evals} WHERE pool_id = ${pool_id} AND (priority > ${priority}
      OR (priority = ${priority} AND (enqueued_at_ms, id) < (${enqueued_at_ms}, ${id})))`.execute(trx);
  return (rows[0]?.ahead ?? 0) + 1;
}

/** The first of the queue, in the order in which it is served. @throws NotExistsError (PoolNotExists) */
export function explainQueue(database: Database, poolId: string): Promise<readonly QueueEntry[]> {
  return snapshot(database, async (at) => {
    const outlook = await readOutlook(at, poolId);
    if (outlook.pool.state === 'absent' && outlook.rows.length === 0) throw poolNotExists(poolId);
    const estimates = outlook.estimates();
    return outlook.rows.slice(0, PAGE_LIMIT_MAX).map((row, n) => ({
      ...waitingOf(row),
      position: n + 1,
      estimate: estimates.get(row.id) ?? TOO_FAR_BACK,
    }));
  });
}

/** All evals of an invocation that are known, the oldest first; none where it has asked for nothing. */
export function explainInvocation(database: Database, invocationId: string): Promise<readonly EvalStory[]> {
  return snapshot(database, async ({ trx, t }) => {
    const id = sql`${storable(invocationId)}::text`;
    const of = (table: string) => isEvalOf(sql.ref(`${table}.id`), id);
    const newest = sql`ORDER BY enqueued_at_ms DESC NULLS LAST LIMIT ${sql.lit(STORIES_KEPT_MAX)}`;
    const [allocs, waiting, ended, runs] = await Promise.all([
      sql<AllocRow>`SELECT l.* FROM ${t.pools} p CROSS JOIN LATERAL (SELECT * FROM ${t.allocs} l
        WHERE l.pool_id = p.id AND ${of('l')} AND l.state = 'held' OFFSET 0) l ${newest}`.execute(trx),
      sql<EvalRow>`SELECT e.* FROM ${t.pools} p CROSS JOIN LATERAL (SELECT * FROM ${t.evals} e
        WHERE e.pool_id = p.id AND ${of('e')} OFFSET 0) e ${newest}`.execute(trx),
      sql<EndedColumns & { pool_id: string }>`SELECT d.* FROM ${t.pools} p CROSS JOIN LATERAL (
        SELECT * FROM ${t.ended} d WHERE d.pool_id = p.id AND ${of('d')} OFFSET 0) d ${newest}`.execute(trx),
      sql<{ pool_id: string; evals: readonly EndedColumns[] | null }>`
        SELECT record->>'poolId' AS pool_id, evals FROM ${t.runs} WHERE invocation_id = ${id}`.execute(trx),
    ]);
    const stories = [
      ...runs.rows.flatMap(({ pool_id, evals }) => (evals ?? []).map((one) => endedStory(pool_id, one))),
      ...ended.rows.map((row) => endedStory(row.pool_id, row)),
      ...waiting.rows.map(evalStory),
      ...allocs.rows.map((row) => allocStory(row).story),
    ];
    // What comes later is newer.
    const byId = new Map(stories.map((story) => [story.evalId, story]));
    const since = (story: EvalStory) => story.enqueuedAtMs ?? story.endedAtMs ?? 0;
    return [...byId.values()].sort((a, b) => since(a) - since(b) || (a.evalId < b.evalId ? -1 : 1));
  });
}

interface QueueOutlook {
  readonly pool: PoolRow;
  readonly rows: readonly EvalRow[];
  readonly waiting: readonly Demand[];
  readonly workers: readonly Candidate[];
  readonly options: Parameters<typeof createPlacer>[1];
  estimates(): ReadonlyMap<string, StartEstimate>;
}

/** A pool as placing sees it, with as much of its queue as is looked at; `also`: this one in any case. */
async function readOutlook(at: Snapshot, poolId: string, also?: EvalRow): Promise<QueueOutlook> {
  const { trx, t } = at;
  const [pools, queue, workers, running, times] = await Promise.all([
    sql<PoolRow & { now_ms: number }>`
      SELECT *, ${t.now} AS now_ms FROM ${t.pools} WHERE id = ${poolId}`.execute(trx),
    sql<EvalRow>`SELECT * FROM ${t.evals} WHERE pool_id = ${poolId}
      ORDER BY priority DESC, enqueued_at_ms, id LIMIT ${sql.lit(ESTIMATE_QUEUE_MAX)}`.execute(trx),
    sql<WorkerRow>`SELECT * FROM ${t.workers} WHERE pool_id = ${poolId} ORDER BY id`.execute(trx),
    sql<{ worker_id: string; target: string; size: number; granted_at_ms: number }>`
      SELECT worker_id, target, size, granted_at_ms FROM ${t.allocs} WHERE pool_id = ${poolId}
      LIMIT ${sql.lit(RUNNING_MAX)}`.execute(trx),
    sql<{ target: string; bucket: number; runs: number }>`
      SELECT target, bucket, runs FROM ${t.run_times} WHERE pool_id = ${poolId}`.execute(trx),
  ]);
  const [pool] = pools.rows;
  if (pool === undefined) throw poolNotExists(poolId);
  const { rows } = queue;
  const asked = also === undefined || rows.some((row) => row.id === also.id) ? rows : [...rows, also];
  const datasets = await readDatasets(at, poolId, asked, pool.now_ms);
  const candidates = pool.state === 'active' ? workers.rows.map((row) => candidateOf(row, datasets)) : [];
  const { reserveAfterMs, strategy } = poolOf(pool).settings;
  const waiting = asked.map(demandOf).sort(compareDemands);
  const going = running.rows.map(
    ({ worker_id: workerId, target, size, granted_at_ms: sinceMs }): Running => ({
      ...{ workerId, target, size, sinceMs },
    }),
  );
  return {
    pool,
    rows,
    waiting,
    workers: candidates,
    options: { nowMs: pool.now_ms, reserveAfterMs, strategy },
    estimates: () =>
      estimateStarts({
        ...{ nowMs: pool.now_ms, reserveAfterMs, waiting, workers: candidates, running: going },
        runTimes: timesByTarget(times.rows),
        random: Math.random,
      }),
  };
}

async function readDatasets({ trx, t }: Snapshot, poolId: string, rows: readonly EvalRow[], nowMs: number) {
  const wanted = [...new Set(rows.flatMap(({ dataset }) => (dataset === null ? [] : [dataset])))];
  if (wanted.length === 0) return new Map<string, string[]>();
  const found = await sql<{ worker_id: string; datasets: string[] }>`
    SELECT worker_id, jsonb_agg(dataset_id) AS datasets FROM ${t.replicas}
    WHERE pool_id = ${poolId} AND expires_at_ms > ${nowMs}::bigint
      AND dataset_id IN (SELECT jsonb_array_elements_text(${json(wanted)}::jsonb))
    GROUP BY worker_id`.execute(trx);
  return new Map(found.rows.map((row) => [row.worker_id, row.datasets]));
}

function candidateOf(row: WorkerRow, datasets: ReadonlyMap<string, readonly string[]>): Candidate {
  return {
    id: row.id,
    state: workerState(row),
    capacity: row.capacity,
    free: row.capacity - row.used,
    targets: row.targets,
    datasets: datasets.get(row.id) ?? [],
    expiresAtMs: row.expires_at_ms,
  };
}

function timesByTarget(rows: readonly { target: string; bucket: number; runs: number }[]) {
  const byTarget = new Map<string, RunTimes>();
  for (const { target, bucket, runs } of rows) {
    byTarget.set(target, [...(byTarget.get(target) ?? []), { bucket, runs }]);
  }
  return byTarget;
}
