/** A schedule's life in minutes and hours, on the server whose time skips: scenarios as data, swept over continue-as-new. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isoInstant } from '../../src/contract/ids.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { parseDuration } from '../../src/core/duration.ts';
import { quietRuntime } from '../support/shared.ts';
import { createTimeSkippingEnvironment } from '../support/time-skipping.ts';
import {
  act,
  CONTINUE_AS_NEW_EVERY,
  expectAccount,
  ledgerOf,
  pass,
  type Scenario,
  type Seen,
  settled,
  still,
  type Step,
} from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

let environment: TestWorkflowEnvironment;
let world: ScheduleWorld;

beforeAll(async () => {
  await quietRuntime();
  environment = await createTimeSkippingEnvironment();
  const { connection, nativeConnection, namespace = 'default' } = environment;
  world = await openScheduleWorld({
    connection,
    nativeConnection,
    namespace,
    deployment: 'skips',
    skips: true,
  });
});
afterAll(async () => {
  await world?.close();
  await environment?.teardown();
});

/** A run of `ms` on every full minute. */
const everyMinute = (ms = 0, more: Partial<ScheduleInput> = {}): ScheduleInput => ({
  spec: '* * * * *',
  target: 'x',
  input: { ms },
  ...more,
});
const minutes = (n: number) => n * MINUTE;
/**
 * Its runs end where a scenario lets time pass. A message that comes while its schedule continues as new makes this
 * server lose count of its tasks, and its time never skips again; `schedule.test.ts` has such messages on a real one.
 */
const everyTenMinutesAfter: ScheduleInput = { ...everyMinute(MINUTE / 2), spec: 'with 10m interval' };
const repeat = (n: number, what: string): readonly string[] => Array.from({ length: n }, () => what);
const at = ({ beganMs }: Seen, offsetMs: number) => isoInstant(beganMs + offsetMs);

/** Time between one run's due time and the next one's. */
async function gaps(seen: Seen): Promise<readonly number[]> {
  const dueMs = (await seen.fires()).map(({ fromMs }) => fromMs);
  return dueMs.slice(1).map((ms, i) => ms - (dueMs[i] ?? 0));
}

async function expectGaps(seen: Seen, gapMs: number): Promise<void> {
  for (const gap of await gaps(seen)) {
    // Wake-ups come 50 ms early, and the wait that makes up for it takes no time here.
    expect(gap).toBeGreaterThanOrEqual(gapMs - 1_000);
    expect(gap).toBeLessThan(gapMs + 20_000);
  }
}

const scenarios: readonly Scenario[] = [
  {
    title: 'a cron fires at each nominal time exactly once',
    input: everyMinute(),
    steps: [pass('10m')],
    ledger: repeat(10, 'started'),
    then: async (seen) => {
      const dueMs = (await seen.fires()).map(({ fromMs }) => fromMs - seen.beganMs + 30_000);
      expect(dueMs).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(minutes));
    },
  },
  {
    title: 'a union of recurrences fires coinciding times once',
    input: { ...everyMinute(), spec: ['*/2 * * * *', '*/3 * * * *', 'every 6m'] },
    steps: [pass('12m')],
    ledger: repeat(8, 'started'),
  },
  {
    title: 'a relative schedule waits for the end of its run and then its interval',
    input: { ...everyMinute(minutes(2)), spec: 'with 5m interval' },
    steps: [pass('25m')],
    ledger: repeat(3, 'started'),
    then: (seen) => expectGaps(seen, minutes(7)),
  },
  {
    title: 'continuously: the next run begins when the one before it ends',
    input: { ...everyMinute(minutes(4)), spec: 'continuously' },
    steps: [pass('19m')],
    ledger: repeat(5, 'started'),
    then: (seen) => expectGaps(seen, minutes(4)),
  },
  {
    title: 'a triggered schedule runs by hand only, and one key is one run',
    input: { ...everyMinute(), spec: 'triggered' },
    steps: [
      pass('2h'),
      act(async ({ handle }) => {
        expect(await handle.trigger({ key: 'monday' })).toMatchObject({ outcome: 'started' });
      }),
      pass('1h'),
      act(async ({ handle }) => {
        const again = await handle.trigger({ key: 'monday' });
        expect(again).toMatchObject({ outcome: 'duplicate', blockedBy: again.invocationId });
      }),
      pass('1h'),
      act(async ({ handle }) => {
        expect((await handle.trigger()).outcome).toBe('started');
      }),
      pass('2h'),
    ],
    ledger: ['manual started', 'manual duplicate', 'manual started'],
  },
  {
    title: 'overlap skip: what comes due while a run goes on is skipped, by name of the run',
    input: everyMinute(minutes(2.5)),
    steps: [pass('9m')],
    ledger: [1, 2, 3].flatMap(() => ['started', 'skipped-overlap', 'skipped-overlap']),
    then: async (seen) => {
      const fires = await seen.fires();
      expect(fires[1]?.blockedBy).toBe(fires[0]?.invocationId);
      expect(fires[2]?.blockedBy).toBe(fires[0]?.invocationId);
      expect(fires[4]?.blockedBy).toBe(fires[3]?.invocationId);
    },
  },
  {
    title: 'overlap allowAll: every one of them runs',
    input: everyMinute(minutes(2.5), { overlap: 'allowAll' }),
    steps: [pass('9m')],
    ledger: repeat(9, 'started'),
  },
  {
    title: 'a schedule is stuck after three skips behind one run, and says so until one starts again',
    input: everyMinute(minutes(4.5)),
    steps: [
      pass('3m'),
      act(async (seen) => expect((await seen.describe()).state).toBe('active')),
      pass('1m'),
      act(async (seen) => expect(await seen.describe()).toMatchObject({ state: 'stuck', skipsInARow: 3 })),
      pass('2m'),
    ],
    ledger: ['started', ...repeat(4, 'skipped-overlap'), 'started'],
    then: async (seen) => expect((await seen.describe()).state).toBe('active'),
  },
  {
    title: 'a pause keeps the place, is one row with its count, replays nothing, and lets triggers through',
    input: everyMinute(),
    steps: [
      pass('2m'),
      act(({ handle }) => handle.pause({ reason: 'release', actor: 'ann' })),
      act(({ handle }) => handle.pause({ reason: 'again', actor: 'bob' })),
      pass('2m'),
      act(async (seen) => {
        const { state, nextTimesMs, paused } = await seen.describe();
        expect([state, nextTimesMs]).toEqual(['paused', []]);
        expect(paused).toMatchObject({ reason: 'release', actor: 'ann' });
        expect((await seen.handle.trigger({ key: 'now' })).outcome).toBe('started');
      }),
      pass('2m'),
      act(({ handle }) => handle.resume()),
      act(({ handle }) => handle.resume()),
      pass('2m'),
    ],
    ledger: ['started', 'started', 'paused x4', 'manual started', 'started', 'started'],
    then: async (seen) => {
      const row = (await seen.fires()).find(({ outcome }) => outcome === 'paused');
      expect(row?.reason).toBe('paused by ann: release');
    },
  },
  {
    title: 'a pause with an until ends by itself',
    input: everyMinute(),
    steps: [pass('1m'), act((seen) => seen.handle.pause({ until: at(seen, minutes(5)) })), pass('7m')],
    ledger: ['started', 'paused x4', 'started', 'started', 'started'],
  },
  {
    title: 'a schedule switched off until an instant comes back by itself',
    input: everyMinute(),
    steps: [
      pass('1m'),
      act((seen) => seen.handle.disable({ until: at(seen, minutes(5)) })),
      act(async (seen) => expect((await seen.describe()).state).toBe('disabled')),
      pass('7m'),
    ],
    ledger: ['started', 'disabled x4', 'started', 'started', 'started'],
  },
  {
    title: 'a resumed relative schedule that is not yet due runs at its original time',
    input: everyTenMinutesAfter,
    steps: [
      pass('2m'),
      act(({ handle }) => handle.pause()),
      pass('3m'),
      act(({ handle }) => handle.resume()),
      pass('6m'),
    ],
    ledger: ['paused x0', 'started'],
    then: async (seen) => {
      const [, fire] = await seen.fires();
      const { createdAtMs } = await seen.describe();
      expect(fire?.fromMs).toBe(createdAtMs + minutes(10));
    },
  },
  {
    title: 'an enabled relative schedule counts one interval from then',
    input: everyTenMinutesAfter,
    steps: [
      pass('9m'),
      act(({ handle }) => handle.disable()),
      pass('5m'),
      act(({ handle }) => handle.enable()),
      pass('9m'),
      act(async (seen) => expect(ledgerOf(await seen.fires())).toEqual(['disabled x0'])),
      pass('2m'),
    ],
    ledger: ['disabled x0', 'started'],
  },
  {
    title: 'disabled inside a pause, and paused inside a switch-off: each due time counts once',
    input: everyMinute(),
    steps: [
      pass('1m'),
      act(({ handle }) => handle.pause()),
      pass('2m'),
      act(({ handle }) => handle.disable()),
      pass('3m'),
      act(({ handle }) => handle.enable()),
      act(async (seen) => expect((await seen.describe()).state).toBe('paused')),
      pass('2m'),
      act(({ handle }) => handle.resume()),
      pass('1m'),
      act(({ handle }) => handle.disable()),
      act(({ handle }) => handle.pause()),
      pass('2m'),
      act(({ handle }) => handle.resume()),
      pass('2m'),
      act(({ handle }) => handle.enable()),
      pass('1m'),
    ],
    ledger: ['started', 'paused x2', 'disabled x3', 'paused x2', 'started', 'disabled x4', 'started'],
  },
  {
    title: 'one created switched off waits for its enable',
    input: everyMinute(0, { enabled: false }),
    steps: [
      pass('3m'),
      act(async (seen) => expect((await seen.describe()).state).toBe('disabled')),
      act(({ handle }) => handle.enable()),
      pass('2m'),
    ],
    ledger: ['disabled x3', 'started', 'started'],
  },
  {
    title: 'a changed definition acts from now on; an identical, stale or refused one changes nothing',
    input: everyMinute(),
    steps: [
      pass('2m'),
      act(async (seen) => {
        const { handle } = seen;
        expect((await handle.change(everyMinute())).revision).toBe(1);
        const other = { ...everyMinute(), spec: '*/5 * * * *' };
        await expect(handle.change(other, { revision: 7 })).rejects.toMatchObject({
          code: 'RevisionConflict',
          details: { revision: 1 },
        });
        await seen.world.client.workflow
          .getHandle(handle.workflowId)
          .signal('changeSchedule', { schedule: { ...everyMinute(), spec: '61 * * * *' } });
        expect((await handle.change(other, { revision: 1 })).revision).toBe(2);
      }),
      pass('10m'),
    ],
    ledger: repeat(4, 'started'),
    then: async (seen) => {
      const { problems, definition } = await seen.describe();
      expect(definition.spec.expressions).toEqual(['*/5 * * * *']);
      expect(problems.map(({ message }) => message)).toEqual([
        expect.stringContaining('revision 7'),
        expect.stringContaining('61'),
      ]);
    },
  },
  {
    title: 'a schedule past its end is finished and stays readable; a change wakes it, a relative one too',
    input: { ...everyMinute(), spec: { expressions: '* * * * *', endAt: '' } },
    steps: [
      pass('5m'),
      act(async (seen) => {
        expect(await seen.describe()).toMatchObject({ state: 'finished', nextTimesMs: [] });
        const changed = await seen.handle.change(everyTenMinutesAfter);
        expect(changed.state).toBe('active');
        expect(changed.nextTimesMs).toHaveLength(1);
      }),
      pass('11m'),
    ],
    ledger: repeat(4, 'started'),
  },
];

describe.each(scenarios)('$title', (scenario) => {
  test(`continued as new every ${CONTINUE_AS_NEW_EVERY.join(', ')} turns`, async () => {
    const beganMs = await alignedMs();
    const all = await Promise.all(CONTINUE_AS_NEW_EVERY.map((every) => begin(scenario, every, beganMs)));
    await still(all, () => environment.sleep(2));
    try {
      for (const step of scenario.steps) await take(step, all);
      for (const seen of all) {
        expect(ledgerOf(await seen.fires())).toEqual(scenario.ledger);
        await expectAccount(seen);
        await scenario.then?.(seen);
      }
    } finally {
      await Promise.all(all.map((seen) => seen.handle.delete()));
    }
  });
});

async function take(step: Step, all: readonly Seen[]): Promise<void> {
  if ('pass' in step) {
    const length = parseDuration(step.pass);
    if (!length.ok) throw new Error(length.message);
    await environment.sleep(length.ms);
  } else {
    await Promise.all(all.map((seen) => step.act(seen)));
  }
  const nowMs = await environment.currentTimeMs();
  // Timers of a few ms, too, ring here only where time is let pass.
  await still(all, () => environment.sleep(2));
  for (const seen of all) await settled(seen, nowMs);
}

/** Half past the first minute of an hour to come, so that no minute is about to begin. */
async function alignedMs(): Promise<number> {
  const nowMs = await environment.currentTimeMs();
  const beganMs = Math.ceil(nowMs / HOUR) * HOUR + 30_000;
  await environment.sleep(beganMs - nowMs);
  return beganMs;
}

let created = 0;
async function begin({ input }: Scenario, every: number, beganMs: number): Promise<Seen> {
  const id = `s${++created}-every-${every}`;
  const handle = await world.create(id, withEnd(input, beganMs + minutes(3)), every);
  const seen = { world, handle, beganMs, describe: () => world.describe(id), fires: () => world.fires(id) };
  return seen;
}

/** An empty `endAt` stands for three minutes after the beginning. */
function withEnd(input: ScheduleInput, endMs: number): ScheduleInput {
  const { spec } = input;
  if (typeof spec !== 'object' || !('endAt' in spec) || spec.endAt !== '') return input;
  return { ...input, spec: { ...spec, endAt: isoInstant(endMs) } };
}
