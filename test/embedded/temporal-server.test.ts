/** The Temporal development server as `escapement dev` runs it: really started, stopped and restarted. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTemporalServer, type TemporalServer } from '../../src/embedded/temporal-server.ts';
import { temporalBinary } from '../support/temporal-binary.ts';

let binary: string;
let folder: string;
const started: TemporalServer[] = [];

async function start(options: Partial<Parameters<typeof startTemporalServer>[0]> = {}) {
  const server = await startTemporalServer({ binary, headless: true, ...options });
  started.push(server);
  return server;
}

beforeAll(async () => {
  binary = await temporalBinary();
  folder = await mkdtemp(join(tmpdir(), 'escapement-test-'));
});

afterAll(async () => {
  await Promise.all(started.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

describe('a Temporal server', () => {
  test('keeps its workflows in the file over a restart', async () => {
    const dbFilename = join(folder, 'temporal.db');

    const first = await start({ dbFilename, namespace: 'kept' });
    await withClient(first, (client) =>
      client.workflow.start('anyWorkflow', { workflowId: 'survivor', taskQueue: 'nobody-polls' }),
    );
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);

    const second = await start({ dbFilename, namespace: 'kept' });
    const status = await withClient(second, async (client) => {
      const { status } = await client.workflow.getHandle('survivor').describe();
      return status.name;
    });
    expect(status).toBe('RUNNING');
    await second.stop();
    expect(await second.exited).toBeUndefined();
  });

  test('serves the Web UI and takes settings and search attributes', async () => {
    const server = await start({
      headless: false,
      dynamicConfig: { 'limit.maxIDLength': 50 },
      searchAttributes: { Flavour: 'Keyword' },
    });
    const page = await fetch(server.uiAddress ?? '');
    expect(page.status).toBe(200);
    await withClient(server, async (client) => {
      const started = await client.workflow.start('anyWorkflow', {
        workflowId: 'flavoured',
        taskQueue: 'nobody-polls',
        searchAttributes: { Flavour: ['sour'] },
      });
      expect(started.workflowId).toBe('flavoured');
      const tooLong = client.workflow.start('anyWorkflow', { workflowId: 'x'.repeat(51), taskQueue: 'q' });
      await expect(tooLong).rejects.toThrow();
    });
    await server.stop();
  });

  test('tells its owner when it dies by itself', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('SIGKILL'),
    });
    await server.stop();
  });

  test('cannot be started from a program that is missing, or is no Temporal CLI', async () => {
    const missing = join(folder, 'missing');
    await expect(start({ binary: missing })).rejects.toThrow(`${missing} cannot be run`);
    await expect(start({ binary: process.execPath })).rejects.toThrow(
      /ended with exit code \d+; the end of its log/,
    );
  });

  test('carries the end of its log where it cannot start', async () => {
    const dbFilename = join(folder, 'no-such-folder', 'temporal.db');
    await expect(start({ dbFilename })).rejects.toThrow('no such file or directory');
  });
});

async function withClient<T>(server: TemporalServer, work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: server.address });
  try {
    return await work(new Client({ connection, namespace: server.namespace }));
  } finally {
    await connection.close();
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
