/**
 * The pace of backfills and of catching up, on a real Temporal server: how early a run may start at most, as time that passes in
 * tests is only ever too long. Swept over forced continue-as-new, and over a downtime of the workers.
 */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isoInstant } from '../../src/contract/ids.ts';
import type { BackfillRequest } from '../../src/contract/messages.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { CONTINUE_AS_NEW_EVERY, ledgerOf, repeat, type Seen } from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;
const PER_SECOND = 2;
/** What starts at once: a second's worth, and what a look that comes late finds saved up beside it. */
const FIRST_MAX = PER_SECOND;
const BURST_MAX = 2 * PER_SECOND;
const INSTANTS = 12;

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  const server = { connection, nativeConnection, namespace };
  world = await openScheduleWorld({ ...server, deployment: freshDeployment() });
});
afterAll(async () => {
  await world?.close();
  await connection?.close();
  await nativeConnection?.close();
});

let created = 0;
async function begin(every: number): Promise<Seen> {
  const id = `s${++created}`;
  const handle = await world.create(id, { spec: 'every 1m', target: 'x', enabled: false }, every);
  const { createdAtMs: beganMs } = await world.describe(id);
  return { world, handle, beganMs, describe: () => world.describe(id), fires: () => world.fires(id) };
}

/** Asks for twelve instants of the hour before, all of which may run at a time. Answers from when on. */
async function backfill(seen: Seen, order: BackfillRequest['order']): Promise<number> {
  const toMs = seen.beganMs - 60 * SECOND;
  const stretch = { from: isoInstant(toMs - INSTANTS * 60 * SECOND), to: isoInstant(toMs) };
  const sinceMs = Date.now();
  const asked = { ...stretch, key: 'paced', perSecond: PER_SECOND, concurrency: 0, ...(order && { order }) };
  expect(await seen.handle.backfill(asked)).toEqual({ id: 'paced', instants: INSTANTS });
  return sinceMs;
}

const atLeast = (seen: Seen, n: number) =>
  eventually(
    () => seen.describe(),
    ({ counts }) => (counts.started ?? 0) >= n,
  );

/** When its runs began by the server's clock, in the order of their nominal times. */
async function startsOf(seen: Seen): Promise<readonly number[]> {
  const fires = await eventually(
    () => seen.fires(),
    (rows) => rows.length >= INSTANTS,
  );
  expect(ledgerOf(fires)).toEqual(repeat(INSTANTS, 'backfill started'));
  return await Promise.all(
    fires.map(async ({ invocationId = '' }) => {
      const { startTime } = await world.client.workflow.getHandle(invocationId).describe();
      return startTime.getTime();
    }),
  );
}

/** One after the other, and none of those since an instant before the pace allows it. */
function expectPace(startedAtMs: readonly number[], sinceMs: number, atOnce: number): void {
  expect(startedAtMs).toEqual(startedAtMs.toSorted((a, b) => a - b));
  for (const [i, atMs] of startedAtMs.filter((ms) => ms >= sinceMs).entries()) {
    const earliestMs = sinceMs + ((i + 1 - atOnce) / PER_SECOND) * SECOND;
    expect(atMs, `start ${i} of ${startedAtMs.join()}`).toBeGreaterThanOrEqual(earliestMs);
  }
}

async function swept(play: (seen: Seen) => Promise<void>): Promise<void> {
  const played = await Promise.allSettled(
    CONTINUE_AS_NEW_EVERY.map(async (every) => {
      const seen = await begin(every);
      await play(seen);
      await seen.handle.delete();
    }),
  );
  for (const result of played) if (result.status === 'rejected') throw result.reason;
}

test.each(['oldest', 'newest'] as const)(
  'a backfill, %s first, starts in order and no faster than it was asked to',
  async (order) => {
    await swept(async (seen) => {
      const sinceMs = await backfill(seen, order);
      await atLeast(seen, INSTANTS);
      const startedAtMs = await startsOf(seen);
      expectPace(order === 'oldest' ? startedAtMs : startedAtMs.toReversed(), sinceMs, FIRST_MAX);
    });
  },
);

test('after a downtime it goes on where it was, and does not make up for the time', async () => {
  const all = await Promise.all(CONTINUE_AS_NEW_EVERY.map(begin));
  const sinceMs = await Promise.all(all.map((seen) => backfill(seen, 'oldest')));
  for (const seen of all) await atLeast(seen, 1);
  await world.stopSchedules();
  const untilMs = Date.now() + 5 * SECOND;
  await eventually(
    async () => Date.now(),
    (nowMs) => nowMs > untilMs,
  );
  const restartedAtMs = Date.now();
  await world.startSchedules();
  for (const [i, seen] of all.entries()) {
    await atLeast(seen, INSTANTS);
    const startedAtMs = await startsOf(seen);
    expectPace(startedAtMs, sinceMs[i] ?? 0, FIRST_MAX);
    expectPace(startedAtMs, restartedAtMs, BURST_MAX);
    await seen.handle.delete();
  }
});
