/** The tests' own servers: that they are what the other tests take them for. */
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { expect, test } from 'vitest';
import { startPostgres } from './postgres.ts';
import { freshDatabase, freshDeployment, sharedTemporal } from './shared.ts';
import { createTimeSkippingEnvironment, stillSkips } from './time-skipping.ts';

/** These may have to build or download what they start. */
const PROVISIONING_MS = 600_000;

test('a Temporal server is shared by the whole run', { timeout: PROVISIONING_MS }, async () => {
  const { address, namespace } = await sharedTemporal();
  const connection = await Connection.connect({ address });
  const described = await connection.workflowService.describeNamespace({ namespace });
  expect(described.namespaceInfo?.name).toBe(namespace);
  await connection.close();
  expect(await sharedTemporal()).toEqual({ address, namespace });
  expect(freshDeployment()).not.toBe(freshDeployment());
});

test('each test file gets an empty database on a real PostgreSQL', { timeout: PROVISIONING_MS }, async () => {
  const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
  await query(one.url, 'create table here (n int)');
  await expect(query(two.url, 'select * from here')).rejects.toThrow('does not exist');
  await Promise.all([one.drop(), two.drop()]);
  await expect(query(one.url, 'select 1')).rejects.toThrow('does not exist');
});

test('a PostgreSQL of its own comes back with its data after a crash', async () => {
  const server = await startPostgres();
  try {
    await query(server.url, 'create table kept as select 42 as n');
    const before = server.pid();
    await server.crash();
    await expect(query(server.url, 'select 1')).rejects.toThrow();
    await server.startAgain();
    expect(server.pid()).not.toBe(before);
    expect(await query(server.url, 'select n from kept')).toEqual([{ n: 42 }]);
  } finally {
    await server.stop();
  }
});

test('time skips', { timeout: PROVISIONING_MS }, async () => {
  const environment = await createTimeSkippingEnvironment();
  try {
    const before = await environment.currentTimeMs();
    await environment.sleep('30 days');
    expect((await environment.currentTimeMs()) - before).toBeGreaterThanOrEqual(30 * 86_400_000);
    expect(await stillSkips(environment)).toBe(true);
    // As if its server had lost count.
    await environment.connection.testService?.lockTimeSkipping({});
    expect(await stillSkips(environment)).toBe(false);
  } finally {
    await environment.teardown();
  }
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  // A crash cuts connections; the query's own rejection is what the test looks at.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
