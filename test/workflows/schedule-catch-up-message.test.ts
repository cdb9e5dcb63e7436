/**
 * `catchUp` on demand, on a real Temporal server: what somebody names is run by the schedule's own rule. By update, by signal and from
 * the command line; swept over forced continue-as-new.
 */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isoInstant } from '../../src/contract/ids.ts';
import type { Fire } from '../../src/contract/ledger.ts';
import { scheduleSignals } from '../../src/contract/messages.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { runCli } from '../cli/run-cli.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import { expectInOrder, MISSED, SUPERSEDED } from './late-account.ts';
import { CONTINUE_AS_NEW_EVERY, expectAccount, ledgerOf, repeat, type Seen } from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;
/** Due every ten seconds, and switched off, so that nothing runs but what is asked for. */
const off = { spec: 'every 10s', target: 'x', enabled: false } as const;

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
let environment: Record<string, string>;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  const deployment = freshDeployment();
  world = await openScheduleWorld({ connection, nativeConnection, namespace, deployment });
  environment = {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    ESCAPEMENT_DEPLOYMENT: deployment,
  };
});
afterAll(async () => {
  await world?.close();
  await connection?.close();
  await nativeConnection?.close();
});

let created = 0;
async function begin(input: ScheduleInput, every?: number): Promise<Seen> {
  const id = `s${++created}`;
  const handle = await world.create(id, input, every);
  const { createdAtMs: beganMs } = await world.describe(id);
  return { world, handle, beganMs, describe: () => world.describe(id), fires: () => world.fires(id) };
}

/** Plays it once for each forced continue-as-new, side by side. */
async function swept(input: ScheduleInput, play: (seen: Seen) => Promise<void>): Promise<void> {
  const play1 = async (every: number) => {
    const seen = await begin(input, every);
    await play(seen);
    await quiet(seen);
    await expectAccount(seen);
    await seen.handle.delete();
  };
  const played = await Promise.allSettled(CONTINUE_AS_NEW_EVERY.map(play1));
  for (const result of played) if (result.status === 'rejected') throw result.reason;
}

/** All that was asked for has been done and written. */
async function quiet({ describe: ask }: Seen): Promise<void> {
  await eventually(
    ask,
    ({ backlogs, active, pendingCount, unsentRows }) =>
      backlogs.length + active.length + pendingCount + unsentRows === 0,
  );
}

/** The six due times from two minutes to one minute before its creation: none of them is on time. */
const minute = ({ beganMs }: Seen) => ({
  since: isoInstant(beganMs - 120 * SECOND),
  until: isoInstant(beganMs - 60 * SECOND),
});

/** One line for each row, without its own name. */
const told = (fires: readonly Fire[]) => fires.map(({ outcome, reason }) => [outcome, reason]);

async function expectRunsInOrder(seen: Seen): Promise<void> {
  const runs = (await seen.fires()).filter(({ outcome }) => outcome === 'started');
  const accounted = runs.map(async (fire) => {
    const run = world.client.workflow.getHandle(fire.invocationId ?? '');
    return { dueMs: fire.toMs, fire, startedAtMs: (await run.describe()).startTime.getTime() };
  });
  expectInOrder(await Promise.all(accounted));
}

describe('a stretch from before its creation, asked for twice', () => {
  test('none: it is recorded as missed, once', async () => {
    await swept({ ...off, catchUp: 'none' }, async (seen) => {
      for (const _time of [1, 2]) {
        expect(await seen.handle.catchUp(minute(seen))).toMatchObject({ instants: 0 });
      }
      await quiet(seen);
      expect(ledgerOf(await seen.fires())).toEqual(['missed x6']);
      expect(told(await seen.fires())).toEqual([['missed', MISSED]]);
    });
  });

  test('latest: the newest runs, the others are superseded, once', async () => {
    await swept({ ...off, catchUp: 'latest' }, async (seen) => {
      for (const _time of [1, 2]) {
        expect(await seen.handle.catchUp(minute(seen))).toMatchObject({ instants: 1 });
        await quiet(seen);
      }
      const fires = await seen.fires();
      const backfills = ['backfill duplicate', 'backfill started'];
      expect(ledgerOf(fires).toSorted()).toEqual([...backfills, 'superseded x5']);
      const [span] = fires;
      expect(span?.reason).toBe(SUPERSEDED);
      const [first, second] = fires.slice(1);
      expect(first?.toMs).toBe(second?.toMs);
      expect(first?.toMs).toBe((span?.toMs ?? 0) + 10 * SECOND);
    });
  });

  test('all: each runs, one after the other and the oldest first; again it is a duplicate', async () => {
    await swept({ ...off, catchUp: 'all', input: { ms: 50 } }, async (seen) => {
      expect(await seen.handle.catchUp(minute(seen))).toMatchObject({ instants: 6 });
      await quiet(seen);
      expect(ledgerOf(await seen.fires())).toEqual(repeat(6, 'backfill started'));
      await expectRunsInOrder(seen);
      expect(await seen.handle.catchUp(minute(seen))).toMatchObject({ instants: 6 });
      await quiet(seen);
      const all = ledgerOf(await seen.fires()).toSorted();
      expect(all).toEqual([...repeat(6, 'backfill duplicate'), ...repeat(6, 'backfill started')]);
    });
  });

  test.each(['latest', 'all'] as const)('%s: what is outside its window is missed, once', async (mode) => {
    await swept({ ...off, catchUp: { mode, window: '30s' } }, async (seen) => {
      for (const _time of [1, 2]) {
        expect(await seen.handle.catchUp(minute(seen))).toMatchObject({ instants: 0 });
      }
      await quiet(seen);
      const reason = 'it was later than the catch-up window of 30 s';
      expect(told(await seen.fires())).toEqual([['missed', reason]]);
    });
  });

  test('a longer one records only what the shorter has not', async () => {
    await swept({ ...off, catchUp: 'none' }, async (seen) => {
      await seen.handle.catchUp(minute(seen));
      await seen.handle.catchUp({ ...minute(seen), since: isoInstant(seen.beganMs - 180 * SECOND) });
      await quiet(seen);
      const fires = await seen.fires();
      expect(ledgerOf(fires)).toEqual(['missed x6', 'missed x6']);
      expect(fires[1]?.fromMs).toBe((fires[0]?.toMs ?? 0) + 10 * SECOND);
    });
  });
});

describe('what it has accounted for itself', () => {
  test('is run where it did not run, and a duplicate where it did', async () => {
    await swept({ spec: 'every 1s', target: 'x', overlap: 'allowAll', catchUp: 'all' }, async (seen) => {
      const { handle } = seen;
      const started = (n: number) =>
        eventually(
          () => seen.describe(),
          ({ counts }) => (counts.started ?? 0) >= n,
        );
      await started(2);
      await handle.pause();
      await eventually(
        async () => (await seen.describe()).paused?.sinceMs ?? Infinity,
        (sinceMs) => Date.now() > sinceMs + 3 * SECOND,
      );
      await handle.resume();
      await handle.disable();
      await quiet(seen);
      const until = isoInstant((await seen.describe()).disabled?.sinceMs ?? 0);
      const { instants } = await handle.catchUp({ since: isoInstant(seen.beganMs), until });
      await quiet(seen);
      const fires = await seen.fires();
      const added = fires.filter(({ kind }) => kind === 'backfill');
      expect(added).toHaveLength(instants);
      const ran = new Set(fires.filter(({ kind }) => kind === 'fire').map(({ toMs }) => toMs));
      expect(instants).toBeGreaterThanOrEqual(ran.size + 3);
      for (const { toMs, outcome } of added) expect(outcome).toBe(ran.has(toMs) ? 'duplicate' : 'started');
      await handle.change({ spec: 'triggered', target: 'x' });
    });
  });
});

test('asked for by a signal it is the same; one that cannot be followed changes nothing', async () => {
  const seen = await begin({ ...off, catchUp: { mode: 'all', window: '48h' } });
  const workflow = world.client.workflow.getHandle(seen.handle.workflowId);
  const { since, until } = minute(seen);
  const wrong = [
    [{ since: until, until: since }, /"until".* is not after/],
    [{ since, until: isoInstant(seen.beganMs + 600 * SECOND) }, /"until".* is still to come/],
    [{ since: isoInstant(seen.beganMs - 47 * 3_600 * SECOND) }, /"since": it would be 169\d\d instants/],
  ] as const;
  for (const [request, message] of wrong) {
    await expect(seen.handle.catchUp(request)).rejects.toThrow(message);
    await workflow.signal(scheduleSignals.catchUp, request);
  }
  await eventually(
    () => seen.describe(),
    ({ problems }) => problems.length === 2 * wrong.length,
  );
  expect(await seen.fires()).toEqual([]);
  await workflow.signal(scheduleSignals.catchUp, { since, until });
  await eventually(
    () => seen.describe(),
    ({ counts }) => counts.started === 6,
  );
  await quiet(seen);
  expect(ledgerOf(await seen.fires())).toEqual(repeat(6, 'backfill started'));
  await seen.handle.delete();
});

test('from the command line: one schedule, and all, each by its rule', async () => {
  const none = await begin({ ...off, catchUp: 'none' });
  const latest = await begin({ ...off, catchUp: 'latest' });
  const all = await begin({ ...off, catchUp: 'all' });
  const relative = await begin({ ...off, spec: 'with 1h interval' });
  const { since, until } = minute(none);
  const ask = async (...args: string[]) => {
    const flags = ['--since', since, '--until', until, '--json'];
    const { code, stdout, stderr } = await runCli(['catch-up', ...args, ...flags], environment);
    const lines = JSON.parse(stdout === '' ? '[]' : stdout) as readonly { id: string; outcome: string }[];
    const asked = new Set([none, latest, all, relative].map(({ handle }) => handle.id));
    return { code, stderr, lines: lines.filter(({ id }) => asked.has(id)) };
  };
  const one = await ask(none.handle.id);
  expect(one).toMatchObject({ code: 0, lines: [{ id: none.handle.id, outcome: 'done', instants: 0 }] });
  // The list of all is told by another part of the server, a little later.
  const each = await eventually(
    () => ask('--all'),
    ({ lines }) => lines.length === 4,
  );
  expect(each.code).toBe(0);
  expect(new Map(each.lines.map((line) => [line.id, line.outcome]))).toEqual(
    new Map([
      [none.handle.id, 'done'],
      [latest.handle.id, 'done'],
      [all.handle.id, 'done'],
      [relative.handle.id, 'nothing'],
    ]),
  );
  for (const seen of [none, latest, all]) await quiet(seen);
  expect(ledgerOf(await none.fires())).toEqual(['missed x6']);
  expect(ledgerOf(await latest.fires())).toContain('superseded x5');
  expect(ledgerOf(await all.fires()).filter((row) => row === 'backfill started')).toHaveLength(6);
  for (const seen of [none, latest, all, relative]) await seen.handle.delete();
});
