/**
 * Workflow tasks that are lost after `advance` has started and recorded something: the next try finds a later time and more
 * messages, and each due time and each trigger still counts once. Lost for certain: a message that comes while a
 * task runs makes the server refuse that task's continue-as-new.
 */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdvanceRequest } from '../../src/contract/activities.ts';
import { scheduleSignals } from '../../src/contract/messages.ts';
import type { Overlap } from '../../src/contract/schedule.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { expectAccount, type Seen } from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;
/** Longer than two intervals, shorter than a task may take. */
const LOST_FOR_MS = 2_300;

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
/** By schedule: how many more of its `advance`s are to be in vain. */
const inVain = new Map<string, number>();
const lost: AdvanceRequest[] = [];

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  world = await openScheduleWorld({
    connection,
    nativeConnection,
    namespace,
    deployment: freshDeployment(),
    afterAdvance: async (request) => {
      const left = inVain.get(request.scheduleId) ?? 0;
      if (left === 0 || request.starts.length === 0) return;
      inVain.set(request.scheduleId, left - 1);
      lost.push(request);
      const workflowId = world.names.scheduleWorkflowId(request.scheduleId);
      await world.client.workflow.getHandle(workflowId).signal(scheduleSignals.enable, {});
      await new Promise((resolve) => setTimeout(resolve, LOST_FOR_MS));
    },
  });
});

afterAll(async () => {
  await world.close();
  await connection.close();
  await nativeConnection.close();
});

async function begin(id: string, overlap: Overlap, ms: number): Promise<Seen> {
  const schedule = { spec: 'every 1s', target: 'x', overlap, input: { ms } };
  const handle = await world.create(id, schedule, 1);
  await eventually(
    () => world.describe(id),
    ({ counts }) => (counts.started ?? 0) > 0,
  );
  return {
    world,
    handle,
    beganMs: Date.now(),
    describe: () => world.describe(id),
    fires: () => world.fires(id),
  };
}

async function endsWell(seen: Seen, id: string): Promise<void> {
  const isLost = () => lost.some(({ scheduleId }) => scheduleId === id);
  const counted = await eventually(
    () => seen.describe(),
    ({ counts }) => isLost() && inVain.get(id) === 0 && (counts.superseded ?? 0) > 0,
  );
  const total = (counts: typeof counted.counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);
  await eventually(
    () => seen.describe(),
    ({ counts, unsentRows }) => unsentRows === 0 && total(counts) > total(counted.counts),
  );
  await seen.handle.change({ spec: 'triggered', target: 'x' });
  const { counts, createdAtMs, changedAtMs } = await eventually(
    () => seen.describe(),
    ({ unsentRows }) => unsentRows === 0,
  );
  await expectAccount(seen);
  const manual = (await seen.fires()).filter(({ kind }) => kind === 'manual').length;
  const due = Math.floor(changedAtMs / SECOND) - Math.floor(createdAtMs / SECOND);
  expect(total(counts) - manual).toBe(due);
}

test.concurrent('what it has started is not superseded', async () => {
  const seen = await begin('started', 'allowAll', 0);
  inVain.set('started', 2);
  await endsWell(seen, 'started');
  await seen.handle.delete();
});

test.concurrent('what it has skipped is not superseded either', async () => {
  const seen = await begin('skipped', 'skip', 60_000);
  inVain.set('skipped', 2);
  await endsWell(seen, 'skipped');
  await seen.handle.delete({ cancelRunning: true });
});

test.concurrent('a trigger without a key runs once, though more has fired before it in the next try', async () => {
  const seen = await begin('triggered', 'allowAll', 0);
  inVain.set('triggered', 1);
  await world.client.workflow.getHandle(seen.handle.workflowId).signal(scheduleSignals.trigger, {});
  await endsWell(seen, 'triggered');
  expect((await seen.fires()).filter(({ kind }) => kind === 'manual')).toHaveLength(1);
  await seen.handle.delete();
});

test.concurrent('a trigger by update runs once, though the task that ran it is lost', async () => {
  const seen = await begin('updated', 'allowAll', 0);
  inVain.set('updated', 1);
  expect(await seen.handle.trigger()).toMatchObject({ outcome: 'started' });
  await endsWell(seen, 'updated');
  expect((await seen.fires()).filter(({ kind }) => kind === 'manual')).toHaveLength(1);
  await seen.handle.delete();
});

test.concurrent('a key asked for again is a duplicate, however long ago; one that was skipped may run yet', async () => {
  const handle = await world.create('keys', { spec: 'triggered', target: 'x', input: { ms: 600_000 } });
  const end = async (key: string) => {
    const run = world.client.workflow.getHandle(world.names.manualInvocationId('keys', key));
    await run.terminate('it has run long enough');
  };
  expect(await handle.trigger({ key: 'a' })).toMatchObject({ outcome: 'started' });
  expect(await handle.trigger({ key: 'b' })).toMatchObject({ outcome: 'skipped-overlap' });
  expect(await handle.trigger({ key: 'a' })).toMatchObject({ outcome: 'duplicate' });
  await end('a');
  expect(await handle.trigger({ key: 'b' })).toMatchObject({ outcome: 'started' });
  expect(await handle.trigger({ key: 'a' })).toMatchObject({ outcome: 'skipped-overlap' });
  await end('b');
  expect(await handle.trigger({ key: 'a' })).toMatchObject({ outcome: 'duplicate' });
  const { counts } = await world.describe('keys');
  expect(counts).toEqual({ started: 2, 'skipped-overlap': 2, duplicate: 2 });
  expect((await world.fires('keys')).map(({ outcome }) => outcome).toSorted()).toEqual(
    ['duplicate', 'duplicate', 'skipped-overlap', 'skipped-overlap', 'started', 'started'].toSorted(),
  );
  await handle.delete();
});
