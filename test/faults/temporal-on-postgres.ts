/**
 * A real Temporal server, in one process, that keeps everything in PostgreSQL: built by tools/temporal, once, into the cache
 * outside the clone. Used by `npm run topology`.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import pg from 'pg';
import { freePorts } from '../../src/embedded/free-ports.ts';
import { logTail, type OwnedProcess, startOwnedProcess } from '../../src/embedded/owned-process.ts';
import { isProgram, programOnPath } from '../../src/embedded/program-path.ts';
import { buildTemporal, TEMPORAL_SERVER_VERSION } from '../../src/embedded/temporal-build.ts';
import { cacheFolder, withCacheLock } from '../../src/embedded/temporal-cache.ts';
import type { PostgresServer } from '../support/postgres.ts';
import type { Temporal } from './system.ts';

const NAMESPACE = 'default';
const DATABASES = { temporal: 'temporal', visibility: 'temporal_visibility' } as const;
const PLUGIN = 'postgres12';
const READY_MS = 120_000;

export async function temporalOnPostgres(folder: string, postgres: PostgresServer): Promise<Temporal> {
  const server = await programOf('server');
  const tool = await programOf('sql-tool');
  for (const [schema, database] of Object.entries(DATABASES)) {
    await makeDatabase(postgres.url, database);
    await makeSchema(tool, postgres.url, database, schema);
  }
  const ports = await freePorts(9);
  const [port = 0] = ports;
  const config = join(folder, 'temporal.yaml');
  const logFile = join(folder, 'temporal.log');
  await writeFile(join(folder, 'dynamic.yaml'), '{}\n');
  await writeFile(
    config,
    JSON.stringify(configOf(new URL(postgres.url), ports, join(folder, 'dynamic.yaml'))),
  );
  const start = async (): Promise<OwnedProcess> => {
    const file = { file: server, logFile, stopTimeoutMs: 20_000 };
    const owned = await startOwnedProcess({
      ...file,
      args: ['--config-file', config, '--allow-no-auth', 'start'],
    });
    await untilServing(owned, port, logFile);
    return owned;
  };
  let running = await start();
  return {
    port,
    namespace: NAMESPACE,
    async crash() {
      running.kill('SIGKILL');
      await running.exited;
    },
    async startAgain() {
      running = await start();
    },
    stop: () => running.stop(),
  };
}

async function programOf(program: 'server' | 'sql-tool'): Promise<string> {
  const folder = await cacheFolder(process.env);
  const { platform, arch } = process;
  const output = join(folder, `temporal-${program}-${TEMPORAL_SERVER_VERSION}-${platform}-${arch}`);
  if (await isProgram(output)) return output;
  const go = await programOnPath('go', process.env);
  if (go === undefined)
    throw new Error('a Temporal server on PostgreSQL is built from source: install Go 1.26 or later');
  const onProgress = (line: string) => process.stderr.write(`${line}\n`);
  await withCacheLock(
    `${output}.lock`,
    () => onProgress('another process is building it: waiting'),
    async () => {
      if (!(await isProgram(output)))
        await buildTemporal({ program, go, output, env: process.env, onProgress });
    },
  );
  return output;
}

async function makeDatabase(url: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
}

async function makeSchema(tool: string, url: string, database: string, schema: string): Promise<void> {
  const { hostname, port, username, password } = new URL(url);
  const where = ['--ep', hostname, '--port', port, '--user', username, '--pw', password];
  const common = ['--plugin', PLUGIN, ...where, '--db', database];
  const run = promisify(execFile);
  await run(tool, [...common, 'setup-schema', '-v', '0.0']);
  await run(tool, [...common, 'update-schema', '--schema-name', `postgresql/v12/${schema}`]);
}

/** As YAML has it: JSON is a part of that. */
function configOf({ host, username, password }: URL, ports: readonly number[], dynamicConfig: string) {
  const store = (databaseName: string) => ({
    sql: {
      ...{ pluginName: PLUGIN, databaseName, connectAddr: host, connectProtocol: 'tcp' },
      ...{ user: username, password, maxConns: 20, maxIdleConns: 20, maxConnLifetime: '1h' },
    },
  });
  const services = ['frontend', 'history', 'matching', 'worker'].map((name, n) => [
    name,
    { rpc: { grpcPort: ports[2 * n], membershipPort: ports[2 * n + 1], bindOnLocalHost: true } },
  ]);
  const rpcAddress = `127.0.0.1:${ports[0]}`;
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      ...{ defaultStore: 'default', visibilityStore: 'visibility', numHistoryShards: 4 },
      datastores: { default: store(DATABASES.temporal), visibility: store(DATABASES.visibility) },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: Object.fromEntries(services) as unknown,
    clusterMetadata: {
      ...{ enableGlobalNamespace: false, failoverVersionIncrement: 10 },
      ...{ masterClusterName: 'active', currentClusterName: 'active' },
      clusterInformation: {
        active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: dynamicConfig, pollInterval: '60s' },
  };
}

/** It serves, and so does its namespace, which it makes where it is not there. */
async function untilServing(owned: OwnedProcess, port: number, logFile: string): Promise<void> {
  const connection = Connection.lazy({ address: `127.0.0.1:${port}`, interceptors: [] });
  const untilMs = Date.now() + READY_MS;
  try {
    while (Date.now() < untilMs) {
      if (await serves(connection)) return;
      if ((await Promise.race([owned.exited, sleep(250)])) !== undefined) break;
    }
  } finally {
    await connection.close();
  }
  await owned.stop();
  throw new Error(`the Temporal server does not serve; the end of its log:\n${await logTail(logFile)}`);
}

async function serves({ workflowService }: Connection): Promise<boolean> {
  try {
    await workflowService.describeNamespace({ namespace: NAMESPACE });
    // The frontend learns of a new namespace some seconds after it was made.
    await workflowService.listWorkflowExecutions({ namespace: NAMESPACE, pageSize: 1 });
    return true;
  } catch {
    await workflowService
      .registerNamespace({ namespace: NAMESPACE, workflowExecutionRetentionPeriod: msToTs('1 day') })
      .catch(() => undefined);
    return false;
  }
}
