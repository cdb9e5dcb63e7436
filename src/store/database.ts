/**
 * One open database, whichever it is: Kysely over a pool-shaped connection, the names of the tables,
 * and transactions. Made by `postgres.ts` and `embedded.ts`, used by every other file of the store.
 * Promise: connections that fail answer UnavailableError, which names the database but no secret.
 */
import { randomInt } from 'node:crypto';
import {
  type CompiledQuery,
  Kysely,
  PostgresDialect,
  type PostgresPool,
  type RawBuilder,
  sql,
  type Transaction,
} from 'kysely';
import { migrate } from './migrations/index.ts';
import { createPoolViews, type PoolViews } from './pool-views.ts';
import { type TableNames, type Tables, tableNames } from './tables.ts';

export interface Database {
  readonly schema: string;
  readonly db: Kysely<Tables>;
  readonly t: TableNames;
  readonly views: PoolViews;
  /** No other open database has it, here or in another process. */
  readonly writer: number;
  transaction<T>(work: (trx: Transaction<Tables>) => Promise<T>): Promise<T>;
  /**
   * One transaction of statements that depend on no answer; any that fails undoes all. Transactions of one line are done
   * in the order of these calls, even if one is asked for before another has answered. Answers the first row of each.
   */
  atOnce(line: string, statements: readonly RawBuilder<unknown>[]): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/** Sends a transaction without waiting for the answers in between. */
export type SendAtOnce = (line: string, statements: readonly CompiledQuery[]) => Promise<readonly unknown[]>;

/** Opens the database over `pool` and brings its schema up to date; closes the pool if that fails. */
export async function openDatabase(
  pool: PostgresPool,
  schema: string,
  sendAtOnce?: SendAtOnce,
): Promise<Database> {
  const plain = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(plain, schema);
  } catch (error) {
    await plain.destroy().catch(() => undefined);
    throw error;
  }
  const db = plain.withSchema(schema);
  const oneByOne: SendAtOnce = (_line, statements) =>
    db.transaction().execute(async (trx) => {
      const first: unknown[] = [];
      for (const statement of statements) first.push((await trx.executeQuery(statement)).rows[0]);
      return first;
    });
  const send = sendAtOnce ?? oneByOne;
  return {
    schema,
    db,
    t: tableNames(schema),
    views: createPoolViews(),
    writer: randomInt(1, 2 ** 48 - 1),
    transaction: (work) => retried(() => db.transaction().execute(work)),
    atOnce: (line, statements) =>
      send(
        line,
        statements.map((statement) => statement.compile(db)),
      ),
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
