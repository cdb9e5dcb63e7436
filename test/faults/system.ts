/**
 * The production topology as real processes: a PostgreSQL server, a Temporal server, `escapement worker`, `escapement gateway`
 * and two `escapement pool-worker`s, with lines between them that can be cut. Made by the faults and the topology test.
 * Promise: `close` ends everything, and so does the end of this process.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { Scheduler } from '../../src/client/scheduler.ts';
import { createNames, type Names } from '../../src/contract/ids.ts';
import { freePorts } from '../../src/embedded/free-ports.ts';
import { startTemporalServer, type TemporalServer } from '../../src/embedded/temporal-server.ts';
import { createDatabase, type PostgresServer, startPostgres } from '../support/postgres.ts';
import { watchChanges } from './changes.ts';
import { type Line, openLine } from './line.ts';
import type { Part } from './part.ts';
import { DEPLOYMENT, KEY, type LineName, partsOf, POOL, type PoolWorkerName, TTL_MS } from './parts.ts';
import type { ProgramFiles } from '../support/program.ts';

/** Workers under load may be late; that must not use up an invocation's chances. */
const RETRY_MAX = 100;
const ROLE = 'escapement_runs';
const GATEWAY_READY_MS = 60_000;

/** A Temporal server that can be killed and comes back with what it knew. */
export interface Temporal {
  readonly port: number;
  readonly namespace: string;
  crash(): Promise<void>;
  startAgain(): Promise<void>;
  stop(): Promise<void>;
}

export interface System {
  readonly names: Names;
  readonly temporal: Temporal;
  readonly postgres: PostgresServer;
  /** What stands between a process and its servers; pool workers share theirs. */
  readonly lines: Readonly<Record<LineName, Line>>;
  readonly worker: Part;
  readonly gateway: Part;
  readonly poolWorkers: Readonly<Record<PoolWorkerName, Part>>;
  /** Worker and gateway whose store lies, to take the places of the real ones. */
  readonly flaky: readonly Part[];
  /** Past all lines. */
  readonly scheduler: Scheduler;
  readonly client: Client;
  /** Past all lines, with all rights. */
  readonly sql: pg.Pool;
  readonly journal: string;
  close(): Promise<void>;
}

type Closer = () => Promise<unknown>;

export interface SystemOptions {
  readonly startTemporal: (folder: string, postgres: PostgresServer) => Promise<Temporal>;
  /** Removed by whoever made it. */
  readonly program: ProgramFiles;
}

export async function startSystem(options: SystemOptions): Promise<System> {
  const closers: Closer[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.toReversed()) await closer();
    closers.length = 0;
  };
  try {
    return await open(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  { startTemporal, program }: SystemOptions,
  closers: Closer[],
  close: () => Promise<void>,
): Promise<System> {
  const folder = await mkdtemp(join(tmpdir(), 'escapement-faults-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startPostgres();
  closers.push(postgres.stop);
  const temporal = await startTemporal(folder, postgres);
  closers.push(temporal.stop);
  const database = await createDatabase(postgres.url);
  const lines = await openLines(temporal.port, postgres.port, closers);
  const names = createNames(DEPLOYMENT);
  const runningUrl = await migrate(program.main, database.url);
  const journal = join(folder, 'journal');
  const parts = await partsOf({
    folder,
    lines,
    databaseUrl: runningUrl,
    namespace: temporal.namespace,
    program,
  });
  closers.push(
    ...[...parts.flaky, ...Object.values(parts.poolWorkers), parts.gateway, parts.worker].map(
      (part) => part.close,
    ),
  );

  await parts.worker.start();
  await parts.gateway.start();
  const sql = new pg.Pool({ connectionString: database.url, max: 4 });
  sql.on('error', () => undefined);
  closers.push(() => sql.end());
  await watchChanges(sql, names.schema);

  const connection = await Connection.connect({ address: `127.0.0.1:${temporal.port}` });
  closers.push(() => connection.close());
  const client = new Client({ connection, namespace: temporal.namespace });
  const scheduler = await Scheduler.connect({
    connection,
    namespace: temporal.namespace,
    deployment: names.deployment,
    gatewayUrl: parts.gatewayUrl,
    gatewayKey: KEY,
  });
  const ttls = { workerTtlMs: TTL_MS, replicaTtlMs: TTL_MS, allocTtlMs: TTL_MS };
  await scheduler.gateway.createPool(
    POOL,
    { ...ttls, retryMax: RETRY_MAX, reserveAfterMs: TTL_MS },
    { timeoutMs: GATEWAY_READY_MS },
  );
  await Promise.all(Object.values(parts.poolWorkers).map((worker) => worker.start()));
  const { worker, gateway, poolWorkers, flaky } = parts;
  return {
    ...{
      names,
      temporal,
      postgres,
      lines,
      worker,
      gateway,
      poolWorkers,
      flaky,
      scheduler,
      client,
      sql,
      journal,
    },
    close,
  };
}

/** Starts again what a fault has left dead, and waits until all of it is fit. */
export async function makeWhole({ worker, gateway, poolWorkers }: System): Promise<void> {
  for (const part of [worker, gateway, ...Object.values(poolWorkers)]) {
    if (!part.runs()) await part.start();
    else await part.untilFit();
  }
}

/** By the owner; answers the address for the role with least rights, as which all processes run. */
async function migrate(main: string, ownerUrl: string): Promise<string> {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  await owner.query(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${KEY}'`);
  await owner.end();
  const env = { ...process.env, ESCAPEMENT_DATABASE_URL: ownerUrl, ESCAPEMENT_DEPLOYMENT: DEPLOYMENT };
  await promisify(execFile)(process.execPath, [main, 'migrate', '--grant-to', ROLE], { env });
  const url = new URL(ownerUrl);
  url.username = ROLE;
  url.password = KEY;
  return url.href;
}

async function openLines(temporalPort: number, postgresPort: number, closers: Closer[]) {
  const line = async (port: number): Promise<Line> => {
    const made = await openLine({ host: '127.0.0.1', port });
    closers.push(made.close);
    return made;
  };
  return {
    workerTemporal: await line(temporalPort),
    gatewayTemporal: await line(temporalPort),
    poolTemporal: await line(temporalPort),
    workerPostgres: await line(postgresPort),
    gatewayPostgres: await line(postgresPort),
  };
}

/** The development server, with a file that outlives it. */
export function devServer(binary: string) {
  return async (folder: string): Promise<Temporal> => {
    const [port = 0] = await freePorts(1);
    const start = (): Promise<TemporalServer> =>
      startTemporalServer({ binary, port, headless: true, dbFilename: join(folder, 'temporal.db') });
    let server = await start();
    return {
      port,
      namespace: server.namespace,
      async crash() {
        process.kill(server.pid, 'SIGKILL');
        await server.exited;
      },
      async startAgain() {
        server = await start();
      },
      stop: () => server.stop(),
    };
  };
}
