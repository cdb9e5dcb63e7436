/** Calendars and jitter of a living schedule, on a real Temporal server: through the gateway to the workflow and back. */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import { Schedules } from '../../src/client/schedules.ts';
import { createGateway } from '../../src/gateway/app.ts';
import { temporalCallbacks } from '../../src/gateway/temporal-callbacks.ts';
import { isoInstant } from '../../src/contract/ids.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
let gateway: GatewayClient;
let schedules: Schedules;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  const deployment = freshDeployment();
  world = await openScheduleWorld({ connection, nativeConnection, namespace, deployment });
  const { client, store, names } = world;
  const { app } = createGateway({ store, ...temporalCallbacks({ client, store, names }) });
  gateway = new GatewayClient({ url: 'http://127.0.0.1:1', fetch: (request) => app.fetch(request) });
  schedules = new Schedules(client, names, gateway);
});
afterAll(async () => {
  await world.close();
  await connection.close();
  await nativeConnection.close();
});

const dayOf = (atMs: number) => isoInstant(atMs).slice(0, 10);
const newYear = (years: number) => `${new Date().getUTCFullYear() + years}-01-01`;

test('a calendar that is missing is refused at creation and at a change, with its field', async () => {
  const input = { spec: { expressions: '@daily', exclude: { calendars: ['nowhere'] } }, target: 'x' };
  const refusal = { code: 'InvalidInput', issues: [{ path: 'spec.exclude.calendars[0]' }] };
  await expect(schedules.create('refused', input)).rejects.toMatchObject(refusal);
  await expect(schedules.preview(input)).rejects.toMatchObject(refusal);
  const handle = await schedules.create('changing', { spec: '@daily', target: 'x' });
  await eventually(() => handle.describe());
  await expect(handle.change(input)).rejects.toThrow('spec.exclude.calendars[0]: there is no calendar');
  expect((await handle.describe()).revision).toBe(1);
});

test('schedules that use a calendar plan anew when it is put; deleted ones do not hold it', async () => {
  await gateway.putCalendar('holidays', { dates: [newYear(2)] });
  const input = { spec: { expressions: '@yearly', exclude: { calendars: ['holidays'] } }, target: 'x' };
  const handle = await schedules.create('user', input);
  const planned = await eventually(() => handle.describe());
  expect(planned.nextTimesMs.map(dayOf).slice(0, 2)).toEqual([newYear(1), newYear(3)]);
  expect((await gateway.listCalendarUsers('holidays')).items).toEqual([{ scheduleId: 'user' }]);
  expect((await schedules.preview(input)).next.map(({ dueAtMs }) => dayOf(dueAtMs))).not.toContain(
    newYear(2),
  );

  const put = await gateway.putCalendar('holidays', { dates: [newYear(1)] });
  expect(put).toMatchObject({ revision: 2, told: 1, untold: [] });
  const replanned = await eventually(
    () => handle.describe(),
    ({ nextTimesMs: [firstMs = 0] }) => dayOf(firstMs) === newYear(2),
  );
  expect(replanned.problems).toEqual([]);
  expect((await handle.nextTimes(2)).map(dayOf)).toEqual([newYear(2), newYear(3)]);

  await expect(gateway.deleteCalendar('holidays')).rejects.toMatchObject({ code: 'CalendarInUse' });
  await handle.delete();
  await eventually(
    () => world.client.workflow.getHandle(handle.workflowId).describe(),
    ({ status }) => status.name !== 'RUNNING',
  );
  await gateway.deleteCalendar('holidays');
});

test('with a jitter a fire starts at its due time, and keeps the identity of its nominal time', async () => {
  const handle = await schedules.create('jittered', {
    spec: { expressions: 'every 3s', jitter: '2s' },
    target: 'x',
    overlap: 'allowAll',
  });
  const fires = await eventually(
    async () => (await world.fires('jittered')).filter(({ outcome }) => outcome === 'started'),
    (found) => found.length >= 3,
  );
  await handle.delete();
  for (const { toMs, key, decidedAtMs, invocationId } of fires) {
    expect(toMs % 3_000).toBe(0);
    expect(key).toBe(isoInstant(toMs));
    expect(invocationId).toContain(isoInstant(toMs));
    expect(decidedAtMs).toBeGreaterThanOrEqual(toMs);
  }
  expect(fires.some(({ toMs, decidedAtMs }) => decidedAtMs > toMs + 50)).toBe(true);
});
