/**
 * Many sources as one: nominal times that coincide count once, and those that an exclusion covers not at all.
 * Called by spec.ts. Pure. Bounded: no search goes past 2099, and none past `EXCLUDED_MS_MAX` of nothing but exclusions.
 */
import { DAY_MS, HOUR_MS } from './civil.ts';
import { coveredUntil } from './covered-days.ts';
import type { Exclusion } from './exclusion.ts';
import type { Source } from './source.ts';

/** Nominal times, oldest first; windows are (afterMs, untilMs]. */
export interface TimeSet {
  next(afterMs: number): number | undefined;
  times(afterMs: number, untilMs: number, max: number): number[];
  count(afterMs: number, untilMs: number): number;
  /** An exclusion covers that instant. */
  excludes(atMs: number): boolean;
}

/**
 * A spec whose exclusions leave nothing for this long never fires. The calendar repeats itself after 28 years (until
 * 2099), so that 40 hold every combination of date and weekday.
 */
export const EXCLUDED_MS_MAX = 40 * 366 * DAY_MS;

/**
 * Steps of one search, each over a due time that is excluded or a whole hour or day of them. Only specs in seconds that
 * their exclusions cover second by second for years get there.
 */
const STEPS_MAX = 50_000;
/** Steps before whole stretches are looked at, which pays only where much is excluded. */
const STEPS_UNTIL_STRETCHES = 4;

/** Kinds of stretches remembered; an odd fixed rate can make thousands of them. */
const KINDS_MAX = 10_000;
/** The same for those that are kept with the spec. */
const KINDS_KEPT_MAX = 500;

export function union(sources: readonly Source[], exclusions: readonly Exclusion[]): TimeSet {
  const [only] = sources;
  const excludes = (atMs: number) => freeFrom(exclusions, atMs) !== atMs;
  if (exclusions.length > 0) {
    const set = { sources, exclusions, coveredUntil: coveredUntil(sources, exclusions) };
    const kept: Memo = { counts: new Map(), max: KINDS_KEPT_MAX };
    const next = (afterMs: number) => nextAllowed(set, kept, afterMs);
    return {
      next,
      times: (afterMs, untilMs, max) => listed(next, afterMs, untilMs, max),
      count: (afterMs, untilMs) => countOf(set, afterMs, untilMs),
      excludes,
    };
  }
  const next = only !== undefined && sources.length === 1 ? only.next : (ms: number) => nextOf(sources, ms);
  return {
    next,
    times(afterMs, untilMs, max) {
      const times: number[] = [];
      if (max <= 0) return times;
      walk({ sources, exclusions }, afterMs, untilMs, (atMs) => {
        times.push(atMs);
        return times.length < max;
      });
      return times;
    },
    count: (afterMs, untilMs) =>
      only !== undefined && sources.length === 1
        ? only.count(afterMs, untilMs)
        : countOf({ sources, exclusions }, afterMs, untilMs),
    excludes,
  };
}

interface Parts {
  readonly sources: readonly Source[];
  readonly exclusions: readonly Exclusion[];
}

/** Parts of which at least one is an exclusion. */
interface Excluding extends Parts {
  readonly coveredUntil: (atMs: number) => number;
}

interface Memo {
  /** How many times a stretch of that length and kind holds. */
  readonly counts: Map<string, number>;
  readonly max: number;
}

/** The first time of any source strictly after an instant. */
function nextOf(sources: readonly Source[], afterMs: number): number | undefined {
  let first: number | undefined;
  for (const source of sources) {
    const atMs = source.next(afterMs);
    if (atMs !== undefined && (first === undefined || atMs < first)) first = atMs;
  }
  return first;
}

/** One look at each exclusion: an instant at or after `atMs`, equal to it exactly where none covers it. */
function freeFrom(exclusions: readonly Exclusion[], atMs: number): number {
  let freeMs = atMs;
  for (const exclusion of exclusions) freeMs = Math.max(freeMs, exclusion.freeFrom(atMs));
  return freeMs;
}

function listed(next: TimeSet['next'], afterMs: number, untilMs: number, max: number): number[] {
  const times: number[] = [];
  if (max <= 0) return times;
  for (let atMs = next(afterMs); atMs !== undefined && atMs <= untilMs; atMs = next(atMs)) {
    times.push(atMs);
    if (times.length >= max) break;
  }
  return times;
}

/**
 * The first time that no exclusion covers. Excluded times are passed over by the exclusion's own length, then by whole
 * hours and days of a kind that is known to hold none.
 */
function nextAllowed(set: Excluding, kept: Memo, afterMs: number): number | undefined {
  // Before anything reads the data of a zone: a spec that excludes all it names is refused without.
  let fromMs = Math.max(afterMs, set.coveredUntil(afterMs + 1) - 1);
  let giveUpAtMs = Infinity;
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    const atMs = nextOf(set.sources, fromMs);
    if (atMs === undefined || atMs > giveUpAtMs) return undefined;
    const freeMs = freeFrom(set.exclusions, atMs);
    if (freeMs === atMs) return atMs;
    if (steps === 0) giveUpAtMs = atMs + EXCLUDED_MS_MAX;
    let toMs = freeMs - 1;
    if (steps >= STEPS_UNTIL_STRETCHES) {
      toMs = Math.max(toMs, set.coveredUntil(freeMs) - 1);
      const level = UNITS_MS.findIndex((_, unit) => isEmpty(set, kept, atMs, unit));
      const unitMs = UNITS_MS[level];
      if (unitMs !== undefined) toMs = Math.max(toMs, startOf(atMs, unitMs) + unitMs - 1);
    }
    fromMs = toMs;
  }
  return undefined;
}

/** The whole stretch around a time holds none that is allowed. */
function isEmpty(set: Parts, kept: Memo, atMs: number, level: number): boolean {
  const unitMs = UNITS_MS[level];
  if (unitMs === undefined) return false;
  const startMs = startOf(atMs, unitMs);
  return kindOf(set, startMs, unitMs) !== undefined && countWhole(set, startMs, level, kept) === 0;
}

/** Stretches that are counted once for each kind, longest first. */
const UNITS_MS = [DAY_MS, HOUR_MS];

function startOf(atMs: number, unitMs: number): number {
  return Math.floor(atMs / unitMs) * unitMs;
}

function kindOf({ sources, exclusions }: Parts, startMs: number, lengthMs: number): string | undefined {
  let kinds = String(lengthMs);
  for (const parts of [sources, exclusions]) {
    for (const part of parts) {
      const kind = part.kindOf(startMs, lengthMs);
      if (kind === undefined) return undefined;
      kinds += `|${kind}`;
    }
  }
  return kinds;
}

/**
 * How many distinct times lie in (afterMs, untilMs]. They are counted a UTC day at a time, and an hour at a time where
 * days are cut or a clock changes; stretches of one kind (same clock, same pattern) are counted once and multiplied.
 */
function countOf(set: Parts, afterMs: number, untilMs: number): number {
  return countUnits(set, { afterMs, untilMs }, 0, { counts: new Map(), max: KINDS_MAX });
}

function countUnits(
  set: Parts,
  { afterMs, untilMs }: { readonly afterMs: number; readonly untilMs: number },
  level: number,
  memo: Memo,
): number {
  const unitMs = UNITS_MS[level];
  if (unitMs === undefined) return countByWalking(set, afterMs, untilMs);
  let count = 0;
  let fromMs = afterMs;
  while (fromMs < untilMs) {
    const nextMs = nextOf(set.sources, fromMs);
    if (nextMs === undefined || nextMs > untilMs) break;
    // Stretches without any time are passed over at once.
    const startMs = startOf(nextMs, unitMs);
    const lastMs = startMs + unitMs - 1;
    const whole = fromMs < startMs && lastMs <= untilMs;
    const part = { afterMs: Math.max(fromMs, startMs - 1), untilMs: Math.min(lastMs, untilMs) };
    count += whole ? countWhole(set, startMs, level, memo) : countUnits(set, part, level + 1, memo);
    fromMs = part.untilMs;
  }
  return count;
}

function countWhole(set: Parts, startMs: number, level: number, memo: Memo): number {
  const unitMs = UNITS_MS[level] ?? HOUR_MS;
  const kind = kindOf(set, startMs, unitMs);
  const known = kind === undefined ? undefined : memo.counts.get(kind);
  if (known !== undefined) return known;
  const stretch = { afterMs: startMs - 1, untilMs: startMs + unitMs - 1 };
  const count = countUnits(set, stretch, level + 1, memo);
  if (kind !== undefined && memo.counts.size < memo.max) memo.counts.set(kind, count);
  return count;
}

function countByWalking(set: Parts, afterMs: number, untilMs: number): number {
  let count = 0;
  walk(set, afterMs, untilMs, () => {
    count += 1;
    return true;
  });
  return count;
}

/** Visits the distinct times of (afterMs, untilMs] in order until `visit` says false. */
function walk(
  { sources, exclusions }: Parts,
  afterMs: number,
  untilMs: number,
  visit: (atMs: number) => boolean,
): void {
  const upcoming = sources.map((source) => source.next(afterMs) ?? Infinity);
  for (;;) {
    let atMs = Infinity;
    for (const time of upcoming) if (time < atMs) atMs = time;
    if (atMs === Infinity || atMs > untilMs) return;
    const freeMs = freeFrom(exclusions, atMs);
    if (freeMs === atMs && !visit(atMs)) return;
    const passedMs = Math.max(atMs, freeMs - 1);
    for (const [index, source] of sources.entries()) {
      if ((upcoming[index] ?? 0) <= passedMs) upcoming[index] = source.next(passedMs) ?? Infinity;
    }
  }
}
