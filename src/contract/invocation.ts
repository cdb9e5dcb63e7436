/** What an invocation's workflow is started with: by `advance` for schedules, by the SDK for jobs. Types only. */
import type { RunPolicy } from './schedule.ts';
import type { CallTrigger, LastResult, Why, Window } from './target.ts';

export interface InvocationInput {
  readonly run: RunPolicy;
  readonly why: Why;
  readonly scheduleId?: string;
  /** The schedule's creation, so that a re-created schedule is another. */
  readonly creation?: string;
  readonly jobId?: string;
  /** The instant the spec names; for a job its due time. */
  readonly nominalAtMs?: number;
  /** When the start was asked for; with `dueAtMs` it tells when the first try began, over all tries. */
  readonly requestedAtMs: number;
  /** A job waits for it; in the past it runs at once. */
  readonly dueAtMs?: number;
  /** Schedule workflow that is told `invocationEnded`; absent where no policy needs it. */
  readonly notify?: string;
  /** What it answers for, where that is given and not found (a backfill); it then moves nothing. */
  readonly window?: Window;
  /** Where the schedule's first window begins: its creation, as a rule. Counts until a run has succeeded. */
  readonly windowFromMs?: number;
  /** Where several triggers became this one invocation, oldest first. */
  readonly triggers?: readonly CallTrigger[];
  /** Schedules (ids) that are triggered when it has succeeded. */
  readonly downstream?: readonly string[];
}

/** A schedule's creation: what is remembered of its runs is remembered of this. */
export interface ScheduleRef {
  readonly scheduleId: string;
  readonly creation: string;
}

/** What the database knows of a schedule's successful runs. */
export interface SchedulePast {
  /** Where the window of the last successful run ended. */
  readonly windowToMs?: number;
  readonly lastResult?: LastResult;
}

/** What a succeeded invocation's workflow returns. */
export interface InvocationResult {
  readonly result?: unknown;
  /** Absent where it took no capacity. */
  readonly workerId?: string;
  readonly attempts: number;
}
