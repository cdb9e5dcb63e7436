/** The workflow that tends a pool: it costs nothing while idle, lives as long as there are workers, and finds untold ends. */
import { Context, heartbeat } from '@temporalio/activity';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TargetCall } from '../../src/contract/target.ts';
import { eventually, happening } from './eventually.ts';
import { type InvocationWorld, openInvocationWorld, type TestPool } from './invocation-world.ts';
import { sharedWorld } from './shared-world.ts';

let world: InvocationWorld;
beforeAll(async () => {
  world = await openInvocationWorld(await sharedWorld());
});
afterAll(() => world?.close());

const sweepsAgain = (pool: TestPool, times: number, before = pool.sweeps()) =>
  eventually(
    async () => pool.sweeps(),
    (sweeps) => sweeps >= before + times,
  );

test.concurrent('many sweeps of an idle pool are not one event more', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  await pool.worker('w1', 1, { t: async () => undefined });
  const { workflowId } = await pool.tend();
  await sweepsAgain(pool, 1);
  const before = (await world.events(workflowId)).length;
  await sweepsAgain(pool, 5);
  expect(await world.events(workflowId)).toHaveLength(before);
});

test.concurrent('a worker that registers while the sweep ends is tended', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  const { workflowId } = await pool.tend();
  const handle = world.client.workflow.getHandle(workflowId);
  await sweepsAgain(pool, 1);
  // The sweep under way saw no worker and may be about to return; this one registers before it does.
  await pool.tend();
  await pool.worker('w1', 1, { t: async () => undefined });
  await sweepsAgain(pool, 5);
  expect((await handle.describe()).status.name).toBe('RUNNING');
});

test.concurrent('a pool without workers is left, and taken up again with the next one', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  const first = await pool.tend();
  await first.result();
  await pool.worker('w1', 1, { t: async () => undefined });
  const second = await pool.tend();
  expect(second.signaledRunId).not.toBe(first.signaledRunId);
  expect((await second.describe()).status.name).toBe('RUNNING');
});

test.concurrent('a pool that expires is tended without a worker until it has, and who waits is a dead letter', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000, poolTtlMs: 4_000 });
  const job = await world.jobs.start(Date.now(), { target: 't', pool: pool.id }, { id: 'expires' });
  const waiting = () => world.store.listWaiting(pool.id);
  await eventually(waiting, ({ items }) => items.length === 1);
  await (await pool.tend()).result();
  expect(await world.store.getPool(pool.id)).toMatchObject({
    state: 'disbanded',
    expiresAtMs: expect.any(Number),
  });
  expect(await world.record(job.id)).toMatchObject({
    ...{ status: 'dead-lettered', error: { type: 'PoolDisbanded' } },
  });
  expect((await waiting()).items).toEqual([]);
});

test.concurrent('what a terminated invocation held comes back within its TTL, and its record says terminated', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  const begun = happening<TargetCall>();
  const { incarnation } = await pool.worker('w1', 1, {
    t: async (call) => {
      begun.resolve(call);
      const beating = setInterval(() => heartbeat(), 200);
      return await Context.current().cancelled.finally(() => clearInterval(beating));
    },
  });
  await pool.tend();
  const job = await world.jobs.start(Date.now(), { target: 't', pool: pool.id }, { id: 'terminated' });
  const { alloc } = await begun.promise;
  await world.store.renewWorker(pool.id, 'w1', incarnation, [{ id: alloc.id, epoch: alloc.epoch }]);
  expect(await pool.used()).toBe(1);
  await world.client.workflow.getHandle(job.id).terminate('by hand');
  await eventually(
    () => pool.used(),
    (used) => used === 0,
  );
  expect(await world.record(job.id)).toMatchObject({ status: 'terminated', jobId: 'terminated', why: 'job' });
});
