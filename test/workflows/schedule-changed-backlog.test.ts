/** A schedule that is changed while it still catches up: what fell due under the spec before is caught up with all the same. */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;
const DOWN_MS = 6 * SECOND;

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  world = await openScheduleWorld({ connection, nativeConnection, namespace, deployment: freshDeployment() });
});
afterAll(async () => {
  await world?.close();
  await connection?.close();
  await nativeConnection?.close();
});

test('each due time from before the change counts once', async () => {
  const input = { spec: 'every 1s', target: 'x', overlap: 'allowAll' } as const;
  const handle = await world.create('changed', { ...input, catchUp: { mode: 'all', perSecond: 1 } });
  await eventually(
    () => world.describe('changed'),
    ({ counts }) => (counts.started ?? 0) > 0,
  );
  await world.stopSchedules();
  const wakeAtMs = Date.now() + DOWN_MS;
  await eventually(
    async () => Date.now(),
    (nowMs) => nowMs > wakeAtMs,
  );
  await world.startSchedules();
  const { left } = await eventually(async () => {
    const [backlog] = (await world.describe('changed')).backlogs;
    if (backlog === undefined) throw new Error('nothing is caught up with yet');
    return backlog;
  });
  expect(left).toBeGreaterThan(0);

  await handle.change({ ...input, spec: 'triggered' });
  const { counts, createdAtMs, changedAtMs } = await eventually(
    () => world.describe('changed'),
    ({ backlogs, unsentRows }) => backlogs.length === 0 && unsentRows === 0,
  );
  const due = Math.floor(changedAtMs / SECOND) - Math.floor(createdAtMs / SECOND);
  expect(counts).toEqual({ started: due });
  const fires = await world.fires('changed');
  expect(fires.filter(({ kind, outcome }) => kind === 'fire' && outcome === 'started')).toHaveLength(due);
  await handle.delete();
});
