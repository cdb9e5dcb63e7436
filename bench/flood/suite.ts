/**
 * Suite `flood`: messages to a schedule that fires every second, an undisturbed one beside it. First as many as the
 * SDK lets through, which must lose no fire and delay none by more than a second; then a raw burst that is more than
 * Temporal takes, after which the schedule must find back by itself. Run by `main.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Schedules } from '../../src/client/schedules.ts';
import { createNames, type Names } from '../../src/contract/ids.ts';
import { accounted, accountOf, automaticFires, type Stretch } from '../account.ts';
import { type Ground, onFreshGround } from '../ground.ts';
import { hostBoth } from '../hosts.ts';
import { type Measured, type Row, type Settings, type Suite, toRow } from '../suite.ts';
import { SCHEDULE, sendPaced, sendRaw } from './messages.ts';

const SECOND = 1_000;
const WARM_UP_MS = 5_000;
/** What the SDK allows for one schedule. */
const PER_SECOND = 100;
/** The burst holds so many times the messages before it: more than the 10,000 signals that a run may take. */
const BURST = 1.5;
const RECOVERED_WITHIN_MS = 180_000;
/** It has found back when this many fires in a row were on time. */
const ON_TIME_IN_A_ROW = 5;
const ON_TIME_MS = SECOND;

const FLOODED = 'flooded';
const CALM = 'calm';

export const flood: Suite = {
  summary:
    'messages at the allowed rate, and a raw burst: fires lost and delayed, beside an undisturbed schedule',
  defaults: { repeats: 1, count: 10_000 },
  counts: 'messages, the burst holding 1.5 times as many',
  countMax: 100_000,
  lengthMs: ({ repeats, count }) => repeats * (30_000 + (count / PER_SECOND) * SECOND + count * 8),
  async run(settings, context) {
    const runs: Run[] = [];
    for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
      runs.push(await onFreshGround(context, (ground) => floodOnce(ground, settings)));
    }
    return rowsOf(runs, settings);
  },
};

interface Paced {
  readonly refused: number;
  readonly wrong: number;
  readonly passedOver: number;
  readonly latestMs: number;
}

interface Burst {
  readonly refused: number;
  readonly wrong: number;
  readonly passedOver: number;
  /** The longest time in which nothing was started. */
  readonly stallS: number;
  readonly recoveredS: number;
}

interface Run {
  readonly flooded: Paced;
  readonly calm: Paced;
  readonly burst: Burst;
}

async function floodOnce(ground: Ground, { count }: Settings): Promise<Run> {
  const names = createNames();
  await hostBoth(ground, names);
  const schedules = new Schedules(ground.client, names);
  for (const id of [FLOODED, CALM]) await schedules.create(id, SCHEDULE);
  await sleep(WARM_UP_MS, undefined, { signal: ground.signal });

  const fromMs = nextSecondMs();
  const { refused, reasons, tookMs } = await sendPaced(ground, names, FLOODED, {
    count,
    perSecond: PER_SECOND,
  });
  const untilMs = nextSecondMs();
  ground.progress(`${count} messages in ${(tookMs / SECOND).toFixed(1)} s, ${refused} refused ${reasons}`);
  const pacedOf = async (scheduleId: string, refusedHere: number): Promise<Paced> => {
    const stretch = { scheduleId, everyMs: SECOND, fromMs, untilMs };
    await accounted(ground, stretch, RECOVERED_WITHIN_MS);
    const { wrong, passedOver, lateMs } = await accountOf(ground, names, stretch);
    return { refused: refusedHere, wrong, passedOver, latestMs: Math.max(...lateMs) };
  };
  const flooded = await pacedOf(FLOODED, refused);
  const calm = await pacedOf(CALM, 0);
  ground.progress(`latest fire ${flooded.latestMs} ms; of the undisturbed schedule ${calm.latestMs} ms`);
  return { flooded, calm, burst: await burstOnce(ground, names, Math.round(count * BURST)) };
}

async function burstOnce(ground: Ground, names: Names, count: number): Promise<Burst> {
  const fromMs = nextSecondMs();
  const { refused, reasons, tookMs } = await sendRaw(ground, names.scheduleWorkflowId(FLOODED), count);
  const endedMs = Date.now();
  ground.progress(
    `raw burst of ${count} signals in ${(tookMs / SECOND).toFixed(1)} s, ${refused} refused ${reasons}`,
  );
  const recoveredMs = await recovered(ground);
  const stretch: Stretch = { scheduleId: FLOODED, everyMs: SECOND, fromMs, untilMs: nextSecondMs() };
  await accounted(ground, stretch, RECOVERED_WITHIN_MS);
  const { wrong, passedOver } = await accountOf(ground, names, stretch);
  const burst = {
    ...{ refused, wrong, passedOver },
    stallS: (await longestPauseMs(ground, stretch)) / SECOND,
    recoveredS: Math.max(0, recoveredMs - endedMs) / SECOND,
  };
  const { stallS, recoveredS } = burst;
  ground.progress(`stalled for ${stallS.toFixed(1)} s, on time again after ${recoveredS.toFixed(1)} s`);
  return burst;
}

/** When its fires were on time again; NaN where that took too long. */
async function recovered(ground: Ground): Promise<number> {
  const giveUpMs = Date.now() + RECOVERED_WITHIN_MS;
  while (Date.now() < giveUpMs) {
    await sleep(SECOND, undefined, { signal: ground.signal });
    const untilMs = nextSecondMs() - SECOND;
    const fromMs = untilMs - ON_TIME_IN_A_ROW * SECOND;
    const fires = await automaticFires(ground, { scheduleId: FLOODED, fromMs, untilMs });
    const onTime = fires.filter(
      ({ outcome, toMs, decidedAtMs }) => outcome === 'started' && decidedAtMs - toMs <= ON_TIME_MS,
    );
    if (onTime.length === ON_TIME_IN_A_ROW) return fromMs;
  }
  ground.progress(`not on time again within ${RECOVERED_WITHIN_MS / SECOND} s`);
  return Number.NaN;
}

async function longestPauseMs(ground: Ground, stretch: Stretch): Promise<number> {
  const fires = await automaticFires(ground, { ...stretch, fromMs: stretch.fromMs - WARM_UP_MS });
  const decided = fires.filter(({ outcome }) => outcome === 'started').map(({ decidedAtMs }) => decidedAtMs);
  const inOrder = decided.toSorted((a, b) => a - b);
  const pauses = inOrder.slice(1).map((atMs, i) => atMs - (inOrder[i] ?? Number.NaN));
  return Math.max(...pauses);
}

function nextSecondMs(): number {
  return Math.ceil(Date.now() / SECOND) * SECOND;
}

function rowsOf(runs: readonly Run[], { count }: Settings): readonly Row[] {
  const paced = (what: string, value: (one: Paced) => number, goal: Measured['goal'] = {}): Measured => ({
    metric: `${count} messages at ${PER_SECOND}/s: ${what}`,
    ours: runs.map(({ flooded }) => value(flooded)),
    peer: runs.map(({ calm }) => value(calm)),
    goal,
  });
  const burst = (what: string, value: (one: Burst) => number, goal: Measured['goal'] = {}): Measured => ({
    metric: `raw burst of ${Math.round(count * BURST)}: ${what}`,
    ours: runs.map((run) => value(run.burst)),
    goal,
  });
  const none = { ours: 0 };
  const measured: readonly Measured[] = [
    paced('messages refused', (one) => one.refused, none),
    paced('due times not in exactly one row', (one) => one.wrong, none),
    paced('due times not started', (one) => one.passedOver, none),
    paced('latest fire (ms)', (one) => one.latestMs),
    {
      metric: `${count} messages at ${PER_SECOND}/s: later than undisturbed (ms)`,
      ours: runs.map(({ flooded, calm }) => flooded.latestMs - calm.latestMs),
      goal: { ours: SECOND },
    },
    burst('signals refused', (one) => one.refused),
    burst('longest time without a fire (s)', (one) => one.stallS),
    burst('on time again after the last signal (s)', (one) => one.recoveredS, {
      ours: RECOVERED_WITHIN_MS / SECOND,
    }),
    burst('due times not in exactly one row', (one) => one.wrong, none),
    burst('due times superseded', (one) => one.passedOver),
  ];
  return measured.map(toRow);
}
