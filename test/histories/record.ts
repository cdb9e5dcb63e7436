/**
 * Records histories of our workflows into this folder, for `test/replay`. Run it before a workflow is changed, so
 * that the change is tried on what runs already: `npx tsx test/histories/record.ts [folder]`. It starts a Temporal server of its own
 * (or takes TEMPORAL_ADDRESS). Promise: nothing of the machine is left in the files, neither names nor paths.
 */
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import type { InvocationInput } from '../../src/contract/invocation.ts';
import type { RunInput, ScheduleInput } from '../../src/contract/schedule.ts';
import { parseRun } from '../../src/contract/run-schema.ts';
import { invocationStart } from '../../src/contract/starts.ts';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { findTemporal } from '../../src/embedded/find-temporal.ts';
import { startTemporalServer } from '../../src/embedded/temporal-server.ts';
import { bundleWorkflows } from '../../src/worker/orchestration.ts';
import { eventually, happening } from '../workflows/eventually.ts';
import { type InvocationWorld, openInvocationWorld, type TestPool } from '../workflows/invocation-world.ts';
import { type OwnWorker, startOwnWorker } from '../workflows/own-worker.ts';
import { save } from './save.ts';
import {
  beginDowntime,
  createSchedule,
  recordDowntime,
  recordMessages,
  waitForDowntime,
} from './schedule-messages.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });
const found = await findTemporal({});
const server =
  found.kind === 'address'
    ? { address: found.address, namespace: 'default', stop: async () => {} }
    : await startTemporalServer({ binary: found.path, headless: true });
try {
  const { address, namespace } = server;
  const workflowBundle = await bundleWorkflows();
  const deployment = 'recorded';
  const options = { address, namespace, workflowBundle, deployment };
  const world = await openInvocationWorld(options);
  const own = await startOwnWorker({ address, namespace, deployment });
  try {
    await recordAll(world, own);
    await beginDowntime(world);
  } finally {
    await own.stop();
    await world.close();
  }
  await waitForDowntime();
  const again = await openInvocationWorld(options);
  try {
    await recordDowntime(again);
  } finally {
    await again.close();
  }
} finally {
  await server.stop();
}

async function recordAll(world: InvocationWorld, own: OwnWorker): Promise<void> {
  const pool = await world.pool();
  const { workflowId } = await pool.tend();
  let failures = 2;
  await pool.worker('w1', 4, {
    quick: async () => 'done',
    flaky: async () => {
      if (failures-- > 0) throw new Error('not yet');
    },
  });
  await Promise.all([schedules(world, pool), invocations(world, pool), children(world, own)]);
  await recordMessages(world, pool);
  await save(world, 'pool', workflowId);
}

async function schedules(world: InvocationWorld, pool: TestPool): Promise<void> {
  const everySecond: ScheduleInput = { spec: 'every 1s', target: 'quick', pool: pool.id };
  const create = (id: string, input: ScheduleInput, every?: number) =>
    createSchedule(world, id, input, every);
  const started = (handle: ScheduleHandle, n: number) =>
    eventually(
      () => handle.describe(),
      ({ counts }) => (counts.started ?? 0) >= n,
    );

  const steady = await create('steady', everySecond);
  await started(steady, 4);
  await save(world, 'schedule-steady', steady.workflowId);

  const paused = await create('paused', everySecond);
  await started(paused, 1);
  await paused.pause({ reason: 'for the record', actor: 'recorder' });
  await paused.trigger({ key: 'by-hand' });
  await started(steady, 7);
  await paused.resume();
  await started(paused, 3);
  await save(world, 'schedule-paused', paused.workflowId);

  const changed = await create('changed', everySecond);
  await started(changed, 1);
  await changed.change({ ...everySecond, spec: 'with 1s interval' });
  await started(changed, 3);
  await changed.disable();
  await changed.enable();
  await changed.delete();
  await save(world, 'schedule-changed', changed.workflowId);

  const continued = await create('continued', everySecond, 3);
  await started(continued, 4);
  // A run in the middle: begun from what another handed over, and over by now.
  const { runId } = await world.client.workflow.getHandle(continued.workflowId).describe();
  await started(continued, 10);
  await save(world, 'schedule-continued', continued.workflowId, runId);
}

async function invocations(world: InvocationWorld, pool: TestPool): Promise<void> {
  const start = (id: string, target: string, dueAtMs = Date.now(), more = {}) =>
    world.jobs.start(dueAtMs, { target, pool: pool.id, retry: { minBackoff: '200ms' }, ...more }, { id });

  const success = await start('success', 'quick');
  await success.result();
  await save(world, 'invocation-success', success.id);

  const retry = await start('retry', 'flaky');
  const { runId } = await world.client.workflow.getHandle(retry.id).describe();
  await retry.result();
  await save(world, 'invocation-retry-first', retry.id, runId);
  await save(world, 'invocation-retry-last', retry.id);

  const waiting = await start('waiting', 'late');
  await eventually(
    () => waiting.describe(),
    ({ now }) => now?.phase === 'waiting',
  );
  await pool.worker('w2', 1, { late: async () => 'served' });
  await waiting.result();
  await save(world, 'invocation-waiting', waiting.id);

  // Nobody holds it, so the first worker there is takes it after that.
  const dataset = { id: 'films', mode: 'preferred', warmWait: '200ms' };
  const cold = await start('cold', 'quick', Date.now(), { dataset });
  await cold.result();
  await save(world, 'invocation-cold', cold.id);

  const begun = happening();
  await pool.worker('w3', 1, {
    held: async () => {
      begun.resolve();
      const { Context, heartbeat } = await import('@temporalio/activity');
      const beating = setInterval(() => heartbeat(), 200);
      return await Context.current().cancelled.finally(() => clearInterval(beating));
    },
  });
  const cancelled = await start('cancelled', 'held');
  await begun.promise;
  await cancelled.cancel();
  await cancelled.result().catch(() => undefined);
  await save(world, 'invocation-cancelled', cancelled.id);

  const job = await start('moved', 'quick', Date.now() + 3_600_000);
  await job.reschedule(Date.now() + 500);
  await job.result();
  await save(world, 'invocation-job', job.id);
}

/** The target `workflow`: without capacity, with it, and a run of a schedule that triggers another. */
async function children(world: InvocationWorld, own: OwnWorker): Promise<void> {
  const pool = await world.pool();
  const start = (id: string, type: string, more: Partial<RunInput> = {}) => {
    const input = { type, taskQueue: own.taskQueue };
    return world.jobs.start(Date.now(), { target: 'workflow', input, ...more }, { id });
  };

  const free = await start('child', 'tell');
  await free.result();
  await save(world, 'invocation-child', free.id);

  const holder = () => {
    const begun = happening();
    const lost = happening();
    const hold = async () => {
      begun.resolve();
      const { Context, heartbeat } = await import('@temporalio/activity');
      const beating = setInterval(() => heartbeat(), 200);
      const end = Promise.race([Context.current().cancelled, lost.promise]);
      return await end.finally(() => clearInterval(beating));
    };
    return { begun: begun.promise, lose: () => lost.resolve(), hold };
  };
  const [first, second] = [holder(), holder()];
  await pool.worker('w1', 1, { workflow: first.hold });
  const held = await start('child-held', 'patient', { pool: pool.id });
  await first.begun;
  await pool.worker('w2', 1, { workflow: second.hold });
  first.lose();
  await second.begun;
  const child = world.client.workflow.getHandle(`${held.id}/workflow/1`);
  await eventually(() => child.signal('go'));
  await held.result();
  await save(world, 'invocation-child-held', held.id);

  const cancelled = await start('child-cancelled', 'patient');
  await eventually(() => world.client.workflow.getHandle(`${cancelled.id}/workflow/1`).describe());
  await cancelled.cancel();
  await cancelled.result().catch(() => undefined);
  await save(world, 'invocation-child-cancelled', cancelled.id);

  await upstream(world, pool);
}

async function upstream(world: InvocationWorld, pool: TestPool): Promise<void> {
  await pool.worker('w3', 1, { quick: async () => 'done' });
  const nominalAtMs = Date.UTC(2026, 0, 1);
  const id = world.names.fireInvocationId('up', nominalAtMs);
  const input: InvocationInput = {
    run: parseRun('run', { target: 'quick', pool: pool.id, memo: { team: 'blue' } }),
    why: 'automatic',
    scheduleId: 'up',
    creation: 'first',
    nominalAtMs,
    requestedAtMs: Date.now(),
    windowFromMs: nominalAtMs - 60_000,
    downstream: ['down'],
  };
  const options = invocationStart(world.names, id, input, nominalAtMs);
  const handle = await world.client.workflow.start('invocationWorkflow', options);
  await handle.result();
  await save(world, 'invocation-upstream', id);
}
