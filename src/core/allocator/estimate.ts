/**
 * When what waits may begin: plays the queue on, many times over, each time with other lengths drawn from those of past
 * runs, and tells the middle and the band of what came out. Called by the store for `explain`. Pure: the random numbers
 * are an argument. It may import types, limits, and the allocator's other files.
 *
 * Played by the rules of placing, with two liberties that keep it fast: workers are those of now (none comes, none goes),
 * and of several that free capacity at once the first by time serves first.
 */
import type { StartEstimate } from '../../contract/explanations.ts';
import {
  ESTIMATE_COURSES,
  ESTIMATE_COURSES_MIN,
  ESTIMATE_QUEUE_MAX,
  ESTIMATE_RUNS_MIN,
  ESTIMATE_STEPS_MAX,
} from '../limits.ts';
import { linesOf, playOn } from './play-on.ts';
import { type Candidate, compareDemands, type Demand } from './place.ts';
import { drawFrom, type RunTimes, runsIn } from './run-times.ts';

/** Something that holds capacity now. */
export interface Running {
  readonly workerId: string;
  readonly target: string;
  readonly size: number;
  readonly sinceMs: number;
}

export interface Outlook {
  readonly nowMs: number;
  readonly reserveAfterMs: number;
  readonly workers: readonly Candidate[];
  readonly running: readonly Running[];
  readonly waiting: readonly Demand[];
  /** By target. */
  readonly runTimes: ReadonlyMap<string, RunTimes>;
  /** From 0 up to 1, not 1. */
  random(): number;
}

type Draw = ReturnType<typeof drawFrom>;

/** Of each that waits, by its id. */
export function estimateStarts(outlook: Outlook): ReadonlyMap<string, StartEstimate> {
  const queue = outlook.waiting.toSorted(compareDemands);
  const near = queue.slice(0, ESTIMATE_QUEUE_MAX);
  const known = new Map([...outlook.runTimes].filter(([, times]) => runsIn(times) >= ESTIMATE_RUNS_MIN));
  const starts = new Map<string, number[]>(near.map(({ evalId }) => [evalId, []]));
  // Each course asks for the same again: what runs has run as long in all of them.
  const draws = new Map(Array.from(known.keys(), (target) => [target, new Map<number, Draw>()]));
  const lengthMs = (target: string, elapsedMs: number): number => {
    const times = known.get(target);
    if (times === undefined) return Infinity;
    const draw = draws.get(target)?.get(elapsedMs) ?? drawFrom(times, elapsedMs);
    draws.get(target)?.set(elapsedMs, draw);
    return draw(outlook.random());
  };
  const courses = known.size === 0 ? 1 : coursesFor(near, outlook.running);
  for (let n = 0; n < courses; n += 1) {
    for (const [evalId, atMs] of playOn({ ...outlook, waiting: near, lengthMs }))
      starts.get(evalId)?.push(atMs);
  }
  return new Map(
    queue.map((demand, at): [string, StartEstimate] => {
      const atMs = starts.get(demand.evalId);
      if (!someCould(demand, outlook)) return [demand.evalId, { kind: 'unknown', why: 'nobody-could' }];
      if (atMs === undefined) return [demand.evalId, { kind: 'unknown', why: 'too-far-back' }];
      return [demand.evalId, summedUp(atMs, targetsBefore(near, at, outlook.running), { known, courses })];
    }),
  );
}

/** Fewer where each takes long: an answer is wanted within a second. */
function coursesFor(queue: readonly Demand[], running: readonly Running[]): number {
  const steps = (queue.length + running.length) * linesOf(queue).length;
  return Math.max(ESTIMATE_COURSES_MIN, Math.min(ESTIMATE_COURSES, Math.floor(ESTIMATE_STEPS_MAX / steps)));
}

/** Whether any worker of now could hold it if it were empty. */
function someCould({ target, size, dataset }: Demand, { workers, nowMs }: Outlook): boolean {
  return workers.some(
    (worker) =>
      worker.expiresAtMs > nowMs &&
      worker.state === 'active' &&
      worker.capacity >= size &&
      worker.targets.includes(target) &&
      (dataset?.mode !== 'required' || worker.datasets.includes(dataset.id)),
  );
}

/** Whose lengths the start may hang on. */
function targetsBefore(queue: readonly Demand[], at: number, running: readonly Running[]): readonly string[] {
  return [...new Set([...running, ...queue.slice(0, at)].map(({ target }) => target))];
}

function summedUp(
  startsMs: readonly number[],
  targets: readonly string[],
  { known, courses }: { readonly known: ReadonlyMap<string, RunTimes>; readonly courses: number },
): StartEstimate {
  const withoutRuns = targets.filter((target) => !known.has(target)).sort();
  const sorted = startsMs.toSorted((a, b) => a - b);
  // Courses in which it never begins count as later than all others.
  const at = (share: number): number | undefined =>
    sorted[Math.min(courses - 1, Math.floor(share * courses))];
  const [fromAtMs, medianAtMs, untilAtMs] = [at(0.1), at(0.5), at(0.9)];
  if (fromAtMs === undefined || medianAtMs === undefined) {
    return { kind: 'unknown', why: 'no-past-runs', targets: withoutRuns };
  }
  const runs = targets.reduce((sum, target) => sum + runsIn(known.get(target) ?? []), 0);
  const late = untilAtMs === undefined ? {} : { untilAtMs: Math.round(untilAtMs) };
  return {
    kind: 'estimate',
    medianAtMs: Math.round(medianAtMs),
    fromAtMs: Math.round(fromAtMs),
    ...late,
    runs,
    withoutRuns,
  };
}
