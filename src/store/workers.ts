/**
 * Workers entering, draining and leaving a pool; renewals are in `allocs.ts`, as they come in batches.
 * Called by `create-store.ts`. Promise: a new incarnation never inherits allocs of an older one; the
 * same incarnation registering again keeps what it runs and may change its capacity.
 */
import { sql } from 'kysely';
import { AlreadyExistsError, PoolDisbandedError } from '../contract/errors.ts';
import type { Alloc, WorkerLease, WorkerRegistration } from '../contract/pools.ts';
import { giveUpAllocs } from './allocs.ts';
import { leaseOf, workerNotExists } from './batch.ts';
import type { Database } from './database.ts';
import { handOver } from './hand-over.ts';
import { inPool, type PoolTransaction } from './pool-transaction.ts';
import { poolNotExists, renewPool } from './pools.ts';
import { json } from './rows.ts';

export async function registerWorker(
  database: Database,
  registration: WorkerRegistration,
  options: { readonly replace?: boolean } = {},
): Promise<{ readonly lease: WorkerLease; readonly grants: readonly Alloc[] }> {
  const { poolId, workerId, incarnation } = registration;
  return inPool(database, poolId, async (tx) => {
    if (tx.pool.state === 'absent') throw poolNotExists(poolId);
    if (tx.pool.state === 'disbanded') throw new PoolDisbandedError(poolId);
    const before = await tx.trx
      .selectFrom('workers')
      .select(['incarnation', 'expires_at_ms', 'draining'])
      .where('pool_id', '=', poolId)
      .where('id', '=', workerId)
      .executeTakeFirst();
    const another = before !== undefined && before.incarnation !== incarnation;
    if (another && before.expires_at_ms > tx.nowMs && options.replace !== true) {
      throw new AlreadyExistsError(
        'WorkerExists',
        `worker "${workerId}" of pool "${poolId}" is another live process: give this one another id, or replace that one`,
        { poolId, workerId },
      );
    }
    if (another) await dropWorker(tx, workerId);
    // It may leave before the next sweep, which would not know that it was here.
    await renewPool(tx);
    const used = await writeWorker(tx, registration);
    await writeReplicas(tx, registration);
    const { fromQueue } = await handOver(tx);
    const draining = before !== undefined && !another && before.draining;
    return { lease: leaseOf(tx, { draining, used, held: [], lost: [] }), grants: fromQueue };
  });
}

/** Answers the units in use of what it goes on running. */
async function writeWorker(tx: PoolTransaction, registration: WorkerRegistration): Promise<number> {
  const { trx, t, pool, nowMs } = tx;
  const { workerId, incarnation, capacity, targets, taskQueue } = registration;
  const { rows } = await sql<{ used: number }>`
    INSERT INTO ${t.workers} AS w (pool_id, id, incarnation, draining, cordoned, capacity, used, peak_used, targets,
      task_queue, registered_at_ms, renewed_at_ms, expires_at_ms)
    VALUES (${pool.id}, ${workerId}, ${incarnation}, false, false, ${capacity}, 0, 0, ${json(targets)}::jsonb,
      ${taskQueue}, ${nowMs}, ${nowMs}, ${nowMs + pool.worker_ttl_ms})
    ON CONFLICT (pool_id, id) DO UPDATE SET cordoned = false, capacity = excluded.capacity,
      targets = excluded.targets, task_queue = excluded.task_queue,
      renewed_at_ms = excluded.renewed_at_ms, expires_at_ms = excluded.expires_at_ms
    RETURNING used`.execute(trx);
  const used = rows[0]?.used ?? 0;
  // A thousand workers that start together must not make each other be read again.
  const known = tx.known.rows?.get(workerId);
  tx.known.rows?.set(workerId, {
    id: workerId,
    incarnation,
    draining: known?.draining ?? false,
    cordoned: false,
    capacity,
    used,
    targets: [...targets],
    task_queue: taskQueue,
    expires_at_ms: nowMs + pool.worker_ttl_ms,
  });
  return used;
}

/** Puts and renews those it holds, removes those it holds no more. */
async function writeReplicas(tx: PoolTransaction, registration: WorkerRegistration): Promise<void> {
  const { trx, t, pool, nowMs } = tx;
  const { workerId } = registration;
  const datasets = json([...new Set(registration.datasets)]);
  await sql`
    DELETE FROM ${t.replicas} WHERE pool_id = ${pool.id} AND worker_id = ${workerId}
      AND dataset_id NOT IN (SELECT jsonb_array_elements_text(${datasets}::jsonb))`.execute(trx);
  await sql`
    INSERT INTO ${t.replicas} (pool_id, worker_id, dataset_id, expires_at_ms)
    SELECT ${pool.id}::text, ${workerId}::text, d, ${nowMs + pool.replica_ttl_ms}::bigint
    FROM jsonb_array_elements_text(${datasets}::jsonb) AS d
    ON CONFLICT (pool_id, worker_id, dataset_id) DO UPDATE SET expires_at_ms = excluded.expires_at_ms`.execute(
    trx,
  );
}

/** Takes the worker, its replicas and its allocs away; grants it had not taken up wait again. */
async function dropWorker(tx: PoolTransaction, workerId: string): Promise<void> {
  const { trx, t, pool } = tx;
  await giveUpAllocs(tx, sql`l.worker_id = ${workerId}`);
  await sql`DELETE FROM ${t.replicas} WHERE pool_id = ${pool.id} AND worker_id = ${workerId}`.execute(trx);
  await sql`DELETE FROM ${t.workers} WHERE pool_id = ${pool.id} AND id = ${workerId}`.execute(trx);
}

export async function drainWorker(
  database: Database,
  poolId: string,
  workerId: string,
  incarnation?: string,
): Promise<void> {
  await inPool(database, poolId, async (tx) => {
    tx.known.rows = undefined;
    let query = tx.trx
      .updateTable('workers')
      .set({ draining: true })
      .where('pool_id', '=', poolId)
      .where('id', '=', workerId)
      .where('expires_at_ms', '>', tx.nowMs);
    if (incarnation !== undefined) query = query.where('incarnation', '=', incarnation);
    const { numUpdatedRows } = await query.executeTakeFirst();
    if (numUpdatedRows === 0n) throw workerNotExists(poolId, workerId, incarnation);
  });
}

export async function removeWorker(
  database: Database,
  poolId: string,
  workerId: string,
  incarnation?: string,
): Promise<{ readonly grants: readonly Alloc[] }> {
  return inPool(database, poolId, async (tx) => {
    const found = await tx.trx
      .selectFrom('workers')
      .select('incarnation')
      .where('pool_id', '=', poolId)
      .where('id', '=', workerId)
      .executeTakeFirst();
    if (found === undefined || (incarnation !== undefined && found.incarnation !== incarnation)) {
      return { grants: [] };
    }
    await dropWorker(tx, workerId);
    return { grants: (await handOver(tx)).fromQueue };
  });
}
