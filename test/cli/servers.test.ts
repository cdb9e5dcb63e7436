/**
 * The server commands as real processes on a real PostgreSQL: they work together, wait for a database that is down, and
 * stop in order when they are told to.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { freshDatabase, freshDeployment, sharedTemporal } from '../support/shared.ts';
import { type CliEnvironment, type CliProcess, runCli, startCli } from './run-cli.ts';

const WAIT = { timeout: 60_000, interval: 200 };

let temporal: { readonly address: string; readonly namespace: string };
let folder: string;
const running = new Set<CliProcess>();

beforeAll(async () => {
  temporal = await sharedTemporal();
  folder = mkdtempSync(join(tmpdir(), 'escapement-servers-'));
});
afterEach(async () => {
  await Promise.all([...running].map((server) => server.end('SIGKILL')));
  running.clear();
});
afterAll(() => rmSync(folder, { recursive: true }));

function environment(databaseUrl: string): CliEnvironment {
  return {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    ESCAPEMENT_DEPLOYMENT: freshDeployment(),
    ESCAPEMENT_DATABASE_URL: databaseUrl,
    ESCAPEMENT_STATE: join(folder, 'state'),
  };
}

function serve(args: readonly string[], where: CliEnvironment): CliProcess {
  const server = startCli(args, where);
  running.add(server);
  return server;
}

/** The address that a line of a server names. */
async function addressIn(server: CliProcess, text: string): Promise<string> {
  const address = /https?:\/\/[^\s"]+/.exec(await server.line(text))?.[0];
  if (address === undefined) throw new Error(`no address after "${text}"`);
  return address;
}

async function becomesHealthy(server: CliProcess): Promise<void> {
  const url = await addressIn(server, 'health:');
  await vi.waitFor(async () => expect((await fetch(url)).status).toBe(200), WAIT);
}

describe('worker, gateway and pool worker', () => {
  test('run a job together, and each stops in order on SIGTERM or SIGINT', { timeout: 180_000 }, async () => {
    const database = await freshDatabase();
    const where = environment(database.url);
    const worker = serve(['worker'], where);
    const gateway = serve(['gateway', '--port', '0'], where);
    const gatewayUrl = await addressIn(gateway, 'gateway is up');
    // The key was made at the gateway's start; commands beside it find it in the state folder.
    expect(await gateway.line('key:')).toContain(join(folder, 'state', 'gateway-key'));
    const client = { ...where, ESCAPEMENT_GATEWAY_URL: gatewayUrl };
    expect(await runCli(['pool', 'create', 'default'], client)).toMatchObject({ code: 0 });
    const poolWorker = serve(['pool-worker', '--name', 'w1', '--dataset', 'photos=.'], {
      ...client,
      ESCAPEMENT_CAPACITY: '3',
      ESCAPEMENT_GRACE: '20s',
    });
    for (const server of [worker, gateway, poolWorker]) await becomesHealthy(server);

    const job = ['job', 'in', '0', '--command', 'echo done', '--dataset', 'photos', '--size', '3'];
    const ran = await runCli([...job, '--wait', '--json'], client);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      succeeded: true,
      workerId: 'w1',
      result: { stdout: 'done\n' },
    });
    const pool = await runCli(['pool', 'describe', 'default', '--json'], client);
    expect(JSON.parse(pool.stdout)).toMatchObject({
      workers: [{ id: 'w1', capacity: 3, free: 3, peakUsed: 3, datasets: ['photos'] }],
    });

    expect(await poolWorker.end('SIGTERM')).toBe(0);
    const left = await runCli(['pool', 'describe', 'default', '--json'], client);
    expect(JSON.parse(left.stdout)).toMatchObject({ workers: [] });
    expect(await gateway.end('SIGTERM')).toBe(0);
    expect(await worker.end('SIGINT')).toBe(0);
    running.clear();
    await database.drop();
  });
});

describe('a worker whose database is down', () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());

  test('says so once, goes on when it is back, and stops', { timeout: 180_000 }, async () => {
    await postgres.crash();
    const where = environment(postgres.url);
    const worker = serve(['worker'], where);
    const complaint = await worker.line('out of reach');
    expect(JSON.parse(complaint)).toMatchObject({ level: 'warn' });
    expect(complaint).toContain('trying until it is back');
    const password = new URL(postgres.url).password;
    expect(complaint).not.toContain(password);

    await postgres.startAgain();
    await worker.line('it is back');
    await becomesHealthy(worker);
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(worker.lines().filter((line) => line.includes('nothing listens there'))).toHaveLength(1);
  });

  test('stops while it waits, too', async () => {
    const worker = serve(['worker'], environment('postgres://nobody@127.0.0.1:1/none'));
    await worker.line('out of reach');
    expect(await worker.end('SIGTERM')).toBe(0);
  });
});

describe('a gateway', () => {
  test('will not be reached from elsewhere with a key that is too short', async () => {
    const database = await freshDatabase();
    const args = ['gateway', '--host', '0.0.0.0', '--port', '0', '--gateway-key', 'short'];
    const { code, stdout, stderr } = await runCli(args, environment(database.url));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/the gateway's key has 5 characters/);
    await database.drop();
  });
});
