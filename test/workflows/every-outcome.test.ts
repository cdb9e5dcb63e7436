/** Every outcome that the ledger knows, each made on a real Temporal server, and none forgotten. */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isoInstant } from '../../src/contract/ids.ts';
import type { Outcome } from '../../src/contract/ledger.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;
const byHand: ScheduleInput = { spec: 'triggered', target: 'x' };
const everySecond: ScheduleInput = { spec: 'every 1s', target: 'x', overlap: 'allowAll' };
const long = { ms: 600_000 };

/** Seconds: the message is there before, on a machine under load too. */
const AHEAD = 15;

/** How each is made; the compiler says which is missing. */
const ways = {
  started: async () => {
    const handle = await create('started', byHand);
    await handle.trigger();
  },
  'skipped-overlap': async () => {
    const handle = await create('skipped-overlap', { ...byHand, input: long });
    await handle.trigger();
    await handle.trigger();
  },
  superseded: async () => {
    const handle = await create('superseded', { ...byHand, input: long, overlap: 'bufferNewest' });
    for (const key of ['a', 'b', 'c']) await handle.trigger({ key });
  },
  dropped: async () => {
    const triggering = { kind: 'newestFirst', pendingTimeout: '1s' } as const;
    const handle = await create('dropped', { ...byHand, input: long, triggering });
    for (const key of ['a', 'b']) await handle.trigger({ key });
  },
  duplicate: async () => {
    const handle = await create('duplicate', byHand);
    for (const key of ['a', 'a']) await handle.trigger({ key });
  },
  deleted: async () => {
    const handle = await create('deleted', { ...byHand, input: long, overlap: 'bufferAll' });
    for (const key of ['a', 'b']) await handle.trigger({ key });
    await handle.delete();
  },
  refused: async () => {
    const searchAttributes = { NobodyRegisteredThis: { type: 'keyword', value: 'x' } } as const;
    const handle = await create('refused', { ...byHand, searchAttributes });
    await handle.trigger();
  },
  disabled: async () => {
    const handle = await create('disabled', everySecond);
    await handle.disable();
    await handle.enable();
  },
  paused: async () => {
    const handle = await create('paused', everySecond);
    await handle.pause();
    await handle.resume();
  },
  'skipped-occurrence': async () => {
    const handle = await create('skipped-occurrence', everySecond);
    await handle.skipOccurrence(soon(AHEAD));
  },
  held: async () => {
    const handle = await create('held', everySecond);
    await handle.holdOccurrence(soon(AHEAD));
  },
  moved: async () => {
    const handle = await create('moved', everySecond);
    await handle.moveOccurrence(soon(60), soon(AHEAD));
  },
  missed: async () => {
    const handle = await create('missed', { ...everySecond, catchUp: 'none' });
    await world.client.workflow.getHandle(handle.workflowId).describe();
  },
} satisfies Record<Outcome, () => Promise<void>>;

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
const handles: ScheduleHandle[] = [];

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  world = await openScheduleWorld({
    connection,
    nativeConnection,
    namespace,
    deployment: freshDeployment(),
  });
});

afterAll(async () => {
  await world?.close();
  await connection?.close();
  await nativeConnection?.close();
});

async function create(id: string, input: ScheduleInput): Promise<ScheduleHandle> {
  const handle = await world.create(id, input);
  handles.push(handle);
  await world.describe(id);
  return handle;
}

/** A whole second that is so many ahead. */
function soon(seconds: number): string {
  return isoInstant((Math.floor(Date.now() / SECOND) + seconds) * SECOND);
}

test('each outcome comes to be, with a row that says so', async () => {
  await Promise.all(Object.values(ways).map((way) => way()));
  // Whoever is late has missed something.
  await world.stopSchedules();
  const untilMs = Date.now() + 3 * SECOND;
  await eventually(
    async () => Date.now(),
    (nowMs) => nowMs > untilMs,
  );
  await world.startSchedules();
  const made = await Promise.all(
    Object.keys(ways).map(async (outcome) => {
      const fires = await eventually(
        () => world.fires(outcome),
        (rows) => rows.some((row) => row.outcome === outcome),
      );
      const row = fires.find((fire) => fire.outcome === outcome);
      if (outcome !== 'started') expect(row?.reason, outcome).toMatch(/\S/);
      return row?.outcome;
    }),
  );
  expect(made.toSorted()).toEqual(Object.keys(ways).toSorted());
  const gone = handles.filter(({ id }) => id !== 'deleted').map((handle) => handle.delete());
  await Promise.all(gone);
});
