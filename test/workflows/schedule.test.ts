/**
 * A schedule's life in seconds, on a real Temporal server: what needs one. Messages nobody planned for, workers and
 * databases that go away, ends from outside, and messages at any moment; swept over forced continue-as-new.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isoInstant } from '../../src/contract/ids.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import type { Store } from '../../src/store/store.ts';
import { scheduleSignals } from '../../src/contract/messages.ts';
import { freshDeployment, sharedTemporal, sharedWorkflowBundle } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { CONTINUE_AS_NEW_EVERY, expectAccount, ledgerOf, type Seen } from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;
const everySecond: ScheduleInput = { spec: 'every 1s', target: 'x', overlap: 'allowAll' };
const byHand: ScheduleInput = { spec: 'triggered', target: 'x' };

let connection: Connection;
let nativeConnection: NativeConnection;
let namespace: string;

beforeAll(async () => {
  const temporal = await sharedTemporal();
  namespace = temporal.namespace;
  connection = await Connection.connect({ address: temporal.address });
  nativeConnection = await NativeConnection.connect({ address: temporal.address });
});
afterAll(async () => {
  await connection.close();
  await nativeConnection.close();
});

function openWorld(storeOf?: (store: Store) => Store): Promise<ScheduleWorld> {
  const deployment = freshDeployment();
  return openScheduleWorld({
    connection,
    nativeConnection,
    namespace,
    deployment,
    ...(storeOf && { storeOf }),
  });
}

let created = 0;
async function begin(world: ScheduleWorld, input: ScheduleInput, every?: number): Promise<Seen> {
  const id = `s${++created}`;
  const handle = await world.create(id, input, every);
  await world.describe(id);
  return {
    world,
    handle,
    beganMs: Date.now(),
    describe: () => world.describe(id),
    fires: () => world.fires(id),
  };
}

/** Plays it once for each forced continue-as-new, side by side. */
async function swept(play: (every: number) => Promise<void>): Promise<void> {
  const played = await Promise.allSettled(CONTINUE_AS_NEW_EVERY.map(play));
  for (const result of played) if (result.status === 'rejected') throw result.reason;
}

const counted = ({ counts }: Awaited<ReturnType<Seen['describe']>>) =>
  Object.values(counts).reduce((sum, n) => sum + n, 0);

/** What its latest run did can be done again from its history, to the letter. */
async function expectReplay({ world, handle }: Seen): Promise<void> {
  const history = await world.client.workflow.getHandle(handle.workflowId).fetchHistory();
  await Worker.runReplayHistory({ workflowBundle: await sharedWorkflowBundle() }, history, handle.workflowId);
}

/** Stops it where nothing is under way, and looks at the account. */
async function finish(seen: Seen): Promise<void> {
  await seen.handle.change(byHand);
  await eventually(
    () => seen.describe(),
    ({ unsentRows }) => unsentRows === 0,
  );
  await expectAccount(seen);
}

describe('messages and ends', () => {
  let world: ScheduleWorld;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world?.close());

  test.concurrent('what cannot be understood is recorded among the problems, and the schedule lives on', async () => {
    await swept(async (every) => {
      const seen = await begin(world, byHand, every);
      const handle = world.client.workflow.getHandle(seen.handle.workflowId);
      await handle.signal('explode', { now: true });
      await handle.signal('pause', { untill: '2030-01-01T00:00:00Z' });
      await handle.signal('pause', 'please');
      await connection.workflowService.signalWorkflowExecution({
        namespace,
        workflowExecution: { workflowId: handle.workflowId },
        signalName: 'pause',
        input: { payloads: [{ metadata: { encoding: Buffer.from('bogus') }, data: Buffer.from([0, 255]) }] },
      });
      await expect(handle.executeUpdate('pause', { args: [{ until: 'tomorrow' }] })).rejects.toThrow();
      const { problems, state } = await eventually(
        () => seen.describe(),
        (said) => said.problems.length === 4,
      );
      expect(problems.map(({ message }) => message)).toEqual([
        expect.stringContaining('unknown signal "explode"'),
        expect.stringContaining('unknown field "untill"'),
        expect.stringContaining('expected an object'),
        expect.stringContaining('cannot be decoded'),
      ]);
      expect(state).toBe('active');
      expect((await seen.handle.trigger()).outcome).toBe('started');
    });
  });

  test.concurrent('deleted, it is gone; its last pause and rows are in the ledger; its run goes on unless asked', async () => {
    await swept(async (every) => {
      const seen = await begin(world, { ...byHand, input: { ms: 60_000 } }, every);
      const { invocationId } = await seen.handle.trigger({ key: 'long' });
      await seen.handle.pause();
      await seen.handle.delete({ cancelRunning: every % 2 === 1 });
      await expect(seen.handle.trigger()).rejects.toMatchObject({ code: 'ScheduleNotExists' });
      expect([...ledgerOf(await seen.fires())].sort()).toEqual(['manual started', 'paused x0']);
      const run = world.client.workflow.getHandle(invocationId);
      if (every % 2 === 1) await expect(run.result()).rejects.toThrow();
      else await run.terminate();
    });
  });

  test.concurrent('cancelled in the Web UI it is deleted, and what it did is in the ledger', async () => {
    await swept(async (every) => {
      const seen = await begin(world, everySecond, every);
      await eventually(
        () => seen.describe(),
        (said) => counted(said) >= 2,
      );
      const handle = world.client.workflow.getHandle(seen.handle.workflowId);
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
      await expectReplay(seen);
      // A closed workflow answers by being replayed, so this is a replay too.
      await expectAccount(seen);
    });
  });

  test.concurrent('updates that come with a delete are answered, one way or the other', async () => {
    await swept(async (every) => {
      const seen = await begin(world, byHand, every);
      const asked = [1, 2, 3].map(() => seen.handle.trigger());
      const gone = seen.handle.delete();
      const more = [1, 2, 3].map(() => seen.handle.pause());
      const settled = await Promise.allSettled([...asked, gone, ...more]);
      for (const result of settled) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ScheduleNotExists' });
      }
      expect(settled[3]?.status).toBe('fulfilled');
    });
  });

  test.concurrent('a relative schedule goes on though its run was terminated and told nobody', async () => {
    const seen = await begin(world, { spec: 'with 1s interval', target: 'x', input: { ms: 600_000 } }, 2);
    const { waitingFor } = await eventually(
      () => seen.describe(),
      (said) => said.waitingFor !== undefined,
    );
    await world.client.workflow.getHandle(waitingFor ?? '').terminate();
    await eventually(
      () => seen.describe(),
      ({ counts }) => counts.started === 2,
    );
    await expectAccount(seen);
    await seen.handle.delete({ cancelRunning: true });
  });

  test.concurrent('a resumed relative schedule that is overdue runs at once, and once', async () => {
    await swept(async (every) => {
      const input: ScheduleInput = { spec: 'with 3s interval', target: 'x', input: { ms: 500 } };
      const seen = await begin(world, input, every);
      await seen.handle.pause();
      await eventually(
        async () => Date.now(),
        (nowMs) => nowMs > seen.beganMs + 4 * SECOND,
      );
      const { createdAtMs } = await seen.describe();
      await seen.handle.resume();
      await eventually(
        () => seen.describe(),
        (said) => counted(said) >= 2,
      );
      await finish(seen);
      const dueMs = (await seen.fires()).filter(({ kind }) => kind === 'fire').map(({ fromMs }) => fromMs);
      expect(dueMs[0]).toBeGreaterThanOrEqual(createdAtMs + 4 * SECOND);
      for (const [i, atMs] of dueMs.slice(1).entries()) {
        expect(atMs - (dueMs[i] ?? 0)).toBeGreaterThanOrEqual(3_500);
      }
      await seen.handle.delete();
    });
  });

  test.concurrent('continuously: each run begins when the one before has told its end', async () => {
    await swept(async (every) => {
      const seen = await begin(world, { spec: 'continuously', target: 'x', input: { ms: 100 } }, every);
      await eventually(
        () => seen.describe(),
        (said) => counted(said) >= 8,
      );
      await finish(seen);
      expect(new Set(ledgerOf(await seen.fires()))).toEqual(new Set(['started']));
      await seen.handle.delete();
    });
  });

  test.concurrent('asked for its state all the time, it replays: questions during a local activity end tasks early', async () => {
    const seen = await begin(world, { ...everySecond, overlap: 'skip' });
    const { handle } = seen;
    for (let asked = 0; counted(await seen.describe()) < 4; asked += 1) {
      await Promise.all([seen.describe(), seen.describe(), asked % 10 === 0 && handle.trigger()]);
    }
    await handle.delete();
    await expectReplay(seen);
    await expectAccount(seen);
  });

  test.concurrent('asked and told all the time, it replays, and each due time counts once', async () => {
    const seen = await begin(world, { ...everySecond, overlap: 'skip' });
    const { handle } = seen;
    const workflow = world.client.workflow.getHandle(handle.workflowId);
    const untilMs = Date.now() + 8 * SECOND;
    const forever = async (what: (n: number) => Promise<unknown>, everyMs: number) => {
      for (let n = 0; Date.now() < untilMs; n += 1) await Promise.all([what(n), sleep(everyMs)]);
    };
    const at = (n: number) => new Date(Date.UTC(2090, 0, 1) + n * SECOND).toISOString();
    const tell = (n: number) =>
      [
        () => workflow.signal(scheduleSignals.enable),
        () => workflow.signal(scheduleSignals.changeOccurrence, { at: at(n), act: 'skip' as const }),
        () => workflow.signal(scheduleSignals.changeOccurrence, { at: at(n - 1), act: 'restore' as const }),
        () => workflow.signal(scheduleSignals.trigger, {}),
        () => workflow.signal('not-a-signal'),
      ][n % 5]?.() ?? Promise.resolve();
    await Promise.all([
      forever(() => seen.describe(), 20),
      forever(tell, 20),
      forever(() => handle.enable(), 100),
    ]);
    await handle.delete();
    await expectReplay(seen);
    await expectAccount(seen);
  });

  test.concurrent('whatever is asked of it at whatever moment, each due time counts once', async () => {
    await swept(async (every) => {
      const seen = await begin(world, everySecond, every);
      const { createdAtMs } = await seen.describe();
      const { handle } = seen;
      const asks = [
        () => handle.pause(),
        () => handle.resume(),
        () => handle.disable(),
        () => handle.enable(),
        () => handle.trigger(),
        () => handle.change({ ...everySecond, note: `${Date.now()}` }),
      ];
      const untilMs = Date.now() + 8 * SECOND;
      let triggers = 0;
      for (let n = every; Date.now() < untilMs; n = (n * 7 + 3) % 101) {
        const ask = asks[n % asks.length];
        if (ask === asks[4]) triggers += 1;
        await Promise.all([ask?.(), handle.resume(), handle.enable()]);
      }
      await finish(seen);
      const { changedAtMs } = await seen.describe();
      const due = Math.floor(changedAtMs / SECOND) - Math.floor(createdAtMs / SECOND);
      expect(counted(await seen.describe()) - triggers).toBe(due);
      await handle.delete();
      await expectReplay(seen);
    });
  });
});

describe('workers and databases that go away', () => {
  test('after downtime the newest runs for all, the others are one row with their count', async () => {
    const world = await openWorld();
    try {
      const all = await Promise.all(CONTINUE_AS_NEW_EVERY.map((every) => begin(world, everySecond, every)));
      const paused = await begin(world, everySecond);
      const until = Date.now() + 3 * SECOND;
      await paused.handle.pause({ until: isoInstant(until) });
      await world.stopSchedules();
      await eventually(
        async () => Date.now(),
        (nowMs) => nowMs > until + 3 * SECOND,
      );
      await world.startSchedules();
      for (const seen of [...all, paused]) {
        const least = seen === paused ? 1 : 3;
        await eventually(
          () => seen.describe(),
          ({ counts }) => (counts.superseded ?? 0) >= least,
        );
        await finish(seen);
        const superseded = (await seen.fires()).filter(({ outcome }) => outcome === 'superseded');
        // A machine under load may have been late before.
        const [first] = superseded.toSorted((a, b) => b.count - a.count);
        expect(first?.count).toBeGreaterThanOrEqual(least);
        const next = (await seen.fires()).find(({ fromMs }) => fromMs > (first?.toMs ?? 0));
        expect(next).toMatchObject({ outcome: 'started', fromMs: (first?.toMs ?? 0) + SECOND });
        await seen.handle.delete();
      }
      const span = (await paused.fires()).find(({ outcome }) => outcome === 'paused');
      expect(span?.toMs).toBeLessThanOrEqual(until);
    } finally {
      await world.close();
    }
  });

  test('while the database fails or hangs fires go on; their rows arrive later, each once', async () => {
    let trouble: 'none' | 'fails' | 'hangs' | 'answers late' = 'none';
    let troubled = 0;
    const world = await openWorld((store) => ({
      ...store,
      writeLedger: async (rows) => {
        if (trouble === 'none') return store.writeLedger(rows);
        troubled += 1;
        if (trouble === 'fails') throw new Error('connection refused');
        if (trouble === 'hangs') return new Promise<never>(() => {});
        await store.writeLedger(rows);
        throw new Error('its answer was lost');
      },
    }));
    try {
      const all = await Promise.all(CONTINUE_AS_NEW_EVERY.map((every) => begin(world, everySecond, every)));
      for (const kind of ['fails', 'hangs', 'answers late'] as const) {
        const before = troubled;
        trouble = kind;
        const [first] = all;
        if (first === undefined) throw new Error('nothing was begun');
        const { counts } = await first.describe();
        await eventually(
          () => first.describe(),
          (said) => troubled > before && (said.counts.started ?? 0) >= (counts.started ?? 0) + 2,
        );
      }
      for (const seen of all) {
        expect(await seen.describe()).toMatchObject({ state: 'active' });
      }
      trouble = 'none';
      for (const seen of all) {
        await eventually(
          () => seen.describe(),
          ({ unsentRows }) => unsentRows === 0,
        );
        await finish(seen);
        await seen.handle.delete();
      }
    } finally {
      await world.close();
    }
  });
});
