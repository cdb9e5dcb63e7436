/**
 * Workflow tasks that are lost after `advance` has started and recorded something, as their worker cannot reach the server any
 * more: the next try, by another worker, finds a later time and more messages, and each due time and each trigger still
 * counts once.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scheduleSignals } from '../../src/contract/messages.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually, happening } from './eventually.ts';
import { expectAccount, type Seen } from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
let line: Line;
let cutConnection: NativeConnection;
/** Schedules whose next `advance` never gets to say what it has done. */
const toLose = new Set<string>();
const lost = new Set<string>();

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  line = await openLine(address);
  cutConnection = await NativeConnection.connect({ address: line.address });
  world = await openScheduleWorld({
    connection,
    nativeConnection,
    schedulesBy: cutConnection,
    namespace,
    deployment: freshDeployment(),
    afterAdvance: async ({ scheduleId, starts }) => {
      if (starts.length === 0 || !toLose.delete(scheduleId)) return;
      lost.add(scheduleId);
      await line.isCut;
    },
  });
});

afterAll(async () => {
  await world.close();
  await connection.close();
  await nativeConnection.close();
  await cutConnection.close();
  line.server.close();
});

interface Line {
  readonly address: string;
  readonly server: Server;
  readonly isCut: Promise<void>;
  cut(): void;
  mend(): void;
}

/** A way to the server that can be cut. */
async function openLine(address: string): Promise<Line> {
  const [host = '', port = ''] = address.split(':');
  const sockets = new Set<Socket>();
  let isOpen = true;
  const server = createServer((near) => {
    if (!isOpen) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), host);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cutting = happening();
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    isCut: cutting.promise,
    cut() {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
      cutting.resolve();
    },
    mend() {
      isOpen = true;
    },
  };
}

async function begin(id: string, input: ScheduleInput): Promise<Seen> {
  const handle = await world.create(id, input);
  await world.describe(id);
  return {
    world,
    handle,
    beganMs: Date.now(),
    describe: () => world.describe(id),
    fires: () => world.fires(id),
  };
}

const total = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);

test('what a lost worker has done counts once: started, skipped, triggered by signal and by update', async () => {
  const everySecond = { spec: 'every 1s', target: 'x' } as const;
  const started = await begin('started', { ...everySecond, overlap: 'allowAll' });
  const skipped = await begin('skipped', { ...everySecond, input: { ms: 600_000 } });
  const signalled = await begin('signalled', { ...everySecond, overlap: 'allowAll' });
  const updated = await begin('updated', { ...everySecond, overlap: 'allowAll' });
  const all = { started, skipped, signalled, updated };
  for (const seen of Object.values(all)) {
    await eventually(
      () => seen.describe(),
      ({ counts }) => total(counts) >= 2,
    );
  }

  for (const id of Object.keys(all)) toLose.add(id);
  const { client } = world;
  await client.workflow.getHandle(signalled.handle.workflowId).signal(scheduleSignals.trigger, {});
  const told = updated.handle.trigger();
  await eventually(
    async () => lost.size,
    (size) => size === Object.keys(all).length,
  );
  line.cut();
  await client.workflow.getHandle(signalled.handle.workflowId).signal(scheduleSignals.trigger, {});
  const other = await world.alsoHostSchedules(nativeConnection);
  expect(await told).toMatchObject({ outcome: 'started' });

  for (const seen of Object.values(all)) {
    const late = await eventually(
      () => seen.describe(),
      ({ counts }) => (counts.superseded ?? 0) > 0,
    );
    await eventually(
      () => seen.describe(),
      ({ counts }) => total(counts) > total(late.counts),
    );
    await seen.handle.change({ spec: 'triggered', target: 'x' });
    const { counts, createdAtMs, changedAtMs } = await eventually(
      () => seen.describe(),
      ({ unsentRows }) => unsentRows === 0,
    );
    await expectAccount(seen);
    const manual = (await seen.fires()).filter(({ kind }) => kind === 'manual').length;
    expect(manual).toBe(seen === signalled ? 2 : seen === updated ? 1 : 0);
    const due = Math.floor(changedAtMs / SECOND) - Math.floor(createdAtMs / SECOND);
    expect(total(counts) - manual).toBe(due);
    await seen.handle.delete({ cancelRunning: true });
  }
  line.mend();
  await other.stop();
});

test('a key asked for again is a duplicate, however long ago; one that was skipped may run yet', async () => {
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
