/**
 * Rows of the database as the contract's values, and values as json parameters. Used by the store's
 * other files. Promise: what is written can be read back by PostgreSQL: text that jsonb would refuse
 * (NUL, half a surrogate pair) is replaced by U+FFFD instead of failing the transaction of a whole batch.
 */
import type { Alloc, EvalRequest, Pool, PoolWorker, WaitingEval, WorkerState } from '../contract/pools.ts';
import type { AllocRow, EvalRow, PoolRow, RequestColumns, WorkerRow } from './tables.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is looked for
const REFUSED_BY_JSONB = /\u0000|\p{Surrogate}/gu;

/** Text as PostgreSQL can keep it. */
export function storable(text: string): string {
  return text.replace(REFUSED_BY_JSONB, '\ufffd');
}

/** A value as the text of a jsonb parameter; `undefined` becomes null. */
export function json(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, part: unknown) => {
    if (typeof part === 'string') return storable(part);
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part;
    const keys = Object.keys(part);
    if (keys.every((key) => storable(key) === key)) return part;
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [storable(key), inner]));
  });
}

export function poolOf(row: PoolRow): Pool {
  return {
    id: row.id,
    state: row.state === 'absent' ? 'active' : row.state,
    createdAtMs: row.created_at_ms,
    ...(row.expires_at_ms === null ? {} : { expiresAtMs: row.expires_at_ms }),
    settings: {
      workerTtlMs: row.worker_ttl_ms,
      replicaTtlMs: row.replica_ttl_ms,
      allocTtlMs: row.alloc_ttl_ms,
      poolTtlMs: row.pool_ttl_ms,
      retryMax: row.retry_max,
      reserveAfterMs: row.reserve_after_ms,
      strategy: row.strategy,
    },
  };
}

/** Draining outlives a cordon: the next renewal lifts only the latter. */
export function workerState(row: Pick<WorkerRow, 'draining' | 'cordoned'>): WorkerState {
  if (row.draining) return 'draining';
  return row.cordoned ? 'cordoned' : 'active';
}

export function workerOf(row: WorkerRow, datasets: readonly string[]): PoolWorker {
  return {
    poolId: row.pool_id,
    id: row.id,
    incarnation: row.incarnation,
    state: workerState(row),
    capacity: row.capacity,
    free: row.capacity - row.used,
    peakUsed: row.peak_used,
    targets: row.targets,
    datasets,
    taskQueue: row.task_queue,
    registeredAtMs: row.registered_at_ms,
    renewedAtMs: row.renewed_at_ms,
    expiresAtMs: row.expires_at_ms,
  };
}

export function allocOf(
  row: Omit<AllocRow, 'state' | 'taken_up' | 'from_queue' | 'explained' | 'waited'>,
): Alloc {
  return {
    id: row.id,
    poolId: row.pool_id,
    workerId: row.worker_id,
    incarnation: row.incarnation,
    taskQueue: row.task_queue,
    epoch: row.epoch,
    size: row.size,
    invocationId: row.invocation_id,
    target: row.target,
    ...(row.dataset === null ? {} : { dataset: row.dataset }),
    ...(row.warm === null ? {} : { warm: row.warm }),
    grantedAtMs: row.granted_at_ms,
    expiresAtMs: row.expires_at_ms,
  };
}

export function waitingOf(row: EvalRow): WaitingEval {
  const { dataset, dataset_mode: mode, warm_wait_ms: warmWaitMs } = row;
  return {
    id: row.id,
    poolId: row.pool_id,
    invocationId: row.invocation_id,
    target: row.target,
    size: row.size,
    ...(dataset === null || mode === null
      ? {}
      : { dataset: { id: dataset, mode, warmWaitMs: warmWaitMs ?? 0 } }),
    priority: row.priority,
    retry: row.retry,
    enqueuedAtMs: row.enqueued_at_ms,
    reason: row.reason,
  };
}

/** The columns of a request that is enqueued now. */
export function requestColumns(request: EvalRequest, enqueuedAtMs: number): RequestColumns {
  return {
    pool_id: request.poolId,
    id: request.id,
    invocation_id: request.invocationId,
    target: request.target,
    size: request.size,
    dataset: request.dataset?.id ?? null,
    dataset_mode: request.dataset?.mode ?? null,
    warm_wait_ms: request.dataset?.warmWaitMs ?? null,
    priority: request.priority,
    retry: request.retry,
    enqueued_at_ms: enqueuedAtMs,
  };
}
