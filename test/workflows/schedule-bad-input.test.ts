/** Messages that cannot be followed: each error names the field and what to do, and nothing is changed. */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { scheduleUpdates } from '../../src/contract/messages.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

/** Due on the first of each month, so that nothing falls due meanwhile. */
const monthly: ScheduleInput = { spec: '0 0 1 * *', target: 'x' };
const nominal = '2099-01-01T00:00:00Z';

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
let handle: ScheduleHandle;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  const server = { connection, nativeConnection, namespace };
  world = await openScheduleWorld({ ...server, deployment: freshDeployment() });
  handle = await world.create('monthly', monthly);
  await world.describe('monthly');
  await handle.moveOccurrence(nominal, '2099-01-02T00:00:00Z');
});

afterAll(async () => {
  await handle?.delete();
  await world?.close();
  await connection?.close();
  await nativeConnection?.close();
});

/** A change past the client's own check, as any Temporal client may send it. */
async function change(more: object): Promise<unknown> {
  const workflow = world.client.workflow.getHandle(handle.workflowId);
  const args = [{ schedule: { ...monthly, ...more } }] as never;
  try {
    return await workflow.executeUpdate(scheduleUpdates.changeSchedule, { args });
  } catch (error) {
    throw error instanceof Error && error.cause instanceof Error ? error.cause : error;
  }
}

const stretch = { from: '2020-01-01T00:00:00Z', to: '2020-06-01T00:00:00Z' };
const cases: readonly [what: string, send: () => Promise<unknown>, says: RegExp][] = [
  [
    'overlap and triggering at once',
    () => change({ overlap: 'skip', triggering: 'greedy' }),
    /overlap: "skip" and triggering "greedy"/,
  ],
  ['a catch-up window below its floor', () => change({ catchUp: { mode: 'all', window: '5s' } }), /window/],
  [
    'a calendar that is missing',
    () => change({ spec: { expressions: '@daily', exclude: { calendars: 'none' } } }),
    /exclude.*calendar.*"none"/,
  ],
  [
    'a million instants',
    () =>
      change({ spec: '* * * * * * *' }).then(() =>
        handle.backfill({ from: '2020-01-01T00:00:00Z', to: '2020-01-12T13:46:40Z' }),
      ),
    /field "from": it would be 1000000 instants, at most 10000/,
  ],
  [
    'a stretch that ends before it begins',
    () => handle.backfill({ from: stretch.to, to: stretch.from }),
    /field "to": .* is not after/,
  ],
  [
    'a stretch that is still to come',
    () => handle.backfill({ ...stretch, to: nominal }),
    /field "to": .* is still to come/,
  ],
  [
    'a concurrency below none',
    () => handle.backfill({ ...stretch, concurrency: -1 }),
    /field "concurrency": -1 is not 0 \(no limit\) to 100/,
  ],
  ['a pace of nothing', () => handle.backfill({ ...stretch, perSecond: 0 }), /field "perSecond": 0/],
  [
    'an order that is none',
    () => handle.backfill({ ...stretch, order: 'random' as never }),
    /field "order" must be one of oldest, newest/,
  ],
  [
    'a backlog that is not there',
    () => handle.stopBacklog('gone'),
    /field "id": "gone" is no backlog .* none/,
  ],
  [
    'one occurrence moved twice',
    () => handle.moveOccurrence(nominal, '2099-01-03T00:00:00Z'),
    /field "at": .* is moved to 2099-01-02T00:00:00Z already: restore it first/,
  ],
  [
    'a move into the past',
    () => handle.moveOccurrence('2099-02-01T00:00:00Z', '2020-01-01T00:00:00Z'),
    /field "to": .* has passed/,
  ],
  [
    'an occurrence that has passed',
    () => handle.skipOccurrence('2020-01-01T00:00:00Z'),
    /field "at": .* has passed/,
  ],
  [
    'an occurrence that is none',
    () => handle.skipOccurrence('2099-01-01T00:00:01Z'),
    /field "at": .* is no nominal time/,
  ],
  [
    'a restore of what is as planned',
    () => handle.restoreOccurrence('2099-03-01T00:00:00Z'),
    /field "at": .* is neither skipped, moved nor held/,
  ],
  ['no triggers at all', () => handle.triggerMany([]), /field "triggers": holds 0/],
  [
    'a bad one among many triggers',
    () => handle.triggerMany([{}, { key: 'a/b' }]),
    /trigger: .*"a\/b" contains "\/"/,
  ],
];

test.each(cases)('%s', async (what, send, says) => {
  const before = await handle.describe();
  await expect(send()).rejects.toThrow(says);
  const after = await handle.describe();
  if (what === 'a million instants') {
    await handle.change(monthly);
    return;
  }
  expect({ ...after, problems: [] }).toEqual({ ...before, problems: [] });
});

test('a revision that is out of date is told the current one', async () => {
  const { revision } = await handle.describe();
  const stale = handle.change({ ...monthly, note: 'mine' }, { revision: revision + 7 });
  await expect(stale).rejects.toMatchObject({ code: 'RevisionConflict', details: { revision } });
  expect((await handle.describe()).revision).toBe(revision);
});
