/**
 * One course of the queue from now on: runs end after given lengths, and what they free goes to those who wait, by the
 * rules of placing. Used by the estimate only. Pure; work grows with the runs that end, not with the workers, as
 * those who wait for the same thing stand in one line of which only the first is looked at.
 */
import type { Running } from './estimate.ts';
import { type Candidate, type Demand, workersKept } from './place.ts';

export interface Course {
  readonly nowMs: number;
  readonly reserveAfterMs: number;
  readonly workers: readonly Candidate[];
  readonly running: readonly Running[];
  /** In the order of service. */
  readonly waiting: readonly Demand[];
  /** How much longer a run takes that has taken `elapsedMs`. */
  lengthMs(target: string, elapsedMs: number): number;
}

interface Site {
  readonly worker: Candidate;
  free: number;
  /** The demand that its free capacity is kept for. */
  keptFor: string | undefined;
}

/** Those who wait for the same: only the first of them can be next. */
interface Line {
  readonly demands: readonly { readonly demand: Demand; readonly place: number }[];
  next: number;
}

/** Starts by eval id; those that never begin are left out. */
export function playOn(course: Course): ReadonlyMap<string, number> {
  const { nowMs } = course;
  const sites = new Map<string, Site>();
  for (const worker of course.workers) {
    if (worker.state !== 'active' || worker.expiresAtMs <= nowMs) continue;
    sites.set(worker.id, { worker, free: worker.free, keptFor: undefined });
  }
  const lines = linesOf(course.waiting);
  const keeps = new Map<string, Site[]>();
  const starts = new Map<string, number>();
  const ends = createEnds();
  for (const { workerId, target, size, sinceMs } of course.running) {
    const site = sites.get(workerId);
    const atMs = nowMs + course.lengthMs(target, Math.max(0, nowMs - sinceMs));
    if (site !== undefined && atMs !== Infinity) ends.push({ atMs, site, size });
  }
  for (const atMs of warmEnds(course)) for (const site of sites.values()) ends.push({ atMs, site, size: 0 });

  const serve = (site: Site, atMs: number): void => {
    for (;;) {
      const found = nextFor(site, atMs);
      if (found === undefined) return;
      const { demand } = found.line.demands[found.line.next] ?? {};
      if (demand === undefined) return;
      found.line.next += 1;
      site.free -= demand.size;
      const kept = keeps.get(demand.evalId) ?? [];
      for (const one of kept) one.keptFor = undefined;
      starts.set(demand.evalId, atMs);
      const endsAtMs = atMs + course.lengthMs(demand.target, 0);
      if (endsAtMs !== Infinity) ends.push({ atMs: endsAtMs, site, size: demand.size });
      // What was kept for it elsewhere is free for others.
      for (const other of kept) if (other !== site) ends.push({ atMs, site: other, size: 0 });
    }
  };

  /** The first by order that this site can take; one that waited too long may have it kept. */
  const nextFor = (site: Site, atMs: number): { readonly line: Line } | undefined => {
    const firsts = lines
      .flatMap((line) => {
        const first = line.demands[line.next];
        return first === undefined || !serves(site.worker, first.demand, atMs) ? [] : [{ line, ...first }];
      })
      .sort((a, b) => a.place - b.place);
    for (const { line, demand } of firsts) {
      if (site.keptFor !== undefined && site.keptFor !== demand.evalId) continue;
      if (site.free >= demand.size) return { line };
      if (site.keptFor !== undefined || site.worker.capacity < demand.size) continue;
      const kept = keeps.get(demand.evalId) ?? [];
      if (kept.length >= workersKept(demand, atMs, course.reserveAfterMs)) continue;
      site.keptFor = demand.evalId;
      keeps.set(demand.evalId, [...kept, site]);
    }
    return undefined;
  };

  for (const site of sites.values()) serve(site, nowMs);
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
    if (starts.size === course.waiting.length) return starts;
    end.site.free += end.size;
    serve(end.site, end.atMs);
  }
  return starts;
}

function serves(worker: Candidate, { target, dataset }: Demand, atMs: number): boolean {
  if (!worker.targets.includes(target)) return false;
  if (dataset === undefined || worker.datasets.includes(dataset.id)) return true;
  return dataset.mode === 'preferred' && atMs >= dataset.warmUntilMs;
}

export function linesOf(waiting: readonly Demand[]): readonly Line[] {
  const lines = new Map<string, { demand: Demand; place: number }[]>();
  waiting.forEach((demand, place) => {
    const { target, size, dataset } = demand;
    const until = dataset?.mode === 'preferred' ? dataset.warmUntilMs : 0;
    const key = JSON.stringify([target, size, dataset?.id, dataset?.mode, until]);
    const line = lines.get(key);
    if (line === undefined) lines.set(key, [{ demand, place }]);
    else line.push({ demand, place });
  });
  return Array.from(lines.values(), (demands) => ({ demands, next: 0 }));
}

/** From each of these on a preferred dataset is done without; a bounded number is enough. */
function warmEnds({ waiting, nowMs }: Course): readonly number[] {
  const ends = waiting.flatMap(({ dataset }) =>
    dataset?.mode === 'preferred' && dataset.warmUntilMs > nowMs ? [dataset.warmUntilMs] : [],
  );
  return [...new Set(ends)].sort((a, b) => a - b).slice(0, WARM_ENDS_MAX);
}

const WARM_ENDS_MAX = 10;

interface End {
  readonly atMs: number;
  readonly site: Site;
  readonly size: number;
}

/** A heap, the earliest first. */
function createEnds() {
  const heap: End[] = [];
  const before = (a: number, b: number): boolean => (heap[a]?.atMs ?? Infinity) < (heap[b]?.atMs ?? Infinity);
  const swap = (a: number, b: number): void => {
    const [one, other] = [heap[a], heap[b]];
    if (one === undefined || other === undefined) return;
    heap[a] = other;
    heap[b] = one;
  };
  return {
    push(end: End): void {
      let at = heap.push(end) - 1;
      for (let up = (at - 1) >> 1; at > 0 && before(at, up); up = (at - 1) >> 1) {
        swap(at, up);
        at = up;
      }
    },
    pop(): End | undefined {
      const first = heap[0];
      const last = heap.pop();
      if (last === undefined || heap.length === 0) return first;
      heap[0] = last;
      for (let at = 0; ; ) {
        const left = 2 * at + 1;
        const least = before(left + 1, left) ? left + 1 : left;
        if (!before(least, at)) return first;
        swap(at, least);
        at = least;
      }
    },
  };
}
