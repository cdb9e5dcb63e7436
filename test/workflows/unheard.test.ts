/** Invocations that were terminated before, between or without holding capacity: each leaves a record and no entry behind. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { settleTerminated } from '../../activities/terminated.ts';
import { ApplicationFailure } from '@temporalio/common';
import { eventually } from './eventually.ts';
import { type InvocationWorld, openInvocationWorld } from './invocation-world.ts';
import { sharedWorld } from './shared-world.ts';

let world: InvocationWorld;
beforeAll(async () => {
  world = await openInvocationWorld(await sharedWorld());
});
afterAll(() => world?.close());

const terminate = (id: string) => world.client.workflow.getHandle(id).terminate('by hand');
/** As gateways do every few seconds; Temporal's list learns of an end a moment later. */
const settled = (id: string) =>
  eventually(async () => {
    await settleTerminated(world, Date.now() - 60_000);
    return await world.store.getRun(id);
  });

test.concurrent('while it waits for capacity: the sweep takes it off the queue', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  await pool.worker('w1', 1, { t: async () => undefined });
  await pool.tend();
  const job = await world.jobs.start(Date.now(), { target: 'sung', pool: pool.id }, { id: 'waits-for-ever' });
  const waiting = () => world.store.listWaiting(pool.id);
  await eventually(waiting, ({ items }) => items.length === 1);
  await terminate(job.id);
  await eventually(waiting, ({ items }) => items.length === 0);
  expect(await world.record(job.id)).toMatchObject({
    status: 'terminated',
    jobId: 'waits-for-ever',
    attempts: 1,
  });
});

test.concurrent('one that is alive goes on waiting, however often it is looked up', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  await pool.worker('w1', 1, { other: async () => undefined });
  await pool.tend();
  const job = await world.jobs.start(Date.now(), { target: 't', pool: pool.id }, { id: 'patient' });
  const looked = async () => {
    const { db } = world.store.database;
    return await db.selectFrom('evals').select('looked_at_ms').where('pool_id', '=', pool.id).execute();
  };
  await eventually(looked, ([row]) => typeof row?.looked_at_ms === 'number');
  await pool.worker('w2', 1, { t: async () => 'served' });
  expect(await job.result()).toMatchObject({ result: 'served', workerId: 'w2' });
});

test.concurrent('in backoff: the sweep finds it by the try that failed', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  await pool.worker('w1', 1, {
    t: async () => {
      throw ApplicationFailure.create({ message: 'not yet' });
    },
  });
  await pool.tend();
  const retry = { minBackoff: '1h' };
  const job = await world.jobs.start(Date.now(), { target: 't', pool: pool.id, retry }, { id: 'in-backoff' });
  const failed = async () => (await world.store.explainInvocation(job.id)).at(-1)?.release;
  await eventually(failed, (release) => release === 'retrying');
  await terminate(job.id);
  expect(await world.record(job.id)).toMatchObject({ status: 'terminated', target: 't', poolId: pool.id });
});

test.concurrent('who waits for a pool that is disbanded becomes a dead letter with that reason', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  await pool.worker('w1', 1, { other: async () => undefined });
  await pool.tend();
  const job = await world.jobs.start(Date.now(), { target: 't', pool: pool.id }, { id: 'disbanded' });
  await eventually(
    () => world.store.listWaiting(pool.id),
    ({ items }) => items.length === 1,
  );
  // Nobody tells it but the sweep: as after a gateway that died when it had disbanded the pool.
  await world.store.disbandPool(pool.id);
  expect(await world.record(job.id)).toMatchObject({
    status: 'dead-lettered',
    error: { type: 'PoolDisbanded' },
  });
  expect(await world.deadLetter(job.id)).toMatchObject({ reason: expect.stringContaining('disbanded') });
  expect((await world.store.listWaiting(pool.id)).items).toEqual([]);
});

test.concurrent('whose eval stands for something else becomes a dead letter, and the eval is withdrawn', async () => {
  const pool = await world.pool();
  const invocationId = world.names.jobWorkflowId('another');
  // Left behind by an invocation of that id that nobody can ask any more.
  const left = { invocationId, target: 'other', size: 2, priority: 0, retry: 0 };
  await world.store.allocate({ id: `${invocationId}#1.0`, poolId: pool.id, ...left });
  const job = await world.jobs.start(Date.now(), { target: 't', pool: pool.id }, { id: 'another' });
  expect(await world.record(job.id)).toMatchObject({
    status: 'dead-lettered',
    error: { type: 'AllocExists', message: expect.stringContaining('size 2, not 1') },
  });
  expect((await world.store.listWaiting(pool.id)).items).toEqual([]);
});

// After the others: whoever asks Temporal settles what the sweeps are to find.

test('before its time, and in a pool that nobody has made: Temporal is asked', async () => {
  const pool = 'never-made';
  const later = await world.jobs.start(Date.now() + 3_600_000, { target: 't', pool }, { id: 'due-later' });
  const now = await world.jobs.start(Date.now(), { target: 't', pool }, { id: 'no-pool' });
  const waiting = () => world.store.listWaiting(pool);
  await eventually(waiting, ({ items }) => items.length === 1);
  await terminate(later.id);
  await terminate(now.id);
  expect(await settled(later.id)).toMatchObject({ status: 'terminated', jobId: 'due-later', target: 't' });
  expect(await settled(now.id)).toMatchObject({ status: 'terminated', poolId: pool });
  expect((await waiting()).items).toEqual([]);
});

test('one that takes no capacity at all', async () => {
  const input = { type: 'nobodyKnowsIt', taskQueue: `${world.names.deployment}-nobody` };
  const run = { target: 'workflow', size: 0, input };
  const job = await world.jobs.start(Date.now(), run, { id: 'size-0' });
  await eventually(
    () => job.describe(),
    ({ now }) => now?.child !== undefined,
  );
  await terminate(job.id);
  expect(await settled(job.id)).toMatchObject({ status: 'terminated', target: 'workflow' });
});
