/**
 * What a batch of requests finds of the evals it asks for: granted, waiting, over, or not known. Called by `batch.ts`
 * inside the pool's transaction. Promise: one statement for all of them; one eval has one content, that of whoever
 * asked first, and a request that shows another is told so instead of getting what was not made for it.
 */
import { sql } from 'kysely';
import { AlreadyExistsError } from '../contract/errors.ts';
import type { Alloc, EvalRequest } from '../contract/pools.ts';
import type { PoolTransaction } from './pool-transaction.ts';
import { allocOf, json, requestColumns } from './rows.ts';
import type { AllocRow, EvalRow, RequestColumns } from './tables.ts';

/** A request with its place in the batch. */
interface Request {
  readonly ord: number;
  readonly request: EvalRequest;
}

export interface Asked {
  readonly allocs: Map<string, Alloc>;
  readonly ended: ReadonlySet<string>;
  /** Lost to more dead workers than the pool allows, and neither granted nor waiting. */
  readonly tooManyLost: ReadonlySet<string>;
  readonly fresh: readonly RequestColumns[];
  /** By the request's place: its eval was asked for with another content and is not over. */
  readonly conflicts: ReadonlyMap<number, AlreadyExistsError>;
  readonly somebodyWaits: boolean;
}

interface Found {
  readonly id: string;
  readonly alloc: AllocRow | null;
  readonly waits: EvalRow | null;
  readonly ended: boolean;
  readonly queue: boolean;
}

/** What is known of the requested evals; those nobody knows are fresh. */
export async function lookUp(tx: PoolTransaction, requests: readonly Request[]): Promise<Asked> {
  const { pool, nowMs } = tx;
  const byId = new Map<string, EvalRequest>();
  // Of twins the first one counts.
  for (const { request } of requests) if (!byId.has(request.id)) byId.set(request.id, request);
  const rows = await read(tx, [...byId.keys()]);
  const allocs = new Map<string, Alloc>();
  const ended = new Set<string>();
  const contents = new Map<string, RequestColumns>();
  for (const { id, alloc, waits, ended: isOver } of rows) {
    const live = alloc ?? waits;
    if (live !== null) contents.set(id, live);
    if (alloc !== null) allocs.set(id, allocOf(alloc));
    else if (isOver) ended.add(id);
  }
  const known = new Set([...contents.keys(), ...ended]);
  const beyond = [...byId.values()].filter(({ retry }) => retry > pool.retry_max);
  const tooManyLost = new Set(beyond.map(({ id }) => id).filter((id) => !known.has(id) || ended.has(id)));
  const fresh = [...byId.values()]
    .filter(({ id }) => pool.state !== 'disbanded' && !known.has(id) && !tooManyLost.has(id))
    .map((request) => requestColumns(request, nowMs));
  for (const columns of fresh) contents.set(columns.id, columns);
  return {
    ...{ allocs, ended, tooManyLost, fresh },
    conflicts: conflictsOf(requests, contents),
    somebodyWaits: rows[0]?.queue === true,
  };
}

async function read({ trx, t, pool }: PoolTransaction, ids: readonly string[]): Promise<readonly Found[]> {
  const { rows } = await sql<Found>`
    SELECT q.queue, a.id, to_jsonb(l) AS alloc, to_jsonb(e) AS waits, d.id IS NOT NULL AS ended
    FROM (SELECT EXISTS (SELECT 1 FROM ${t.evals} WHERE pool_id = ${pool.id}) AS queue) q
    LEFT JOIN jsonb_array_elements_text(${json(ids)}::jsonb) AS a(id) ON true
    LEFT JOIN LATERAL (SELECT * FROM ${t.allocs} l
      WHERE l.pool_id = ${pool.id} AND l.id = a.id AND l.state = 'held' OFFSET 0) l ON true
    LEFT JOIN LATERAL (SELECT id FROM ${t.ended} d WHERE d.pool_id = ${pool.id} AND d.id = a.id AND d.epoch >= 0
      OFFSET 0) d ON true
    LEFT JOIN LATERAL (SELECT * FROM ${t.evals} e WHERE e.pool_id = ${pool.id} AND e.id = a.id OFFSET 0) e ON true`.execute(
    trx,
  );
  return rows;
}

/** Not `retry`: a run that was reset to an earlier point may have counted fewer losses. */
const CONTENT = [
  ['invocationId', 'invocation_id'],
  ['target', 'target'],
  ['size', 'size'],
  ['dataset.id', 'dataset'],
  ['dataset.mode', 'dataset_mode'],
  ['dataset.warmWaitMs', 'warm_wait_ms'],
  ['priority', 'priority'],
] as const satisfies readonly (readonly [field: string, column: keyof RequestColumns])[];

function conflictsOf(
  requests: readonly Request[],
  contents: ReadonlyMap<string, RequestColumns>,
): Map<number, AlreadyExistsError> {
  const conflicts = new Map<number, AlreadyExistsError>();
  for (const { ord, request } of requests) {
    const before = contents.get(request.id);
    const now = requestColumns(request, 0);
    const differs =
      before === undefined ? [] : CONTENT.filter(([, column]) => before[column] !== now[column]);
    if (before === undefined || differs.length === 0) continue;
    const other = differs.map(
      ([field, column]) => `${field} ${textOf(before[column])}, not ${textOf(now[column])}`,
    );
    const message =
      `eval "${request.id}" of pool "${request.poolId}" holds or waits for ${other.join('; ')}: ` +
      'ask under another id, or give that one back first';
    const details = { poolId: request.poolId, evalId: request.id, differs: differs.map(([field]) => field) };
    conflicts.set(ord, new AlreadyExistsError('AllocExists', message, details));
  }
  return conflicts;
}

function textOf(value: string | number | null): string {
  return value === null ? 'none' : JSON.stringify(value);
}
