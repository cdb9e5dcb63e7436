/**
 * One transaction for many requests to one pool: renewals, then releases, then new requests, then one
 * hand-over of all that is free. Called by the runner of `create-store.ts`. Promise: the answers stand
 * in the order of the operations; grants to those who waited are shared out among the callers, each once.
 */
import { sql } from 'kysely';
import { NotExistsError } from '../contract/errors.ts';
import type {
  Alloc,
  AllocateResult,
  AllocRef,
  EvalRequest,
  RenewalPart,
  WaitReason,
  WorkerLease,
} from '../contract/pools.ts';
import { type Renewed, releaseAllocs, renewWorkers } from './allocs.ts';
import { type Asked, lookUp } from './asked.ts';
import type { Database } from './database.ts';
import { handOver } from './hand-over.ts';
import { extendAfterOutage } from './outage.ts';
import { inPool, type PoolTransaction } from './pool-transaction.ts';
import { json } from './rows.ts';
import { writeEnds } from './runs.ts';
import type { FinishRequest, FinishResult } from './store.ts';
import { moveWindows } from './windows.ts';

export type Operation =
  | { readonly kind: 'allocate'; readonly request: EvalRequest }
  | { readonly kind: 'finish'; readonly request: FinishRequest }
  | {
      readonly kind: 'renew';
      readonly workerId: string;
      readonly incarnation: string;
      readonly running: readonly AllocRef[];
      readonly part?: RenewalPart | undefined;
    };

export type Answer =
  | { readonly kind: 'allocate'; readonly result: AllocateResult }
  | { readonly kind: 'finish'; readonly result: FinishResult }
  | { readonly kind: 'renew'; readonly lease: WorkerLease; readonly grants: readonly Alloc[] }
  | { readonly kind: 'failed'; readonly error: Error };

type Numbered<K extends Operation['kind']> = Extract<Operation, { kind: K }> & { readonly ord: number };

function numbered<K extends Operation['kind']>(operations: readonly Operation[], kind: K): Numbered<K>[] {
  return operations.flatMap((operation, ord) =>
    operation.kind === kind ? [{ ...(operation as Extract<Operation, { kind: K }>), ord }] : [],
  );
}

export async function runBatch(
  database: Database,
  poolId: string,
  operations: readonly Operation[],
): Promise<readonly Answer[]> {
  // A renewal alone changes no worker that others know, so it must not make them read all again.
  const changesWorkers = operations.some((operation) => operation.kind !== 'renew');
  const work = async (tx: PoolTransaction) => {
    const answers = new Map<number, Answer>();
    const requests = numbered(operations, 'allocate');
    const renewed = await renew(tx, numbered(operations, 'renew'), answers);
    if (!changesWorkers && !renewed) {
      // Nothing came free and nobody has asked: who waits goes on waiting.
      tx.known.queueEmpty = tx.known.queueWasEmpty;
      return operations.map((_, ord) => answers.get(ord) ?? unanswered(ord));
    }
    // Sent together, done in this order: what a release ends or takes off the queue is not found any more.
    const [released, asked] = await Promise.all([
      finish(tx, numbered(operations, 'finish'), answers),
      lookUp(tx, requests),
    ]);
    let grants: readonly Alloc[] = [];
    let granted = 0;
    if (asked.fresh.length > 0 || (asked.somebodyWaits && (renewed || released || requests.length > 0))) {
      const handed = await handOver(tx, { fresh: asked.fresh, queue: asked.somebodyWaits });
      grants = handed.fromQueue;
      granted = handed.fresh.length;
      for (const alloc of [...handed.fresh, ...grants]) asked.allocs.set(alloc.id, alloc);
    }
    // All requests were new and got a place, so the queue is as empty as it was.
    tx.known.queueEmpty = !asked.somebodyWaits && asked.fresh.length === granted;
    await answerRequests(tx, requests, asked, answers);
    return shareOut(
      operations.map((_, ord) => answers.get(ord) ?? unanswered(ord)),
      grants,
    );
  };
  return inPool(database, poolId, work, { changesWorkers });
}

function unanswered(ord: number): Answer {
  return { kind: 'failed', error: new Error(`operation ${ord} of a batch was not answered`) };
}

async function renew(
  tx: PoolTransaction,
  renewals: readonly Numbered<'renew'>[],
  answers: Map<number, Answer>,
): Promise<boolean> {
  if (renewals.length === 0) return false;
  await extendAfterOutage(tx);
  const rows = await renewWorkers(
    tx,
    renewals.map(({ ord, workerId, incarnation, running, part }) => ({
      ...{ ord, worker_id: workerId, incarnation, running, part },
    })),
  );
  const byOrd = new Map(rows.map((row) => [row.ord, row]));
  for (const { ord, workerId, incarnation } of renewals) {
    const row = byOrd.get(ord);
    answers.set(
      ord,
      row === undefined
        ? { kind: 'failed', error: workerNotExists(tx.pool.id, workerId, incarnation) }
        : { kind: 'renew', lease: leaseOf(tx, row), grants: [] },
    );
  }
  return rows.some((row) => row.freed);
}

export function leaseOf(
  tx: PoolTransaction,
  { draining, held, lost, used }: Pick<Renewed, 'draining' | 'held' | 'lost' | 'used'>,
): WorkerLease {
  return {
    nowMs: tx.nowMs,
    expiresAtMs: tx.nowMs + tx.pool.worker_ttl_ms,
    workerTtlMs: tx.pool.worker_ttl_ms,
    allocTtlMs: tx.pool.alloc_ttl_ms,
    held,
    lost,
    used,
    state: draining ? 'draining' : 'active',
  };
}

export function workerNotExists(poolId: string, workerId: string, incarnation?: string): NotExistsError {
  return new NotExistsError(
    'WorkerNotExists',
    `worker "${workerId}" of pool "${poolId}" is unknown, has expired or is another process now: register it again`,
    { poolId, workerId, incarnation },
  );
}

async function finish(
  tx: PoolTransaction,
  finishes: readonly Numbered<'finish'>[],
  answers: Map<number, Answer>,
): Promise<boolean> {
  const releases = finishes.flatMap(({ ord, request: { evalId, epoch, release, stillRuns = false } }) =>
    evalId === undefined ? [] : [{ ord, id: evalId, epoch: epoch ?? null, release, still_runs: stillRuns }],
  );
  const rows = await releaseAllocs(tx, releases);
  const byOrd = new Map(rows.map((row) => [row.ord, row]));
  const ends: FinishRequest[] = [];
  for (const { ord, request } of finishes) {
    const row = byOrd.get(ord);
    const before = row?.before === true;
    // Whoever shows no epoch makes no claim that could be stale.
    const accepted = before || row?.held === true || request.epoch === undefined;
    // A stale holder's result must not count; that its invocation gave up is true all the same.
    if (!before && (accepted || request.release !== 'finished')) ends.push(request);
    answers.set(ord, { kind: 'finish', result: { accepted, grants: [] } });
  }
  await writeEnds(tx.trx, tx.t, ends);
  await moveWindows(tx.trx, tx.t, ends);
  return rows.some((row) => row.freed);
}

async function answerRequests(
  tx: PoolTransaction,
  requests: readonly Numbered<'allocate'>[],
  asked: Asked,
  answers: Map<number, Answer>,
): Promise<void> {
  const waiting = requests.filter(
    ({ request: { id } }) => !asked.allocs.has(id) && !asked.ended.has(id) && !asked.tooManyLost.has(id),
  );
  const places = tx.pool.state === 'disbanded' ? new Map<string, Place>() : await placesInQueue(tx, waiting);
  for (const { ord, request } of requests) {
    const error = asked.conflicts.get(ord);
    const result = answer(request.id, asked, places);
    answers.set(ord, error === undefined ? { kind: 'allocate', result } : { kind: 'failed', error });
  }
}

function answer(id: string, asked: Asked, places: ReadonlyMap<string, Place>): AllocateResult {
  const alloc = asked.allocs.get(id);
  if (alloc !== undefined) return { kind: 'granted', alloc };
  if (asked.tooManyLost.has(id)) return { kind: 'refused', code: 'TooManyLost' };
  if (asked.ended.has(id)) return { kind: 'refused', code: 'EvalEnded' };
  const place = places.get(id);
  if (place === undefined) return { kind: 'refused', code: 'PoolDisbanded' };
  return { kind: 'waiting', reason: place.reason, position: place.position };
}

interface Place {
  readonly id: string;
  readonly reason: WaitReason;
  readonly position: number;
}

async function placesInQueue(
  tx: PoolTransaction,
  waiting: readonly Numbered<'allocate'>[],
): Promise<ReadonlyMap<string, Place>> {
  if (waiting.length === 0) return new Map();
  const { trx, t, pool } = tx;
  const { rows } = await sql<Place>`
    SELECT id, reason, position FROM (
      SELECT id, reason, row_number() OVER (ORDER BY priority DESC, enqueued_at_ms, id) AS position
      FROM ${t.evals} WHERE pool_id = ${pool.id}) q
    WHERE id IN (SELECT jsonb_array_elements_text(${json(waiting.map((w) => w.request.id))}::jsonb))`.execute(
    trx,
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Each grant goes to one caller, who tells its invocation; what nobody can carry the sweep delivers. */
function shareOut(answers: readonly Answer[], grants: readonly Alloc[]): readonly Answer[] {
  const carriers = answers.flatMap((a, n) => (a.kind === 'finish' || a.kind === 'renew' ? [n] : []));
  if (grants.length === 0 || carriers.length === 0) return answers;
  const shares = new Map<number, Alloc[]>(carriers.map((n) => [n, []]));
  grants.forEach((grant, g) => shares.get(carriers[g % carriers.length] ?? 0)?.push(grant));
  return answers.map((a, n): Answer => {
    const share = shares.get(n) ?? [];
    if (a.kind === 'finish') return { kind: 'finish', result: { ...a.result, grants: share } };
    return a.kind === 'renew' ? { ...a, grants: share } : a;
  });
}
