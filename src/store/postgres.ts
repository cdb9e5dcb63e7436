/**
 * The store on PostgreSQL, by node-postgres. Called by orchestration workers and gateways.
 * Promise: opening it brings the schema up to date; a database out of reach is an UnavailableError that
 * names host and database but never the password; a connection that breaks while idle harms nobody.
 */
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { InvalidInputError, UnavailableError } from '../contract/errors.ts';
import { openDatabase, sqlState } from './database.ts';
import { createStore, type DatabaseStore } from './create-store.ts';
import { createLanes, type LaneClient } from './lanes.ts';

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Holds all tables of one deployment: `createNames(deployment).schema`. Created where absent. */
  readonly schema: string;
  /** Connections at most. Default 10. */
  readonly poolMax?: number;
  /** Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** One statement at most. Default 30,000. */
  readonly statementTimeoutMs?: number;
}

/** A process that hangs inside a transaction must not hold its pool's lock for ever. */
const IDLE_IN_TRANSACTION_MS = 30_000;
const INT8 = 20;

/**
 * Opens the store.
 * @throws InvalidInputError (url), UnavailableError
 */
export async function createPostgresStore(options: PostgresStoreOptions): Promise<DatabaseStore> {
  const where = describeUrl(options.url);
  const statementMs = options.statementTimeoutMs ?? 30_000;
  const settings: pg.PoolConfig & { readonly pipeline: boolean } = {
    connectionString: options.url,
    max: options.poolMax ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    statement_timeout: statementMs,
    // The server's own limit comes first; this one is for a server that no longer answers at all.
    query_timeout: statementMs + 5_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    application_name: `escapement ${options.schema}`,
    types: { getTypeParser },
    // Statements sent without waiting for each other's answers travel together.
    pipeline: true,
  };
  const pool = new pg.Pool(settings);
  // Without a listener a broken idle connection would end the process; the pool replaces it by itself.
  pool.on('error', () => undefined);
  // The statements are shaped so that one plan fits all; planning them anew costs more than running them. As plans are
  // made when tables are small and kept when they are large, none may read a table from end to end where it need not.
  pool.on('connect', (client) => {
    client.query('SET plan_cache_mode = force_generic_plan').catch(() => undefined);
    client.query('SET enable_seqscan = off').catch(() => undefined);
  });
  const atOnce = createLanes({
    connect: () => laneClient(pool, where),
    named,
    translated: (error) => unavailable(error, where) ?? error,
  });
  return createStore(await openDatabase(guarded(pool, where), options.schema, atOnce));
}

/** All bigint columns hold milliseconds, counts or epochs, far below 2^53. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === INT8) return Number;
  return pg.types.getTypeParser(oid, format === 'binary' ? 'text' : format) as (value: string) => unknown;
}

interface Where {
  readonly name: string;
  readonly host: string;
}

function describeUrl(url: string): Where {
  try {
    const { hostname, port, pathname, protocol } = new URL(url);
    if (protocol !== 'postgres:' && protocol !== 'postgresql:') throw new Error(`protocol ${protocol}`);
    const host = `${hostname === '' ? 'localhost' : hostname}:${port === '' ? '5432' : port}`;
    return { name: `PostgreSQL database "${decodeURIComponent(pathname.slice(1))}" on ${host}`, host };
  } catch {
    // The text itself may hold a password, so it is not repeated.
    throw new InvalidInputError('database', [
      { path: 'url', message: 'is no PostgreSQL address: write postgres://user:password@host:5432/database' },
    ]);
  }
}

/** The pool as Kysely wants it, with failures of the connection told apart from those of a statement. */
function guarded(pool: pg.Pool, where: Where): PostgresPool {
  return {
    async connect(): Promise<PostgresPoolClient> {
      return guardedClient(await connected(pool, where), where);
    },
    end: () => pool.end(),
  };
}

async function laneClient(pool: pg.Pool, where: Where): Promise<LaneClient> {
  const client = await connected(pool, where);
  let broken = false;
  const onError = () => {
    broken = true;
  };
  client.on('error', onError);
  return {
    client,
    broken: () => broken,
    release() {
      client.off('error', onError);
      client.release(broken);
    },
  };
}

/** The answer to a statement that was not sent. */
const NOTHING = { command: 'SELECT', rowCount: 0, rows: [] } as const;

function connected(pool: pg.Pool, where: Where): Promise<pg.PoolClient> {
  return pool.connect().catch((error: unknown) => {
    throw unavailable(error, where) ?? error;
  });
}

function guardedClient(client: pg.PoolClient, where: Where): PostgresPoolClient {
  let broken = false;
  const onError = () => {
    broken = true;
  };
  client.on('error', onError);
  let beginning = false;
  /** Sends the statement, and the BEGIN that was held back for it, in one go. */
  async function send(text: string, values: readonly unknown[]) {
    const began = beginning ? client.query('BEGIN') : undefined;
    beginning = false;
    const [result] = await Promise.all([client.query({ text, values: [...values], ...named(text) }), began]);
    return result;
  }
  async function query(text: string, values: readonly unknown[]) {
    try {
      if (text === 'begin') {
        beginning = true;
        return NOTHING;
      }
      if (beginning && (text === 'commit' || text === 'rollback')) {
        beginning = false;
        return NOTHING;
      }
      return await send(text, values);
    } catch (error) {
      const translated = unavailable(error, where);
      if (translated === undefined) throw error;
      broken = true;
      throw translated;
    }
  }
  return {
    // Kysely's other overload is for cursors, which nothing here opens.
    query: query as unknown as PostgresPoolClient['query'],
    release() {
      client.off('error', onError);
      // A broken connection is thrown away instead of being handed to the next caller.
      client.release(broken);
    },
  };
}

/** Statements that PostgreSQL plans once for each connection; the texts of this store are few and fixed. */
const statementNames = new Map<string, string>();
const STATEMENT_NAMES_MAX = 200;

function named(text: string): { name?: string } {
  if (!/^\s*(with|select|insert|update|delete)\b/i.test(text)) return {};
  let name = statementNames.get(text);
  if (name === undefined) {
    if (statementNames.size >= STATEMENT_NAMES_MAX) return {};
    name = `escapement_${statementNames.size}`;
    statementNames.set(text, name);
  }
  return { name };
}

const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start the server or correct ESCAPEMENT_DATABASE_URL',
  ENOTFOUND: 'the host name is unknown; correct ESCAPEMENT_DATABASE_URL',
  EAI_AGAIN: 'the host name cannot be resolved now; check the network',
  '28P01': 'user or password is wrong; correct ESCAPEMENT_DATABASE_URL',
  '28000': 'the server refuses this user; check its pg_hba.conf and ESCAPEMENT_DATABASE_URL',
  '3D000': 'the database does not exist; create it or correct ESCAPEMENT_DATABASE_URL',
  '53300': 'it has no connection left; raise max_connections or lower the pool size',
  '57014': 'a statement took longer than its limit; look for a lock that is held, or an overloaded server',
  '57P03': 'it is starting up or shutting down; try again',
};

const SOCKET_ERRORS = /^(ECONN|ENOT|EAI_|EPIPE|ETIMEDOUT|EHOST|ENET)/;
const SESSION_LOST = /^(08|28|3D|57P|57014|53300)/;
/** node-postgres gives these no code. */
const LOST_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed)/;

/** The error as UnavailableError where it means that the database is out of reach. */
function unavailable(error: unknown, where: Where): UnavailableError | undefined {
  const code = sqlState(error) ?? '';
  const message = error instanceof Error ? error.message : '';
  if (!SOCKET_ERRORS.test(code) && !SESSION_LOST.test(code) && !LOST_MESSAGES.test(message)) return undefined;
  return new UnavailableError(where.name, ADVICE[code] ?? `check that it is up (${code || message})`, {
    cause: error,
  });
}
