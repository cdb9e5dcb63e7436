/**
 * Suite `catch-up`: a schedule has many missed fires to run, by its rule `all`, while its own later times come due and
 * other schedules fire beside it. Later than the undisturbed by how much? Run by `main.ts`.
 * The missed times are those before the schedule was made, which `catchUp` takes as after a restore: so none of the run
 * is spent on waiting for them to be missed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Schedules } from '../../src/client/schedules.ts';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { createNames, isoInstant, type Names } from '../../src/contract/ids.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { CATCH_UP_PER_SECOND_DEFAULT } from '../../src/core/limits.ts';
import { type Account, accounted, accountOf, type Stretch } from '../account.ts';
import { eventually, type Ground, onFreshGround } from '../ground.ts';
import { startTimes } from '../histories.ts';
import { hostBoth } from '../hosts.ts';
import { percentile } from '../statistics.ts';
import { type Measured, type Row, type Settings, type Suite, toRow } from '../suite.ts';

const SECOND = 1_000;
const WARM_UP_MS = 5_000;
/** The neighbours alone, before there is anything to catch up. */
const CALM_MS = 20_000;
const ACCOUNTED_WITHIN_MS = 30_000;
/** The pace is met over time; on a busy machine it may take longer. */
const SPARE = 3;

const BEHIND = 'behind';
const NEIGHBOURS = ['neighbour-1', 'neighbour-2', 'neighbour-3'];
/** Every run starts, and as many at once as the pace allows. */
const SCHEDULE: ScheduleInput = { spec: 'every 1s', overlap: 'allowAll', catchUp: 'all', target: 'noop' };

export const catchUp: Suite = {
  summary: 'a schedule that catches up: lateness of its live fires and of others, beside undisturbed ones',
  defaults: { repeats: 1, count: 1_000 },
  counts: 'missed fires',
  lengthMs: ({ repeats, count }) => repeats * (30_000 + CALM_MS + paceMs(count)),
  async run(settings, context) {
    const runs: Run[] = [];
    for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
      runs.push(await onFreshGround(context, (ground) => catchUpOnce(ground, settings)));
    }
    return rowsOf(runs, settings);
  },
};

interface Run {
  /** The schedule that catches up, live fires alone. */
  readonly behind: Account;
  /** The others, meanwhile. */
  readonly beside: Account;
  /** The others, before. */
  readonly calm: Account;
  /** Missed fires that have not run. */
  readonly notCaughtUp: number;
}

function paceMs(count: number): number {
  return (count / CATCH_UP_PER_SECOND_DEFAULT) * SECOND;
}

async function catchUpOnce(ground: Ground, { count }: Settings): Promise<Run> {
  const names = createNames();
  await hostBoth(ground, names);
  const schedules = new Schedules(ground.client, names);
  for (const id of NEIGHBOURS) await schedules.create(id, SCHEDULE);
  await sleep(WARM_UP_MS, undefined, { signal: ground.signal });
  const calmFromMs = nextSecondMs();
  await sleep(CALM_MS, undefined, { signal: ground.signal });
  const calm = await accountAll(ground, names, NEIGHBOURS, calmFromMs, calmFromMs + CALM_MS);

  const behind = await schedules.create(BEHIND, SCHEDULE);
  await sleep(WARM_UP_MS, undefined, { signal: ground.signal });
  const missedMs = await setBehind(behind, count);
  const fromMs = nextSecondMs();
  await isCaughtUp(ground, behind, count);
  const untilMs = nextSecondMs();
  const lengthS = (untilMs - fromMs) / SECOND;
  ground.progress(`${count} missed fires caught up in ${lengthS} s`);
  const run = {
    calm,
    behind: await accountAll(ground, names, [BEHIND], fromMs, untilMs),
    beside: await accountAll(ground, names, NEIGHBOURS, fromMs, untilMs),
    notCaughtUp: await notStarted(ground, names, missedMs),
  };
  for (const side of ['calm', 'beside', 'behind'] as const) {
    const { due, lateMs } = run[side];
    const [p50, p99] = [percentile(lateMs, 50), percentile(lateMs, 99)];
    ground.progress(`${side}: ${due} due times, lateness p50 ${p50} ms, p99 ${p99} ms`);
  }
  return run;
}

/** Gives it the `count` nominal times before its creation to run; answers them. */
async function setBehind(handle: ScheduleHandle, count: number): Promise<readonly number[]> {
  const { createdAtMs } = await handle.describe();
  const untilMs = Math.floor(createdAtMs / SECOND) * SECOND;
  const sinceMs = untilMs - count * SECOND;
  const { instants } = await handle.catchUp({ since: isoInstant(sinceMs), until: isoInstant(untilMs) });
  if (instants !== count) throw new Error(`${instants} fires are to be caught up, not ${count}`);
  return Array.from({ length: count }, (_, i) => sinceMs + (i + 1) * SECOND);
}

async function isCaughtUp(ground: Ground, handle: ScheduleHandle, count: number): Promise<void> {
  // Seldom, as every question is a task of the schedule that is looked at.
  await sleep(paceMs(count), undefined, { signal: ground.signal });
  await eventually(ground, 'the catch-up', paceMs(count) * SPARE + ACCOUNTED_WITHIN_MS, async () => {
    await sleep(SECOND, undefined, { signal: ground.signal });
    const { backlogs } = await handle.describe();
    return backlogs.length === 0 ? true : undefined;
  });
}

/** Of several schedules as one. */
async function accountAll(
  ground: Ground,
  names: Names,
  ids: readonly string[],
  fromMs: number,
  untilMs: number,
): Promise<Account> {
  const accounts: Account[] = [];
  for (const scheduleId of ids) {
    const stretch: Stretch = { scheduleId, everyMs: SECOND, fromMs, untilMs };
    await accounted(ground, stretch, ACCOUNTED_WITHIN_MS);
    accounts.push(await accountOf(ground, names, stretch));
  }
  const sum = (of: (account: Account) => number) => accounts.reduce((total, one) => total + of(one), 0);
  return {
    due: sum(({ due }) => due),
    wrong: sum(({ wrong }) => wrong),
    passedOver: sum(({ passedOver }) => passedOver),
    lateMs: accounts.flatMap(({ lateMs }) => lateMs),
  };
}

async function notStarted({ client }: Ground, names: Names, timesMs: readonly number[]): Promise<number> {
  const ids = timesMs.map((nominalMs) => names.fireInvocationId(BEHIND, nominalMs));
  return (await startTimes(client, ids)).filter((atMs) => atMs === undefined).length;
}

function nextSecondMs(): number {
  return Math.ceil(Date.now() / SECOND) * SECOND;
}

function rowsOf(runs: readonly Run[], { count }: Settings): readonly Row[] {
  const p99 = ({ lateMs }: Account): number => percentile(lateMs, 99);
  const row = (what: string, ours: (run: Run) => number, more: Partial<Measured> = {}): Measured => ({
    metric: `${count} caught up: ${what}`,
    ours: runs.map(ours),
    ...more,
  });
  const beside = runs.map((run) => p99(run.beside));
  const none = { goal: { ours: 0 } };
  const measured: readonly Measured[] = [
    row('its live fires, lateness p99 (ms)', (run) => p99(run.behind), { peer: beside }),
    row('its live fires later than others at p99 (ms)', (run) => p99(run.behind) - p99(run.beside), {
      goal: { ours: SECOND },
    }),
    row('others, lateness p99, before as peer (ms)', (run) => p99(run.beside), {
      peer: runs.map((run) => p99(run.calm)),
    }),
    row('others later than before at p99 (ms)', (run) => p99(run.beside) - p99(run.calm), {
      goal: { ours: SECOND },
    }),
    row('live due times not started', (run) => run.behind.passedOver + run.beside.passedOver, none),
    row('live due times not in exactly one row', (run) => run.behind.wrong + run.beside.wrong, none),
    row('missed fires that have not run', (run) => run.notCaughtUp, none),
  ];
  return measured.map(toRow);
}
