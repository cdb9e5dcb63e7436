/**
 * Catch-up after a downtime of the workers that host schedules, on a real Temporal server: each rule, for schedules that go on and for
 * some that came to their end meanwhile, swept over forced continue-as-new. All of them are down together, once.
 */
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isoInstant } from '../../src/contract/ids.ts';
import { scheduleSignals } from '../../src/contract/messages.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import {
  type Accounted,
  accountUntil,
  expectInOrder,
  expectRule,
  LATE_AFTER_MS,
  startedSince,
  toldFrom,
} from './late-account.ts';
import { CONTINUE_AS_NEW_EVERY, expectAccount, ledgerOf, type Seen } from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const SECOND = 1_000;
const everyFour = { spec: 'every 4s', target: 'x', overlap: 'allowAll' } as const;
/** More than the 10 s after which a fire is late, by a fire or two. */
const DOWN_MS = 14 * SECOND;

/** Rules that leave rows of what did not run, and those that run all. */
const rules = {
  none: { catchUp: 'none' },
  latest: { catchUp: 'latest' },
  'latest within 10 s': { catchUp: { mode: 'latest', window: '10s' } },
  'all within 10 s': { catchUp: { mode: 'all', window: '10s' } },
  all: { catchUp: 'all' },
  'all, one after the other': { catchUp: 'all', overlap: 'bufferAll', input: { ms: 100 } },
} satisfies Record<string, Partial<ScheduleInput>>;
const RUN_ALL: ReadonlySet<string> = new Set(['all', 'all, one after the other']);

const sweep = Object.entries(rules).flatMap(([rule, input]) =>
  CONTINUE_AS_NEW_EVERY.map((every) => ({ rule, every, input })),
);

let connection: Connection;
let nativeConnection: NativeConnection;
let world: ScheduleWorld;
/** By rule and turns. */
const live = new Map<string, Seen>();
const ended = new Map<string, Seen>();
let limited: readonly Seen[];
let changed: readonly Changed[];
/** Of those that go on: up to when it has accounted for what was due. */
const untilMs = new Map<Seen, number>();
let stoppedAtMs: number;
let restartedAtMs: number;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  connection = await Connection.connect({ address });
  nativeConnection = await NativeConnection.connect({ address });
  const server = { connection, nativeConnection, namespace };
  world = await openScheduleWorld({ ...server, deployment: freshDeployment() });
  await goThroughDowntime();
});
afterAll(async () => {
  await world?.close();
  await connection?.close();
  await nativeConnection?.close();
});

async function goThroughDowntime(): Promise<void> {
  await Promise.all(
    sweep.map(async ({ rule, every, input }) => {
      live.set(`${rule} ${every}`, await begin({ ...everyFour, ...input }, every));
    }),
  );
  for (const seen of live.values()) {
    await eventually(
      () => seen.describe(),
      ({ counts }) => (counts.started ?? 0) >= 1,
    );
  }
  const changing = CONTINUE_AS_NEW_EVERY.map((every, i) =>
    beginChanged(every, { mode: 'all', ...(i % 2 === 0 && { window: '10s' }) }),
  );
  changed = await Promise.all(changing);
  await world.stopSchedules();
  stoppedAtMs = Date.now();
  // These are created while nobody is awake, and come to their end.
  const untilEnd = () => ({ expressions: 'every 1s', endAt: isoInstant(Date.now() + 4 * SECOND) });
  for (const { rule, every, input } of sweep) {
    ended.set(`${rule} ${every}`, await begin({ ...everyFour, ...input, spec: untilEnd() }, every));
  }
  const twice = (every: number) => {
    const input = { ...everyFour, spec: untilEnd(), catchUp: 'all', limitedRuns: 2 } as const;
    return begin(input, every);
  };
  limited = await Promise.all(CONTINUE_AS_NEW_EVERY.map(twice));
  const wakeAtMs = Date.now() + 4 * SECOND + DOWN_MS;
  await eventually(
    async () => Date.now(),
    (nowMs) => nowMs > wakeAtMs,
  );
  restartedAtMs = Date.now();
  await world.startSchedules();
  const goOn = [...live.values(), ...changed.map(({ seen }) => seen)];
  // One after the other: all of them asked again and again would have time for nothing else.
  for (const seen of goOn) untilMs.set(seen, await endAwake(seen));
}

let created = 0;
async function begin(input: ScheduleInput, every: number): Promise<Seen> {
  const id = `s${++created}`;
  const handle = await world.create(id, input, every);
  const beganMs = Date.now();
  return { world, handle, beganMs, describe: () => world.describe(id), fires: () => world.fires(id) };
}

interface Changed {
  readonly seen: Seen;
  /** By what was done to them. */
  readonly nominal: { readonly skip: number; readonly hold: number; readonly move: number };
}

/** Three of its due times, all of them to come while nobody is awake, are not to run as planned. */
async function beginChanged(every: number, catchUp: ScheduleInput['catchUp']): Promise<Changed> {
  const seen = await begin({ ...everyFour, catchUp }, every);
  await seen.describe();
  const { handle } = seen;
  // Asked again where it has passed before it was heard.
  const changeOne = (ahead: number, change: (at: string, to: string) => Promise<unknown>) =>
    eventually(async () => {
      const nominalMs = (Math.floor(Date.now() / SECOND / 4) + ahead) * 4 * SECOND;
      await change(isoInstant(nominalMs), isoInstant(nominalMs + 3 * SECOND));
      return nominalMs;
    });
  const skip = await changeOne(2, (at) => handle.skipOccurrence(at, { reason: 'not needed' }));
  const hold = await changeOne(3, (at) => handle.holdOccurrence(at, { reason: 'not yet' }));
  const move = await changeOne(4, (at, to) => handle.moveOccurrence(at, to));
  return { seen, nominal: { skip, hold, move } };
}

/** Until it is on time again, and then no further. Answers up to when it has accounted for what was due. */
async function endAwake(seen: Seen): Promise<number> {
  await eventually(
    () => seen.describe(),
    ({ nextTimesMs, backlogs, pendingCount }) =>
      (nextTimesMs[0] ?? 0) > restartedAtMs && backlogs.length + pendingCount === 0,
  );
  const workflow = world.client.workflow.getHandle(seen.handle.workflowId);
  await workflow.signal(scheduleSignals.delete, {});
  await workflow.result();
  return ((await seen.describe()).nextTimesMs[0] ?? 0) - 1;
}

/** The newest was due when it woke, so it goes first; what was late follows, and the oldest of it first. */
function expectLiveFirst(all: readonly Accounted[]): void {
  const since = startedSince(all, restartedAtMs);
  const late = since.filter(({ dueMs }) => dueMs <= restartedAtMs - LATE_AFTER_MS);
  const [first] = since.toSorted((a, b) => (a.startedAtMs ?? 0) - (b.startedAtMs ?? 0));
  expect(first?.dueMs, toldFrom(all, restartedAtMs)).toBeGreaterThan(restartedAtMs - LATE_AFTER_MS);
  expectInOrder(late);
}

const of = (all: ReadonlyMap<string, Seen>, rule: string, every: number): Seen => {
  const seen = all.get(`${rule} ${every}`);
  if (seen === undefined) throw new Error(`there is no schedule that catches up ${rule}`);
  return seen;
};

describe('a schedule that goes on', () => {
  test.each(sweep)('catches up $rule, continued as new every $every turns', async ({ rule, every }) => {
    const seen = of(live, rule, every);
    await expectAccount(seen);
    const all = await accountUntil(seen, untilMs.get(seen) ?? 0);
    if (RUN_ALL.has(rule)) {
      const late = all.filter(({ dueMs }) => dueMs <= restartedAtMs);
      expect(new Set(late.map(({ fire }) => fire.outcome)), toldFrom(all, restartedAtMs)).toEqual(
        new Set(['started']),
      );
    }
    const { definition } = await seen.describe();
    const decisions = expectRule(definition.catchUp, all, stoppedAtMs);
    if (!RUN_ALL.has(rule)) expect(decisions).toBeGreaterThanOrEqual(1);
    if (definition.catchUp.mode === 'all') expectLiveFirst(all);
  });
});

describe('a schedule that came to its end while nobody was awake', () => {
  test.each(sweep)('catches up $rule, continued as new every $every turns', async ({ rule, every }) => {
    const seen = of(ended, rule, every);
    const { definition } = await eventually(
      () => seen.describe(),
      ({ state, unsentRows }) => state === 'finished' && unsentRows === 0,
    );
    await expectAccount(seen);
    const all = await accountUntil(seen, definition.spec.endAtMs ?? 0);
    expect(all.length).toBeGreaterThanOrEqual(3);
    expectInOrder(startedSince(all, restartedAtMs));
    const decisions = expectRule(definition.catchUp, all, stoppedAtMs);
    expect(decisions).toBe(RUN_ALL.has(rule) ? 0 : 1);
    const rows =
      {
        none: [`missed x${all.length}`],
        latest: [`superseded x${all.length - 1}`, 'started'],
        'latest within 10 s': [`missed x${all.length}`],
        'all within 10 s': [`missed x${all.length}`],
      }[rule] ?? all.map(() => 'started');
    expect(ledgerOf(await seen.fires())).toEqual(rows);
    await seen.handle.delete();
  });

  test('runs no more of it than its limited runs', async () => {
    for (const seen of limited) {
      const { definition } = await eventually(
        () => seen.describe(),
        ({ state, unsentRows }) => state === 'finished' && unsentRows === 0,
      );
      await expectAccount(seen);
      const all = await accountUntil(seen, definition.spec.endAtMs ?? 0);
      expectInOrder(startedSince(all, restartedAtMs));
      const fires = await seen.fires();
      expect(ledgerOf(fires)).toEqual(['started', 'started', `dropped x${all.length - 2}`]);
      expect(fires.at(-1)?.reason).toBe('the limited runs are used up');
      await seen.handle.delete();
    }
  });
});

test('what was skipped, held or moved is so after a downtime, too, and none of it is missed', async () => {
  for (const { seen, nominal } of changed) {
    await expectAccount(seen);
    const all = await accountUntil(seen, untilMs.get(seen) ?? 0);
    const outcomes = new Map(all.map(({ dueMs, fire }) => [dueMs, fire.outcome]));
    expect(outcomes.get(nominal.skip)).toBe('skipped-occurrence');
    expect(outcomes.get(nominal.hold)).toBe('held');
    expect(outcomes.get(nominal.move)).toBe('moved');
    const others = all.filter(({ dueMs }) => !Object.values(nominal).includes(dueMs));
    const { definition } = await seen.describe();
    expectRule(definition.catchUp, others, stoppedAtMs);
  }
});
