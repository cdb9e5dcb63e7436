/** Messages that cannot be followed: each error names the field and what to do, and nothing is changed. */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { scheduleSignals, scheduleUpdates } from '../../src/contract/messages.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
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
    'a move to its own time',
    () => handle.moveOccurrence('2099-02-01T00:00:00Z', '2099-02-01T00:00:00Z'),
    /field "to": .* is due then as it is/,
  ],
  [
    'a move beyond the years that are known',
    () => handle.moveOccurrence('2099-02-01T00:00:00Z', '2100-01-01T00:00:00Z'),
    /field "to": .* is beyond 2099/,
  ],
  [
    'a pause that is over',
    () => handle.pause({ until: '2020-01-01T00:00:00Z' }),
    /field "until": .* has passed/,
  ],
  [
    'a switch-off that is over',
    () => handle.disable({ until: '2020-01-01T00:00:00Z' }),
    /field "until": .* has passed/,
  ],
  [
    'a key of a backfill that is no key',
    () => handle.backfill({ ...stretch, key: 'a/b' }),
    /field "key": .*"a\/b" contains "\/"/,
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

test('the key of a backfill is no key of another stretch, whether it goes or is over', async () => {
  const other = await world.create('keys', monthly);
  const two = { from: '2020-01-15T00:00:00Z', to: '2020-03-15T00:00:00Z', key: 'mine' };
  const says =
    /field "key": "mine" is the key of another stretch, 2020-01-15T00:00:00Z to 2020-03-15T00:00:00Z/;
  expect(await other.backfill(two)).toEqual({ id: 'mine', instants: 2 });
  await expect(other.backfill({ ...stretch, key: 'mine' })).rejects.toThrow(says);
  await eventually(
    () => world.describe('keys'),
    ({ backlogs }) => backlogs.length === 0,
  );
  await expect(other.backfill({ ...stretch, key: 'mine' })).rejects.toThrow(says);
  expect(await other.backfill(two)).toEqual({ id: 'mine', instants: 2 });
  await other.delete();
});

test('a refusal names its field apart from its words', async () => {
  const refused = handle.pause({ until: '2020-01-01T00:00:00Z' });
  await expect(refused).rejects.toMatchObject({ issues: [{ path: 'until' }] });
  const stopped = handle.stopBacklog('gone');
  await expect(stopped).rejects.toMatchObject({ issues: [{ path: 'id' }] });
});

describe('what is too large', () => {
  const large = (chars: number) => 'x'.repeat(chars);

  test('is refused before it is sent', async () => {
    const input = {
      path: 'input',
      message: expect.stringMatching(/field "input" has 3000002 characters as JSON/),
    };
    await expect(handle.trigger({ input: large(3_000_000) })).rejects.toMatchObject({ issues: [input] });
    await expect(handle.pause({ reason: large(1_001) })).rejects.toThrow(
      /field "reason" has 1001 characters, at most 1000 are allowed/,
    );
    const named = handle.change({ ...monthly, target: { name: 'x', input: large(70_000) } });
    await expect(named).rejects.toMatchObject({ issues: [{ path: 'input' }] });
    const many = handle.triggerMany(Array.from({ length: 6 }, () => ({ input: large(60_000) })));
    await expect(many).rejects.toThrow(
      /field "triggers" has 360\d+ characters .* at most 262144 .*: send less/,
    );
  });

  test.each([1_500_000, 3_000_000])('%i characters by another client harm nothing', async (chars) => {
    const workflow = world.client.workflow.getHandle(handle.workflowId);
    const args: [object] = [{ input: large(chars) }];
    const { revision } = await handle.describe();
    await expect(workflow.executeUpdate(scheduleUpdates.trigger.name, { args })).rejects.toThrow();
    await workflow.signal(scheduleSignals.trigger.name, ...args).catch(() => {});
    await handle.change({ ...monthly, note: `after ${chars}` });
    const after = await handle.describe();
    expect(after.revision).toBe(revision + 1);
    expect(JSON.stringify(after.problems).length).toBeLessThan(20_000);
  });
});
