/**
 * One open database, whichever it is: Kysely over a pool-shaped connection, the names of the tables,
 * and transactions. Made by `postgres.ts` and `embedded.ts`, used by every other file of the store.
 * Promise: connections that fail answer UnavailableError, which names the database but no secret.
 */
import { Kysely, PostgresDialect, type PostgresPool, sql, type Transaction } from 'kysely';
import { migrate } from './migrations/index.ts';
import { createWorkerCache, type WorkerCache } from './worker-cache.ts';
import { type TableNames, type Tables, tableNames } from './tables.ts';

export interface Database {
  readonly schema: string;
  readonly db: Kysely<Tables>;
  readonly t: TableNames;
  readonly workerCache: WorkerCache;
  transaction<T>(work: (trx: Transaction<Tables>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens the database over `pool` and brings its schema up to date; closes the pool if that fails. */
export async function openDatabase(pool: PostgresPool, schema: string): Promise<Database> {
  const plain = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(plain, schema);
  } catch (error) {
    await plain.destroy().catch(() => undefined);
    throw error;
  }
  const db = plain.withSchema(schema);
  return {
    schema,
    db,
    t: tableNames(schema),
    workerCache: createWorkerCache(),
    transaction: (work) => retried(() => db.transaction().execute(work)),
    close: () => plain.destroy(),
  };
}

/** Times a transaction is begun again after PostgreSQL gave it up for another one. */
const ATTEMPTS_MAX = 4;

/** Deadlocks and serialization failures say "begin again" and nothing else. */
async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n += 1) {
    try {
      return await attempt();
    } catch (error) {
      const again = sqlState(error) === '40P01' || sqlState(error) === '40001';
      if (!again || n === ATTEMPTS_MAX) throw error;
    }
  }
}

/** The five-character SQLSTATE of a database error, undefined for any other value. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export interface ClockShift {
  /** Nothing has gone on meanwhile: no sweep, no gateway. */
  readonly outage?: boolean;
  /** Sweeps have gone on, but no gateway lived. */
  readonly gatewaysSilent?: boolean;
}

/**
 * Moves the database's clock, for tests. Unless it is to look like an outage, sweeps and gateways keep up:
 * a pool that went unswept for long would otherwise extend every TTL by the gap.
 */
export async function shiftClock(
  database: Database,
  byMs: number,
  { outage = false, gatewaysSilent = outage }: ClockShift = {},
): Promise<void> {
  const { db, t, schema } = database;
  await sql`UPDATE ${sql.id(schema, 'clock')} SET offset_ms = offset_ms + ${byMs}::bigint`.execute(db);
  if (!gatewaysSilent) {
    await sql`UPDATE ${t.gateways} SET alive_at_ms = alive_at_ms + ${byMs}::bigint`.execute(db);
  }
  if (!outage) await sql`UPDATE ${t.pools} SET swept_at_ms = swept_at_ms + ${byMs}::bigint`.execute(db);
}
