/**
 * Suite `fires`: what a fire costs and how late it is, our schedules beside Temporal's own in one run on one server;
 * then what an invocation costs, and what idle schedules and pools cost (nothing). Run by `main.ts`.
 */
import { randomUUID } from 'node:crypto';
import { createNames } from '../../src/contract/ids.ts';
import { type Ground, onFreshGround } from '../ground.ts';
import { hostBoth } from '../hosts.ts';
import { type Goal, type Measured, type Row, type Settings, type Suite, toRow } from '../suite.ts';
import { countQuiet, QUIET_MS } from './quiet.ts';
import type { Lane } from './contestants.ts';
import { GRID_MS, race, type Score, type Scores, WARM_UP_MS } from './race.ts';

const SECOND = 1_000;
/** Five seconds in two lanes: twice the fires in the same time. */
const RHYTHMS = [
  { everyMs: SECOND, phasesMs: [0], lateGoal: { ratio: 0.5 } },
  { everyMs: 5 * SECOND, phasesMs: [0, 2 * SECOND], lateGoal: { ratio: 1 } },
] as const;

export const fires: Suite = {
  summary: 'events, bytes and lateness per fire at 1 s and 5 s, beside native Temporal Schedules',
  defaults: { repeats: 3, count: 60 },
  counts: 'fires at 1 s in each repeat',
  lengthMs: (settings) => settings.repeats * (WARM_UP_MS + GRID_MS + stretchMs(settings)) + QUIET_MS + 20_000,
  run: (settings, context) => onFreshGround(context, (ground) => measure(ground, settings)),
};

/** Whole steps of the grid, so that every lane has its last fire in the stretch. */
function stretchMs({ count }: Settings): number {
  return Math.ceil((count * SECOND) / GRID_MS) * GRID_MS;
}

async function measure(ground: Ground, settings: Settings): Promise<readonly Row[]> {
  const names = createNames();
  await hostBoth(ground, names);
  const repeats: Scores[] = [];
  for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
    const scores = await race(ground, names, newLanes(), stretchMs(settings));
    repeats.push(scores);
    for (const { everyMs } of RHYTHMS) ground.progress(`repeat ${repeat}: ${said(scores, everyMs)}`);
  }
  const raced = RHYTHMS.flatMap(({ everyMs, lateGoal }) => rowsOf(repeats, everyMs, lateGoal));
  ground.progress('counting the events of invocations, idle schedules and idle pools');
  return [...raced, ...(await countQuiet(ground))].map(toRow);
}

function newLanes(): readonly Lane[] {
  return RHYTHMS.flatMap(({ everyMs, phasesMs }) =>
    phasesMs.map((phaseMs) => ({ id: `fires-${randomUUID()}`, everyMs, phaseMs })),
  );
}

function rowsOf(repeats: readonly Scores[], everyMs: number, lateGoal: Goal): readonly Measured[] {
  const row = (what: string, value: (score: Score) => number, goal: Goal = {}): Measured => ({
    metric: `${what} at ${everyMs / SECOND} s`,
    ours: repeats.flatMap(({ ours }) => scoreAt(ours, everyMs).map(value)),
    peer: repeats.flatMap(({ native }) => scoreAt(native, everyMs).map(value)),
    goal,
  });
  return [
    row('history events per fire', (score) => score.eventsPerFire, { ours: 6.5, ratio: 0.8 }),
    row('history bytes per fire', (score) => score.bytesPerFire),
    row('lateness p50 (ms)', (score) => score.lateP50Ms),
    row('lateness p99 (ms)', (score) => score.lateP99Ms, lateGoal),
    row('due times not started', (score) => score.notStarted, { ours: 0 }),
  ];
}

function scoreAt(scores: ReadonlyMap<number, Score>, everyMs: number): readonly Score[] {
  const score = scores.get(everyMs);
  return score === undefined ? [] : [score];
}

function said({ ours, native }: Scores, everyMs: number): string {
  const text = (scores: ReadonlyMap<number, Score>) =>
    scoreAt(scores, everyMs)
      .map((s) => `${s.eventsPerFire.toFixed(2)} events, p50 ${s.lateP50Ms} ms, p99 ${s.lateP99Ms} ms`)
      .join();
  return `${everyMs / SECOND} s: ours ${text(ours)}; native ${text(native)}`;
}
