/** A run that makes way for the next one: how the schedule learns that it has ended, on a real Temporal server. */
import { Context, heartbeat } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import type { TargetCall } from '../../src/contract/target.ts';
import { eventually, type Happening, happening } from './eventually.ts';
import { type InvocationWorld, openInvocationWorld, type TestPool } from './invocation-world.ts';
import { sharedWorld } from './shared-world.ts';

let world: InvocationWorld;
let pool: TestPool;
/** By invocation: lets a run that was asked to stop end. */
const ends = new Map<string, Happening<void>>();

/** Runs until it is cancelled, and then for as long as the test likes. */
async function lingers({ call, input }: TargetCall): Promise<unknown> {
  const end = happening();
  ends.set(call.invocationId, end);
  const beating = setInterval(() => heartbeat(), 200);
  try {
    return await Context.current().cancelled;
  } catch (error) {
    if (input === 'lingers') await end.promise;
    throw error;
  } finally {
    clearInterval(beating);
  }
}

beforeAll(async () => {
  world = await openInvocationWorld(await sharedWorld());
  pool = await world.pool();
  await pool.worker('w1', 100, { lingers });
});
afterAll(() => world?.close());

async function create(id: string, input: string): Promise<ScheduleHandle> {
  const schedule: ScheduleInput = {
    ...{ spec: 'triggered', overlap: 'cancelOther', target: 'lingers', input, pool: pool.id },
  };
  await world.client.workflow.start('scheduleWorkflow', {
    args: [schedule],
    taskQueue: world.names.schedulesQueue,
    workflowId: world.names.scheduleWorkflowId(id),
  });
  return new ScheduleHandle(world.client, world.names, id);
}

async function runs(handle: ScheduleHandle, key: string): Promise<string> {
  const { invocationId } = await handle.trigger({ key });
  await eventually(
    async () => ends.has(invocationId),
    (began) => began,
  );
  return invocationId;
}

/** Signals that a workflow was sent, and what its look-ups found. */
async function heard(workflowId: string) {
  const events = await world.events(workflowId);
  const signals = events.flatMap(
    ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? [],
  );
  const markers = events.flatMap(({ markerRecordedEventAttributes: marker }) =>
    Object.values(marker?.details ?? {}).flatMap(({ payloads }) =>
      (payloads ?? []).map(({ data }) => Buffer.from(data ?? []).toString()),
    ),
  );
  const saying = (text: string) => markers.filter((marker) => marker.includes(text)).length;
  return { signals, lookUps: { running: saying('"running":true'), ended: saying('"running":false') } };
}

describe.concurrent('a run that is cancelled for the next one', () => {
  test('and takes its time to stop tells its schedule of its end, and the next one starts by that', async () => {
    const handle = await create('slow', 'lingers');
    const first = await runs(handle, 'first');
    const { invocationId: second, outcome } = await handle.trigger({ key: 'second' });
    expect(outcome).toBe('waiting');
    expect(ends.has(second)).toBe(false);
    // The next look-up is far off.
    const { lookUps } = await eventually(
      () => heard(handle.workflowId),
      ({ lookUps: { running } }) => running > 0,
    );
    ends.get(first)?.resolve();
    await eventually(
      async () => ends.has(second),
      (began) => began,
    );
    expect(await world.record(first)).toMatchObject({ status: 'cancelled' });
    expect(await heard(handle.workflowId)).toEqual({ signals: ['invocationEnded'], lookUps });
    await handle.delete({ cancelRunning: true });
    ends.get(second)?.resolve();
  });

  test('and stops at once costs neither of them a message', async () => {
    const handle = await create('quick', '');
    const first = await runs(handle, 'first');
    const { outcome } = await handle.trigger({ key: 'second' });
    expect(await world.record(first)).toMatchObject({ status: 'cancelled' });
    // A machine may be so slow that it has waited all the same.
    const waited = outcome === 'waiting';
    expect((await heard(first)).signals).toEqual(waited ? ['awaited'] : []);
    expect((await heard(handle.workflowId)).signals).toEqual(waited ? ['invocationEnded'] : []);
    await handle.delete({ cancelRunning: true });
  });
});
