/** How long an invocation waits for a worker that holds its preferred dataset, in a pool that nobody sweeps. */
import { Context, heartbeat } from '@temporalio/activity';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunInput } from '../../src/contract/schedule.ts';
import type { TargetCall } from '../../src/contract/target.ts';
import { eventually, happening } from './eventually.ts';
import { type InvocationWorld, openInvocationWorld, type TestPool } from './invocation-world.ts';
import { sharedWorld } from './shared-world.ts';

let world: InvocationWorld;
beforeAll(async () => {
  world = await openInvocationWorld(await sharedWorld());
});
afterAll(() => world?.close());

let jobs = 0;
function start(pool: TestPool, more: Partial<RunInput> = {}) {
  return world.jobs.start(Date.now(), { target: 't', pool: pool.id, ...more }, { id: `warm${++jobs}` });
}

const films = (warmWait: string) => ({ dataset: { id: 'films', mode: 'preferred', warmWait } }) as const;

/** Tells whether its worker held the dataset. */
const wasWarm = { t: async ({ alloc }: TargetCall) => alloc.warm };

/** The worker that holds the dataset, busy until it is let go. */
async function busyHolder(pool: TestPool): Promise<() => Promise<void>> {
  const begun = happening();
  const target = async () => {
    begun.resolve();
    const beating = setInterval(() => heartbeat(), 200);
    return await Context.current().cancelled.finally(() => clearInterval(beating));
  };
  await pool.worker('warm', 1, { t: target }, ['films']);
  const holder = await start(pool);
  await begun.promise;
  return async () => {
    await holder.cancel();
  };
}

test.concurrent('a preferred dataset is waited for no longer than asked, then any worker is taken', async () => {
  const pool = await world.pool();
  const letGo = await busyHolder(pool);
  await pool.worker('cold', 1, wasWarm);
  const job = await start(pool, films('300ms'));
  expect(await job.result()).toMatchObject({ result: false, workerId: 'cold' });
  await letGo();
});

test.concurrent('where no other worker is free either, it goes on waiting after that', async () => {
  const pool = await world.pool();
  const letGo = await busyHolder(pool);
  await pool.worker('other', 1, { other: async () => undefined });
  const job = await start(pool, films('300ms'));
  const waiting = await eventually(
    () => job.describe(),
    ({ now }) => now?.waiting?.reason.kind === 'no-free-capacity',
  );
  expect(waiting.now).toMatchObject({ phase: 'waiting', waiting: { position: 1 } });
  await pool.worker('cold', 1, wasWarm);
  expect(await job.result()).toMatchObject({ result: false, workerId: 'cold' });
  await letGo();
});

test.concurrent('a worker with the dataset that comes meanwhile is taken', async () => {
  const pool = await world.pool();
  await pool.worker('cold', 1, wasWarm);
  const job = await start(pool, films('1h'));
  await eventually(
    () => job.describe(),
    ({ now }) => now?.waiting?.reason.kind === 'warming',
  );
  await pool.worker('warm', 1, wasWarm, ['films']);
  expect(await job.result()).toMatchObject({ result: true, workerId: 'warm' });
});

test.concurrent('one whose start deadline comes first expires by that', async () => {
  const pool = await world.pool();
  const letGo = await busyHolder(pool);
  await pool.worker('cold', 1, wasWarm);
  const job = await start(pool, { ...films('1h'), startDeadline: '300ms' });
  await job.result().catch(() => undefined);
  expect(await world.record(job.id)).toMatchObject({ status: 'expired' });
  expect((await world.store.listWaiting(pool.id)).items).toEqual([]);
  await letGo();
});
