/**
 * One repeat of the suite `fires`: both sides run all lanes at the same time on one server, and
 * afterwards their histories are read. Called by `suite.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Names } from '../../src/contract/ids.ts';
import { eventually, type Ground } from '../ground.ts';
import { allEvents, startTime, startTimes } from '../histories.ts';
import { percentile } from '../statistics.ts';
import { type Entrant, enterNative, enterOurs, type Lane } from './contestants.ts';

/** Fires before the counted ones: caches fill, code warms up, timers settle into their rhythm. */
export const WARM_UP_MS = 6_000;
/** The counted stretch begins at one of these, so that every lane has the same number of fires in it. */
export const GRID_MS = 5_000;
/** A last fire later than this is counted as not started. */
const LATE_MS_MAX = 5_000;

/** What one side did in one rhythm, over all lanes of it. */
export interface Score {
  readonly eventsPerFire: number;
  readonly bytesPerFire: number;
  readonly lateP50Ms: number;
  readonly lateP99Ms: number;
  /** Nominal times without an invocation. */
  readonly notStarted: number;
}

export interface Scores {
  readonly ours: ReadonlyMap<number, Score>;
  readonly native: ReadonlyMap<number, Score>;
}

/** Runs the lanes, `lengthMs` of them counted, and answers the scores by interval. */
export async function race(
  ground: Ground,
  names: Names,
  lanes: readonly Lane[],
  lengthMs: number,
): Promise<Scores> {
  const entered = lanes.map(async (lane) => {
    const [ours, native] = await Promise.all([
      enterOurs(ground, names, lane),
      enterNative(ground, names, lane),
    ]);
    return { lane, ours, native };
  });
  const pairs = await Promise.all(entered);
  const fromMs = Math.ceil((Date.now() + WARM_UP_MS) / GRID_MS) * GRID_MS;
  const untilMs = fromMs + lengthMs;
  await sleep(untilMs - Date.now(), undefined, { signal: ground.signal });
  const entrants = pairs.flatMap(({ lane, ours, native }) => [
    { lane, entrant: ours },
    { lane, entrant: native },
  ]);
  await Promise.all(entrants.map(({ lane, entrant }) => lastStarted(ground, lane, entrant, fromMs, untilMs)));
  await Promise.all(entrants.map(({ entrant }) => entrant.delete()));

  const scoresOf = async (side: 'ours' | 'native') => {
    const runs = new Map<number, LaneRun[]>();
    for (const { lane, [side]: entrant } of pairs) {
      const run = await readLane(ground, lane, entrant, fromMs, untilMs);
      runs.set(lane.everyMs, [...(runs.get(lane.everyMs) ?? []), run]);
    }
    return new Map([...runs].map(([everyMs, some]) => [everyMs, scoreOf(some)]));
  };
  return { ours: await scoresOf('ours'), native: await scoresOf('native') };
}

async function lastStarted(ground: Ground, lane: Lane, entrant: Entrant, fromMs: number, untilMs: number) {
  const lastMs = nominalTimes(lane, fromMs, untilMs).at(-1) ?? fromMs;
  const ask = () => startTime(ground.client, entrant.invocationId(lastMs));
  const what = `${entrant.workflowId}: its last start`;
  await eventually(ground, what, LATE_MS_MAX, ask).catch((error: unknown) => {
    ground.signal.throwIfAborted();
    // It shows in the row of those not started.
    ground.progress(error instanceof Error ? error.message : String(error));
  });
}

/** Nominal times in [fromMs, untilMs); `fromMs` is on the grid of every lane. */
function nominalTimes(lane: Lane, fromMs: number, untilMs: number): readonly number[] {
  const times: number[] = [];
  for (let atMs = fromMs + lane.phaseMs; atMs < untilMs; atMs += lane.everyMs) times.push(atMs);
  return times;
}

interface LaneRun {
  readonly latenessMs: readonly number[];
  readonly notStarted: number;
  readonly fires: number;
  readonly events: number;
  readonly bytes: number;
}

/**
 * Events are counted from one start to another, the first and the last of the stretch: a scheduler that is in a rhythm
 * has written the same events between any two starts, so nothing of a half-counted fire is in the figure.
 */
async function readLane(
  { client }: Ground,
  lane: Lane,
  entrant: Entrant,
  fromMs: number,
  untilMs: number,
): Promise<LaneRun> {
  const nominal = nominalTimes(lane, fromMs, untilMs);
  const found = await startTimes(
    client,
    nominal.map((atMs) => entrant.invocationId(atMs)),
  );
  const starts = found.flatMap((atMs, i) => {
    const nominalMs = nominal[i];
    return atMs === undefined || nominalMs === undefined ? [] : [{ atMs, lateMs: atMs - nominalMs }];
  });
  const firstMs = starts[0]?.atMs ?? Number.NaN;
  const lastMs = starts.at(-1)?.atMs ?? Number.NaN;
  const events = (await allEvents(client, entrant.workflowId, entrant.firstRunId)).filter(
    ({ atMs }) => atMs > firstMs && atMs <= lastMs,
  );
  return {
    latenessMs: starts.map(({ lateMs }) => lateMs),
    notStarted: nominal.length - starts.length,
    // None in between: the figures per fire are NaN, which meets no goal.
    fires: Math.max(0, starts.length - 1),
    events: events.length,
    bytes: events.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function scoreOf(runs: readonly LaneRun[]): Score {
  const sum = (of: (run: LaneRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const fires = sum((run) => run.fires);
  const latenessMs = runs.flatMap((run) => run.latenessMs);
  return {
    eventsPerFire: sum((run) => run.events) / fires,
    bytesPerFire: sum((run) => run.bytes) / fires,
    lateP50Ms: percentile(latenessMs, 50),
    lateP99Ms: percentile(latenessMs, 99),
    notStarted: sum((run) => run.notStarted),
  };
}
