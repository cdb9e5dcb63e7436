/**
 * Hands free capacity out: to new requests and to those that wait, in the queue's order, by the core's
 * placing. Runs inside a pool's transaction, called by whatever frees or asks for capacity.
 * Promise: when it returns, nothing that waits could be placed; a grant that would exceed a worker's
 * capacity fails the transaction instead of being written.
 */
import { sql } from 'kysely';
import type { Waited } from '../contract/explanations.ts';
import type { Alloc, WaitReason } from '../contract/pools.ts';
import { compareDemands, createPlacer, type Demand, type Offer } from '../core/allocator/place.ts';
import { WAITED_KEPT_MAX } from '../core/limits.ts';
import type { PoolTransaction } from './pool-transaction.ts';
import {
  insertEvals,
  type NewEval,
  readCandidates,
  readQueue,
  waitedUntil,
  type WorkerTable,
  writeGrants,
  type NewGrant,
} from './hand-over-rows.ts';
import { placementText } from './placement-text.ts';
import { json } from './rows.ts';
import type { EvalRow, RequestColumns } from './tables.ts';

export interface HandedOver {
  /** To new requests. */
  readonly fresh: readonly Alloc[];
  /** To those who waited: their invocations must be told. */
  readonly fromQueue: readonly Alloc[];
}

export interface HandOverOptions {
  /** Requests not in the queue yet; those that cannot be placed are enqueued. */
  readonly fresh?: readonly RequestColumns[];
  /** Whether anybody waits, where that is known already. */
  readonly queue?: boolean;
  /** Look at every waiting eval, also those that surely cannot be placed, to refresh their reasons. */
  readonly all?: boolean;
}

export async function handOver(tx: PoolTransaction, options: HandOverOptions = {}): Promise<HandedOver> {
  const fresh = (options.fresh ?? []).map((row) => ({ row, demand: demandOf(row) }));
  fresh.sort((a, b) => compareDemands(a.demand, b.demand));
  if (tx.pool.state !== 'active') {
    const reason: WaitReason = tx.pool.state === 'absent' ? { kind: 'no-pool' } : { kind: 'draining' };
    await insertEvals(
      tx,
      fresh.map(({ row }) => ({ ...row, reason })),
    );
    return { fresh: [], fromQueue: [] };
  }
  const queue = options.queue ?? (await somebodyWaits(tx));
  if (fresh.length === 0 && !queue) return { fresh: [], fromQueue: [] };
  const workers = await readCandidates(tx);
  await workers.loadReplicas(fresh.map(({ row }) => row.dataset));
  const plan = await serve(tx, workers, fresh, { all: options.all === true, queue });
  await insertEvals(tx, plan.waiting);
  await updateReasons(tx, plan.reasons);
  const granted = await writeGrants(tx, plan.grants);
  return {
    fresh: granted.filter((grant) => !grant.fromQueue).map((grant) => grant.alloc),
    fromQueue: granted.filter((grant) => grant.fromQueue).map((grant) => grant.alloc),
  };
}

async function somebodyWaits({ trx, t, pool }: PoolTransaction): Promise<boolean> {
  const { rows } = await sql<{ waits: boolean }>`
    SELECT EXISTS (SELECT 1 FROM ${t.evals} WHERE pool_id = ${pool.id}) AS waits`.execute(trx);
  return rows[0]?.waits === true;
}

interface Plan {
  readonly grants: NewGrant[];
  /** New requests that could not be placed. */
  readonly waiting: NewEval[];
  /** Reasons of older ones that have become another kind. */
  readonly reasons: { id: string; reason: WaitReason }[];
}

/** Offers new and waiting demands to the placer in one common order. */
async function serve(
  tx: PoolTransaction,
  workers: WorkerTable,
  fresh: readonly { readonly row: RequestColumns; readonly demand: Demand }[],
  { all, queue }: { readonly all: boolean; readonly queue: boolean },
): Promise<Plan> {
  const placer = createPlacer(workers.candidates, {
    nowMs: tx.nowMs,
    reserveAfterMs: tx.pool.reserve_after_ms,
    strategy: tx.pool.strategy,
  });
  const plan: Plan = { grants: [], waiting: [], reasons: [] };
  const offer = (row: RequestColumns, demand: Demand, queued?: EvalRow): Offer => {
    const answer = placer.offer(demand);
    if (answer.kind === 'placed') {
      const worker = workers.row(answer.workerId);
      plan.grants.push({
        ...{ row, worker, warm: answer.warm ?? null, fromQueue: queued !== undefined },
        explained: placementText(answer.reasons),
        waited: queued === undefined ? null : waitedBy(queued, tx.nowMs),
      });
    }
    return answer;
  };
  let next = 0;
  const offerFresh = (until?: Demand) => {
    for (let item = fresh[next]; item !== undefined; item = fresh[next]) {
      if (until !== undefined && compareDemands(item.demand, until) > 0) return;
      const answer = offer(item.row, item.demand);
      if (answer.kind === 'waits') plan.waiting.push({ ...item.row, reason: answer.reason });
      next += 1;
    }
  };

  for await (const row of readQueue(tx, workers, {
    all,
    more: () => queue && (all || placer.largestFree() > 0),
  })) {
    const demand = demandOf(row);
    offerFresh(demand);
    const answer = offer(row, demand, row);
    if (answer.kind === 'waits' && answer.reason.kind !== row.reason.kind) {
      plan.reasons.push({ id: row.id, reason: answer.reason });
    }
  }
  offerFresh();
  return plan;
}

/** All it waited for until now, the oldest reasons left out where they are many. */
function waitedBy({ waited, reason }: EvalRow, nowMs: number): readonly Waited[] {
  return [...waited, { reason, untilAtMs: nowMs }].slice(-WAITED_KEPT_MAX);
}

export function demandOf(row: RequestColumns): Demand {
  const { dataset, dataset_mode: mode } = row;
  return {
    evalId: row.id,
    target: row.target,
    size: row.size,
    priority: row.priority,
    enqueuedAtMs: row.enqueued_at_ms,
    ...(dataset === null || mode === null
      ? {}
      : { dataset: { id: dataset, mode, warmUntilMs: row.enqueued_at_ms + (row.warm_wait_ms ?? 0) } }),
  };
}

async function updateReasons(tx: PoolTransaction, reasons: Plan['reasons']): Promise<void> {
  if (reasons.length === 0) return;
  const { trx, t, pool } = tx;
  await sql`
    UPDATE ${t.evals} e SET reason = r.reason, waited = ${waitedUntil(tx.nowMs)}
    FROM jsonb_to_recordset(${json(reasons)}::jsonb) AS r(id text, reason jsonb)
    WHERE e.pool_id = ${pool.id} AND e.id = r.id`.execute(trx);
}
