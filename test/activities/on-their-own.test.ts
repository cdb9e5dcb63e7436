/** One invocation that Temporal refuses to hear of keeps nobody else waiting, whoever comes upon it. */
import { randomUUID } from 'node:crypto';
import { ServiceError } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deliverGrants, deliverRefusals } from '../../activities/grants.ts';
import { eventually } from '../workflows/eventually.ts';
import { type InvocationWorld, openInvocationWorld, type TestPool } from '../workflows/invocation-world.ts';
import { sharedWorld } from '../workflows/shared-world.ts';

let world: InvocationWorld;
beforeAll(async () => {
  world = await openInvocationWorld({
    ...(await sharedWorld()),
    interceptors: {
      workflow: [
        {
          signal: (input, next) => refusing(input, next),
          describe: (input, next) => refusing(input, next),
        },
      ],
    },
  });
});
afterAll(() => world?.close());

/** An invocation with as many signals as Temporal takes, for one: neither found nor missing, however often it is tried. */
const refusedId = (n = 0) => `refused-${n}`;

async function refusing<I extends { readonly workflowExecution: { readonly workflowId?: string } }, O>(
  input: I,
  next: (input: I) => Promise<O>,
): Promise<O> {
  const { workflowId = '' } = input.workflowExecution;
  if (workflowId.startsWith('refused-')) throw new ServiceError(`${workflowId} is not to be signalled`);
  return await next(input);
}

/** Asks for capacity in the name of such an invocation. */
const refused = (pool: TestPool, n = 0) =>
  world.store.allocate({
    ...{ id: `${refusedId(n)}#1.0`, poolId: pool.id, invocationId: refusedId(n), target: 't' },
    ...{ size: 1, priority: 9, retry: 0 },
  });

async function waitingJob(pool: TestPool, id: string) {
  const job = await world.jobs.start(Date.now(), { target: 't', pool: pool.id }, { id });
  await eventually(
    () => job.describe(),
    ({ now }) => now?.phase === 'waiting',
  );
  return job;
}

/** Registers a worker of target `t` and answers what it is granted, of which nobody is told. */
async function grantsTo(pool: TestPool, capacity: number) {
  const { grants } = await world.store.registerWorker({
    ...{ poolId: pool.id, workerId: 'silent', incarnation: randomUUID(), capacity, taskQueue: 'nobody' },
    ...{ targets: ['t'], datasets: [] },
  });
  return grants;
}

const granted = async (id: string) => {
  const events = await world.events(id);
  return events.filter((event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'granted');
};

test.concurrent('grants: the others are told, then it fails and says of how many', async () => {
  const pool = await world.pool();
  await refused(pool);
  const job = await waitingJob(pool, 'granted');
  const grants = await grantsTo(pool, 2);
  expect(grants).toMatchObject([{ invocationId: refusedId() }, { invocationId: job.id }]);
  await expect(deliverGrants(world, grants)).rejects.toThrow('1 of 2 failed');
  expect(await granted(job.id)).toHaveLength(1);
});

test.concurrent('grants: what one that is gone gives back is passed on all the same', async () => {
  const pool = await world.pool();
  await refused(pool);
  await world.store.allocate({
    ...{ id: 'gone#1.0', poolId: pool.id, invocationId: 'gone', target: 't', size: 1, priority: 5, retry: 0 },
  });
  const job = await waitingJob(pool, 'passed-on');
  const grants = await grantsTo(pool, 2);
  await expect(deliverGrants(world, grants)).rejects.toThrow('1 of 3 failed');
  expect(await granted(job.id)).toHaveLength(1);
});

test.concurrent('refusals: the others become dead letters, then it fails', async () => {
  const pool = await world.pool();
  await refused(pool);
  const job = await waitingJob(pool, 'refused');
  await world.store.disbandPool(pool.id);
  const waiting = (await world.store.listWaiting(pool.id)).items;
  await expect(deliverRefusals(world, waiting)).rejects.toThrow('1 of 2 failed');
  expect(await world.record(job.id)).toMatchObject({ status: 'dead-lettered' });
});

test.concurrent('the sweep: who waits is told, and ends are recorded, behind many such', async () => {
  const pool = await world.pool({ allocTtlMs: 1_000 });
  const begun = Array.from({ length: 3 }, (_, n) => refused(pool, n));
  await Promise.all(begun);
  const terminated = await waitingJob(pool, 'ended-untold');
  const job = await waitingJob(pool, 'told-by-the-sweep');
  await world.client.workflow.getHandle(terminated.id).terminate('by hand');
  // Nobody delivers what comes free with it, and nobody confirms what is granted.
  await grantsTo(pool, 5);
  await pool.tend();
  await eventually(
    () => granted(job.id),
    (signals) => signals.length > 0,
  );
  expect(await world.record(terminated.id)).toMatchObject({ status: 'terminated', jobId: 'ended-untold' });
  await job.cancel();
});
