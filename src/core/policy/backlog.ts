/**
 * A backlog: due times of a stretch that are run behind the live fires, at a pace and so many at a time (catch-up `all`,
 * backfill). Carried in the schedule workflow's state, so it is a cursor and a count, never a list. `quota` says how
 * many may start now, `advanceBacklog` what is left after they did. Pure, plain data in and out.
 */
import type { DueSummary } from '../../contract/activities.ts';
import { BACKLOG_STARTS_MAX } from '../limits.ts';

/** Credit is counted in thousandths of a start: a millisecond earns `perSecond` of them, so nothing is rounded off. */
const START = 1_000;

export interface Backlog {
  readonly id: string;
  readonly kind: 'catch-up' | 'backfill';
  readonly order: 'oldest' | 'newest';
  /** What is left is in (afterMs, untilMs]; the end that the order takes from moves towards the other. */
  readonly afterMs: number;
  readonly untilMs: number;
  /** Its runs at a time; 0 = no limit. */
  readonly concurrency: number;
  /** Its starts a second, over time; 0 = no limit. At most 50 start at once, whatever the pace. */
  readonly perSecond: number;
  /** Due times left, for people and as a bound on what is asked for: at least 1 until the stretch is empty. */
  readonly left: number;
  /** Due times dealt with. */
  readonly done: number;
  /** What was saved up, in thousandths of a start, and when: a token bucket. */
  readonly credit: number;
  readonly creditAtMs: number;
}

export interface BacklogInput extends Pick<Backlog, 'id' | 'kind' | 'order' | 'concurrency' | 'perSecond'> {
  /** What is to be run. */
  readonly due: DueSummary;
  readonly nowMs: number;
}

/** A backlog of all due times of a summary; its first batch may start at once. */
export function createBacklog({ due, nowMs, ...settings }: BacklogInput): Backlog {
  return {
    ...settings,
    // Whole milliseconds, so both ends are exact and the last time dealt with is known to be the last.
    afterMs: due.firstMs - 1,
    untilMs: due.lastMs,
    left: due.count,
    done: 0,
    credit: batchOf(settings) * START,
    creditAtMs: nowMs,
  };
}

export interface Quota {
  /** How many may start now. After that, and an advance by what came of them, ask again. */
  readonly starts: number;
  /** Where none may: when time alone allows some. Absent where the end of one of its runs has to come first, or it is finished. */
  readonly lookAgainAtMs?: number;
}

/**
 * Looking again waits for a batch, so that a slow pace costs a wake-up a second and not one for each start. Who looks
 * earlier may start what is saved up by then, and who looks a second late has lost nothing (up to 25/s; half a second at 50/s): the pace does not drift.
 */
export function quota(
  backlog: Backlog,
  { running, nowMs }: { readonly running: number; readonly nowMs: number },
): Quota {
  const { concurrency, perSecond, left } = backlog;
  const room = concurrency === 0 ? Infinity : Math.max(0, concurrency - running);
  const wanted = isFinished(backlog) ? 0 : Math.min(room, left, BACKLOG_STARTS_MAX);
  if (wanted === 0 || perSecond === 0) return { starts: wanted };
  const credit = creditAt(backlog, nowMs);
  const starts = Math.min(wanted, Math.floor(credit / START));
  if (starts > 0) return { starts };
  const missing = Math.min(wanted, batchOf(backlog)) * START - credit;
  return { starts: 0, lookAgainAtMs: nowMs + Math.ceil(missing / perSecond) };
}

export interface BacklogTurn {
  /** Due times dealt with, started or recorded without a start: the next ones by its order. */
  readonly timesMs: readonly number[];
  readonly nowMs: number;
  /** Fewer were found than were asked for: nothing is left, whatever was counted before. */
  readonly exhausted?: boolean;
}

/** Moves the cursor past the due times dealt with and takes their credit; fields that its host has added stay. */
export function advanceBacklog<B extends Backlog>(backlog: B, turn: BacklogTurn): B {
  const { timesMs, nowMs, exhausted = false } = turn;
  const oldest = backlog.order === 'oldest';
  const untilMs = oldest ? backlog.untilMs : Math.min(backlog.untilMs, ...timesMs.map((ms) => ms - 1));
  const afterMs = oldest ? Math.max(backlog.afterMs, ...timesMs) : backlog.afterMs;
  const next = {
    ...backlog,
    afterMs: exhausted ? Math.max(afterMs, untilMs) : afterMs,
    untilMs,
    done: backlog.done + timesMs.length,
    credit: creditAt(backlog, nowMs) - timesMs.length * START,
    creditAtMs: Math.max(nowMs, backlog.creditAtMs),
  };
  // It was counted earlier, and calendars change: only an empty stretch is the end.
  return { ...next, left: isFinished(next) ? 0 : Math.max(1, backlog.left - timesMs.length) };
}

/** Nothing is left to start; its runs may still be going. */
export function isFinished({ afterMs, untilMs }: Pick<Backlog, 'afterMs' | 'untilMs'>): boolean {
  return afterMs >= untilMs;
}

/** Saved up before a look is worth it: a second's worth, at least one and at most half of what one step starts. */
function batchOf({ perSecond }: Pick<Backlog, 'perSecond'>): number {
  return Math.min(BACKLOG_STARTS_MAX / 2, Math.max(1, Math.floor(perSecond)));
}

/** A batch and what a look that is a second late adds to it (half a second at 50/s); the rest is lost, as a burst is bounded. */
function creditAt(backlog: Backlog, nowMs: number): number {
  const earned = Math.max(0, nowMs - backlog.creditAtMs) * backlog.perSecond;
  const most = Math.min(BACKLOG_STARTS_MAX, batchOf(backlog) + Math.ceil(backlog.perSecond));
  return Math.min(most * START, backlog.credit + earned);
}
