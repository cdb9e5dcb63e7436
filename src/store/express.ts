/**
 * The express way of a batch: requests and releases that are as good as certain, placed by what this process knows and
 * sent as one transaction whose statements wait for no answer, the next batch right behind it. Called by the runner
 * before `batch.ts`. Promise: all or nothing. The transaction goes through only if the pool is as it was known to be
 * (its version), every worker is live by the database's clock and has room, no request was known before and every
 * release ends what it names; otherwise it leaves no trace, and the same requests go the usual way.
 * What the usual way decides by reading is not for here: a queue, datasets, lost workers, finishes without epoch.
 */
import { sql } from 'kysely';
import type { EvalRequest } from '../contract/pools.ts';
import { type Candidate, createPlacer, type Placer } from '../core/allocator/place.ts';
import type { Answer, Operation } from './batch.ts';
import type { Database } from './database.ts';
import {
  type ExpressDone,
  type ExpressGrant,
  type ExpressRelease,
  expressStatement,
} from './express-rows.ts';
import { candidateOf } from './hand-over-rows.ts';
import { placementText } from './placement-text.ts';
import type { PoolView, ReadyPool } from './pool-views.ts';
import { endStatements } from './runs.ts';
import { EPOCHS_PER_STEP } from './tables.ts';
import { windowStatements } from './windows.ts';

/** What has its place in the batch. */
type Numbered<T> = T & { readonly ord: number };

interface Plan {
  readonly grants: readonly Numbered<ExpressGrant>[];
  readonly releases: readonly Numbered<ExpressRelease>[];
}

/**
 * Sends the batch, if it may go this way: undefined where not. When it returns, all of it is on its way in this
 * order, so that the next batch may follow.
 * @throws UnavailableError by its answers where nobody knows whether it went through; any other error means that it did not
 */
export function sendExpress(
  database: Database,
  poolId: string,
  operations: readonly Operation[],
): Promise<readonly Answer[]> | undefined {
  const view = database.views.peek(poolId);
  if (view === undefined) return undefined;
  const ready = readyPool(view);
  const plan = ready && planOf(view, ready.placer, operations);
  return plan && send(database, view, plan);
}

/** Undefined where something has to be read first. */
function readyPool(view: PoolView): ReadyPool | undefined {
  const { pool, nowMs, rows, queueEmpty, steady } = view;
  if (!steady || !queueEmpty || pool.state !== 'active') return undefined;
  const untilMs = view.ready?.untilMs ?? firstExpiry(rows);
  if (untilMs <= nowMs) return undefined;
  view.ready ??= { placer: placerOf(view), untilMs };
  return view.ready;
}

function firstExpiry(rows: PoolView['rows']): number {
  let firstMs = Infinity;
  for (const row of rows.values()) firstMs = Math.min(firstMs, row.expires_at_ms);
  return firstMs;
}

function placerOf({ pool, nowMs, rows }: PoolView): Placer {
  const candidates = Array.from(rows.values(), (row): Candidate => candidateOf(row, NO_DATASETS));
  const options = { nowMs, reserveAfterMs: pool.reserve_after_ms, strategy: pool.strategy };
  return createPlacer(candidates, options);
}

/** Undefined where not all of it can be done at once. */
function planOf(view: PoolView, placer: Placer, operations: readonly Operation[]): Plan | undefined {
  const ids = new Set<string>();
  const releases: Numbered<ExpressRelease>[] = [];
  const requests: Numbered<{ readonly request: EvalRequest }>[] = [];
  for (const [ord, operation] of operations.entries()) {
    if (operation.kind === 'allocate') {
      const { request } = operation;
      if (request.dataset !== undefined || request.retry > view.pool.retry_max) return undefined;
      ids.add(request.id);
      requests.push({ ord, request });
    } else if (operation.kind === 'finish') {
      const { evalId, epoch, release, stillRuns } = operation.request;
      if (evalId === undefined || epoch === undefined || release === 'lost' || stillRuns) return undefined;
      ids.add(evalId);
      releases.push({ ...operation.request, evalId, epoch, ord });
    } else return undefined;
  }
  // Of twins the second is answered by what the first has done.
  if (ids.size < operations.length || requests.length > EPOCHS_PER_STEP) return undefined;
  const grants = placed(view, placer, requests);
  // It has taken what some of them were offered.
  if (grants === undefined) view.ready = undefined;
  return grants && { grants, releases };
}

const NO_DATASETS: readonly string[] = [];

/** By priority, then id, as all of them are of the same age; undefined where one would have to wait. */
function placed(
  { nowMs, rows }: PoolView,
  placer: Placer,
  requests: readonly Numbered<{ readonly request: EvalRequest }>[],
): Plan['grants'] | undefined {
  if (requests.length === 0) return [];
  const inOrder = requests.toSorted(
    (a, b) => b.request.priority - a.request.priority || (a.request.id < b.request.id ? -1 : 1),
  );
  const grants: Plan['grants'][number][] = [];
  for (const { ord, request } of inOrder) {
    const { id: evalId, target, size, priority } = request;
    const offer = placer.offer({ evalId, target, size, priority, enqueuedAtMs: nowMs });
    const worker = offer.kind === 'placed' ? rows.get(offer.workerId) : undefined;
    if (offer.kind === 'waits' || worker === undefined) return undefined;
    grants.push({ ord, request, worker, explained: placementText(offer.reasons) });
  }
  return grants;
}

function send(database: Database, view: PoolView, plan: Plan): Promise<readonly Answer[]> {
  const { t, views, writer } = database;
  const { pool } = view;
  const sent = database.atOnce(pool.id, [
    sql`
      WITH locked AS (
        UPDATE ${t.pools} SET version = version + 1, writer = ${writer}
        WHERE id = ${pool.id} AND version = ${pool.version} AND writer = ${pool.writer} RETURNING 1
      )
      SELECT ${t.expect}((SELECT count(*) FROM locked) = 1)`,
    expressStatement(t, pool, plan.grants, plan.releases),
    ...endStatements(t, plan.releases),
    ...windowStatements(t, plan.releases),
  ]);
  // From here on the next batch sees the pool as this one will leave it; the writer tells its version from another's.
  pool.version += 1;
  pool.writer = writer;
  for (const { worker, request } of plan.grants) worker.used += request.size;
  return sent.then(
    (rows) => answersOf(view, plan, rows[1] as ExpressDone),
    (error: unknown) => {
      // Whatever follows on its way is in vain, too: it expects the version that this one was to write.
      views.forget(pool.id);
      throw error;
    },
  );
}

function answersOf(view: PoolView, { grants, releases }: Plan, done: ExpressDone): readonly Answer[] {
  view.nowMs = done.now_ms;
  for (const [workerId, incarnation, size] of done.freed ?? []) {
    const worker = view.rows.get(workerId);
    if (worker?.incarnation !== incarnation) continue;
    worker.used -= size;
    view.ready?.placer.give(workerId, size);
  }
  const answers = new Array<Answer>(grants.length + releases.length);
  grants.forEach(({ ord, request, worker }, n) => {
    const alloc = {
      id: request.id,
      poolId: request.poolId,
      workerId: worker.id,
      incarnation: worker.incarnation,
      taskQueue: worker.task_queue,
      epoch: (done.epoch ?? 0) + n,
      size: request.size,
      invocationId: request.invocationId,
      target: request.target,
      grantedAtMs: done.now_ms,
      expiresAtMs: done.now_ms + view.pool.alloc_ttl_ms,
    };
    answers[ord] = { kind: 'allocate', result: { kind: 'granted', alloc } };
  });
  for (const { ord } of releases) {
    answers[ord] = { kind: 'finish', result: { accepted: true, grants: [] } };
  }
  return answers;
}
