/**
 * Pools as things to create, read and disband. Called by `create-store.ts`.
 * Promise: creating is conditional on absence, and renews what is present; a disbanded pool takes nothing,
 * and what waited for it stays listed until its invocations withdraw, so that telling them can be repeated.
 */
import { sql } from 'kysely';
import { AlreadyExistsError, NotExistsError, PoolDisbandedError } from '../contract/errors.ts';
import type { Alloc, Pool, PoolSettings, PoolWorker, WaitingEval } from '../contract/pools.ts';
import { limitOf, pageOf, readCursor } from './cursor.ts';
import type { Database } from './database.ts';
import { handOver } from './hand-over.ts';
import { waitedUntil } from './hand-over-rows.ts';
import { inPool, POOL_SETTINGS_DEFAULT, type PoolTransaction } from './pool-transaction.ts';
import { allocOf, poolOf, waitingOf, workerOf } from './rows.ts';
import type { Page, PageRequest } from './store.ts';
import type { PoolRow } from './tables.ts';

export async function createPool(
  database: Database,
  id: string,
  settings: Partial<PoolSettings> = {},
): Promise<Pool> {
  const all = { ...POOL_SETTINGS_DEFAULT, ...settings };
  const made = await inPool(database, id, async (tx) => {
    const { trx, pool, nowMs, silenceMs } = tx;
    if (pool.state !== 'absent') {
      await renewPool(tx);
      return poolExists(pool);
    }
    const row = await trx
      .updateTable('pools')
      .set({
        state: 'active',
        worker_ttl_ms: all.workerTtlMs,
        replica_ttl_ms: all.replicaTtlMs,
        alloc_ttl_ms: all.allocTtlMs,
        pool_ttl_ms: all.poolTtlMs,
        retry_max: all.retryMax,
        reserve_after_ms: all.reserveAfterMs,
        strategy: all.strategy,
        created_at_ms: nowMs,
        swept_at_ms: null,
        expires_at_ms: null,
        silence_known_ms: silenceMs,
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return poolOf(row);
  });
  // Thrown here, as an error in the transaction would undo the renewal.
  if (made instanceof AlreadyExistsError) throw made;
  return made;
}

function poolExists({ id, state }: PoolRow): AlreadyExistsError {
  const note = state === 'disbanded' ? ' and is disbanded: use another id' : ': use it, or another id';
  return new AlreadyExistsError('PoolExists', `pool "${id}" exists already${note}`, { poolId: id });
}

/** Its time, if it has one, begins anew with the next sweep; nothing brings a disbanded one back. */
export async function renewPool({ trx, t, pool }: PoolTransaction): Promise<void> {
  if (pool.expires_at_ms === null || pool.state === 'disbanded') return;
  await sql`UPDATE ${t.pools} SET expires_at_ms = NULL WHERE id = ${pool.id}`.execute(trx);
}

export function poolNotExists(id: string): NotExistsError {
  return new NotExistsError('PoolNotExists', `pool "${id}" does not exist: create it first`, { poolId: id });
}

export async function getPool({ db }: Database, id: string): Promise<Pool> {
  const row = await db.selectFrom('pools').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined || row.state === 'absent') throw poolNotExists(id);
  return poolOf(row);
}

export async function listPools({ db }: Database, page?: PageRequest): Promise<Page<Pool>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['string']);
  let query = db.selectFrom('pools').selectAll().where('state', '!=', 'absent');
  if (after !== undefined) query = query.where('id', '>', after[0]);
  const rows = await query
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, poolOf, (row) => [row.id]);
}

export async function disbandPool(
  database: Database,
  id: string,
): Promise<{ readonly refused: readonly WaitingEval[] }> {
  return inPool(database, id, async ({ trx, pool }) => {
    if (pool.state === 'absent') return { refused: [] };
    // What has expired before keeps the instant at which it did.
    const expired = pool.state === 'disbanded' ? {} : { expires_at_ms: null };
    await trx
      .updateTable('pools')
      .set({ state: 'disbanded', ...expired })
      .where('id', '=', id)
      .execute();
    const rows = await trx.selectFrom('evals').selectAll().where('pool_id', '=', id).orderBy('id').execute();
    return { refused: rows.map(waitingOf) };
  });
}

/** @throws NotExistsError (PoolNotExists), PoolDisbandedError */
export async function drainPool(
  database: Database,
  id: string,
  { off = false }: { readonly off?: boolean } = {},
): Promise<{ readonly grants: readonly Alloc[] }> {
  return inPool(database, id, async (tx) => {
    if (tx.pool.state === 'absent') throw poolNotExists(id);
    if (tx.pool.state === 'disbanded') throw new PoolDisbandedError(id);
    tx.pool.state = off ? 'active' : 'draining';
    await tx.trx.updateTable('pools').set({ state: tx.pool.state }).where('id', '=', id).execute();
    if (!off) {
      await sql`
        UPDATE ${tx.t.evals} e SET reason = '{"kind":"draining"}'::jsonb, waited = ${waitedUntil(tx.nowMs)}
        WHERE pool_id = ${id} AND reason->>'kind' <> 'draining'`.execute(tx.trx);
    }
    return { grants: (await handOver(tx, { all: true })).fromQueue };
  });
}

export async function listWorkers(
  database: Database,
  poolId: string,
  page?: PageRequest,
): Promise<Page<PoolWorker>> {
  const { db, t } = database;
  const limit = limitOf(page);
  const after = readCursor(page, ['string']);
  let query = db.selectFrom('workers').selectAll().where('pool_id', '=', poolId);
  query = query.where(sql<boolean>`expires_at_ms > ${t.now}`);
  if (after !== undefined) query = query.where('id', '>', after[0]);
  const rows = await query
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  const datasets = await datasetsOf(
    database,
    poolId,
    rows.map((row) => row.id),
  );
  return pageOf(
    rows,
    limit,
    (row) => workerOf(row, datasets.get(row.id) ?? []),
    (row) => [row.id],
  );
}

async function datasetsOf({ db, t }: Database, poolId: string, workerIds: readonly string[]) {
  if (workerIds.length === 0) return new Map<string, string[]>();
  const rows = await db
    .selectFrom('replicas')
    .select(['worker_id', sql<string[]>`jsonb_agg(dataset_id ORDER BY dataset_id)`.as('datasets')])
    .where('pool_id', '=', poolId)
    .where('worker_id', 'in', workerIds)
    .where(sql<boolean>`expires_at_ms > ${t.now}`)
    .groupBy('worker_id')
    .execute();
  return new Map(rows.map((row) => [row.worker_id, row.datasets]));
}

export async function listAllocs({ db }: Database, poolId: string, page?: PageRequest): Promise<Page<Alloc>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['string']);
  let query = db.selectFrom('allocs').selectAll().where('pool_id', '=', poolId);
  if (after !== undefined) query = query.where('id', '>', after[0]);
  const rows = await query
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, allocOf, (row) => [row.id]);
}

export async function listWaiting(
  { db }: Database,
  poolId: string,
  page?: PageRequest,
): Promise<Page<WaitingEval>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['number', 'number', 'string']);
  let query = db.selectFrom('evals').selectAll().where('pool_id', '=', poolId);
  if (after !== undefined) {
    const [priority, enqueuedAtMs, id] = after;
    query = query.where(sql<boolean>`(priority < ${priority} OR (priority = ${priority}
      AND (enqueued_at_ms, id) > (${enqueuedAtMs}, ${id})))`);
  }
  const rows = await query
    .orderBy('priority', 'desc')
    .orderBy('enqueued_at_ms')
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, waitingOf, (row) => [row.priority, row.enqueued_at_ms, row.id]);
}
