/**
 * What becomes of due times that have passed, however many: which stretch is only recorded, which one starts at once and
 * which stretch is run behind the live fires. Called by the schedule workflow with a summary, as a second-by-second
 * schedule may be a month late; stretches that the summary does not tell apart are summed up by `plan`. Pure.
 */
import type { DueSummary } from '../../contract/activities.ts';
import type { CatchUp } from '../../contract/schedule.ts';
import { assertNever } from '../assert.ts';
import { LATE_AFTER_MS } from '../limits.ts';

/** Due times in (afterMs, untilMs]. */
export interface Stretch {
  readonly afterMs: number;
  readonly untilMs: number;
  /** What is in it, where that is known; otherwise to be summed up, and possibly nothing. */
  readonly known?: DueSummary;
}

export interface RecordedStretch extends Stretch {
  readonly reason: string;
}

/** Each due time is in exactly one of them; `missed` comes before `superseded` or `backlog`, and those before `startMs`. */
export interface LateSplit {
  readonly missed?: RecordedStretch;
  readonly superseded?: RecordedStretch;
  /** To be run oldest first, after live fires. */
  readonly backlog?: Stretch;
  /** Starts at once. */
  readonly startMs?: number;
}

/**
 * Splits the due times up to `nowMs` that nothing was decided on. The newest starts at once where it is on time (due no
 * longer than 10 s ago), whatever the mode, so that `none` still runs a fire that is a little late; and with `latest`,
 * where it is within the window. The window is (nowMs - windowMs, nowMs].
 */
export function splitLate(catchUp: CatchUp, due: DueSummary, nowMs: number): LateSplit {
  const onTime = nowMs - due.lastMs <= LATE_AFTER_MS;
  const starts = onTime || (catchUp.mode === 'latest' && due.lastMs > nowMs - catchUp.windowMs);
  const rest = starts ? beforeLast(due) : stretchOf(due);
  return {
    ...(rest !== undefined && splitRest(catchUp, rest, nowMs)),
    ...(starts && { startMs: due.lastMs }),
  };
}

/** The stretch that holds exactly the due times of a summary. */
function stretchOf(due: DueSummary): Stretch {
  return { afterMs: due.firstMs - 1, untilMs: due.lastMs, known: due };
}

/** All but the newest; undefined where that is nothing. Whole milliseconds, so the ends are exact. */
function beforeLast({ count, firstMs, lastMs, beforeLastMs }: DueSummary): Stretch | undefined {
  if (count < 2) return undefined;
  if (beforeLastMs === undefined) return { afterMs: firstMs - 1, untilMs: lastMs - 1 };
  return stretchOf({ count: count - 1, firstMs, lastMs: beforeLastMs });
}

function splitRest(catchUp: CatchUp, rest: Stretch, nowMs: number): LateSplit {
  switch (catchUp.mode) {
    case 'none':
      return { missed: { ...rest, reason: 'it was late, and the schedule does not catch up' } };
    case 'latest':
    case 'all': {
      const { mode, windowMs } = catchUp;
      const [old, recent] = cutAt(rest, nowMs - windowMs);
      const seconds = windowMs / 1_000;
      return {
        ...(old && {
          missed: { ...old, reason: `it was later than the catch-up window of ${seconds} s` },
        }),
        ...(recent && mode === 'all' && { backlog: recent }),
        ...(recent &&
          mode === 'latest' && {
            superseded: { ...recent, reason: 'a newer fire was due when it could run' },
          }),
      };
    }
    default:
      return assertNever(catchUp);
  }
}

/** What is due up to an instant, and after it. */
function cutAt(stretch: Stretch, atMs: number): [Stretch | undefined, Stretch | undefined] {
  if (stretch.untilMs <= atMs) return [stretch, undefined];
  // The first due time is the millisecond after `afterMs`.
  if (stretch.afterMs + 1 > atMs) return [undefined, stretch];
  const { afterMs, untilMs } = stretch;
  return [
    { afterMs, untilMs: atMs },
    { afterMs: atMs, untilMs },
  ];
}
