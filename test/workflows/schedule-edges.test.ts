/** Where a schedule's rules meet: bounds of relative schedules, ends while the database is away, changes behind a fire. */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isoInstant } from '../../src/contract/ids.ts';
import { scheduleSignals } from '../../src/contract/messages.ts';
import type { Store } from '../../src/store/store.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
let away = false;

const SECOND = 1_000;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  world = await openScheduleWorld({
    connection,
    nativeConnection,
    namespace,
    deployment: freshDeployment(),
    storeOf: (store): Store => ({
      ...store,
      writeLedger: async (rows) => {
        if (away) throw new Error('the database is away');
        return await store.writeLedger(rows);
      },
    }),
  });
});

afterAll(async () => {
  await world.close();
  await connection.close();
  await nativeConnection.close();
});

test('a relative schedule keeps to its start', async () => {
  const startAtMs = Date.now() + 3_600 * SECOND;
  const spec = { expressions: 'with 2s interval', startAt: isoInstant(startAtMs) };
  await world.create('late', { spec, target: 't' });
  expect(await world.describe('late')).toMatchObject({ state: 'active', nextTimesMs: [startAtMs] });
});

test('a relative schedule is finished when its end has come', async () => {
  const endAtMs = Date.now() + 3 * SECOND;
  const spec = { expressions: 'with 1s interval', endAt: isoInstant(endAtMs) };
  await world.create('ending', { spec, target: 't' });
  await eventually(
    () => world.describe('ending'),
    ({ state, nextTimesMs }) => state === 'finished' && nextTimesMs.length === 0,
  );
  const fires = await world.fires('ending');
  expect(fires.length).toBeGreaterThan(0);
  for (const { toMs } of fires) expect(toMs).toBeLessThanOrEqual(endAtMs);
});

test('deleted while the database is away, its rows are in the ledger when it is back', async () => {
  const handle = await world.create('leaving', { spec: 'triggered', target: 't', overlap: 'allowAll' });
  await handle.trigger({ key: 'before' });
  away = true;
  await handle.trigger({ key: 'meanwhile' });
  const workflow = world.client.workflow.getHandle(handle.workflowId);
  await workflow.signal(scheduleSignals.delete, {});
  away = false;
  await workflow.result();
  expect((await world.fires('leaving')).map(({ invocationId }) => invocationId)).toEqual(
    ['before', 'meanwhile'].map((key) => world.names.manualInvocationId('leaving', key)),
  );
});

test('a trigger taken before a change runs what the schedule was then', async () => {
  const handle = await world.create('changing', { spec: 'triggered', target: 'old', overlap: 'allowAll' });
  await world.describe('changing');
  await world.stopSchedules();
  const workflow = world.client.workflow.getHandle(handle.workflowId);
  await workflow.signal(scheduleSignals.trigger, { key: 'first' });
  await workflow.signal(scheduleSignals.changeSchedule, { schedule: { spec: 'triggered', target: 'new' } });
  await world.startSchedules();
  await eventually(
    () => world.describe('changing'),
    ({ revision, counts }) => revision === 2 && counts.started === 1,
  );
  const run = world.client.workflow.getHandle(world.names.manualInvocationId('changing', 'first'));
  const { events } = await run.fetchHistory();
  const input = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
  expect(JSON.parse(new TextDecoder().decode(input ?? undefined))).toMatchObject({
    run: { target: { name: 'old' } },
  });
});
