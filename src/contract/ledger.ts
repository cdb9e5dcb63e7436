/**
 * The ledger's rows and the runs' records, as the database keeps them and every reader sees them.
 * One row for every due time: `kind: 'fire'` for one instant, `'span'` for many of one outcome; and one for every
 * trigger that no spec made.
 */
import type { InputIssue } from './errors.ts';
import { isoInstant } from './ids.ts';

/** What became of a due time; section 3 of the behaviour rules. */
export type Outcome =
  | 'started'
  | 'skipped-overlap'
  | 'skipped-occurrence'
  | 'held'
  | 'moved'
  | 'disabled'
  | 'paused'
  | 'missed'
  | 'superseded'
  | 'dropped'
  | 'duplicate'
  | 'deleted'
  | 'refused';

/**
 * What makes a schedule run: a nominal time, a person or program, a schedule upstream whose run has succeeded, an instant of
 * a backfill.
 */
export type TriggerKind = 'fire' | 'manual' | 'upstream' | 'backfill';

export interface LedgerRow {
  readonly scheduleId: string;
  /** Tells a re-created schedule from the deleted one of the same id. */
  readonly creation: string;
  /** Unique within (scheduleId, creation): `<ISO>` for a fire, `manual/<token>`, `upstream/<token>` and `backfill/<id>/<ISO>` for triggers, `<outcome>/<ISO of from>` for a span. */
  readonly key: string;
  readonly kind: TriggerKind | 'span';
  readonly outcome: Outcome;
  /** One sentence for a person. */
  readonly reason?: string;
  /** First due time of the row; equal to `toMs` for one instant. */
  readonly fromMs: number;
  /** Last due time of the row (for manual triggers: when it was asked for). */
  readonly toMs: number;
  /** Due times accounted for. */
  readonly count: number;
  readonly invocationId?: string;
  /** The invocation or worker that blocked it. */
  readonly blockedBy?: string;
  /** When the scheduler decided. `recordedAtMs - toMs` is the lateness. */
  readonly decidedAtMs: number;
}

/** How an invocation ended. `unknown` is honest: at-most-once work that may or may not have run. */
export type RunStatus =
  | 'succeeded'
  | 'failed'
  | 'dead-lettered'
  | 'expired'
  | 'cancelled'
  | 'terminated'
  | 'unknown';

export interface RunError {
  readonly type: string;
  readonly message: string;
}

/** The record of one invocation, kept past Temporal's retention. */
export interface RunRecord {
  readonly invocationId: string;
  readonly scheduleId?: string;
  readonly jobId?: string;
  readonly nominalAtMs?: number;
  readonly target: string;
  readonly poolId: string;
  readonly workerId?: string;
  readonly why: string;
  readonly status: RunStatus;
  /** Tries made, the last included. */
  readonly attempts: number;
  /** Evaluations lost to dead workers, over all tries. */
  readonly lost: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly result?: unknown;
  readonly error?: RunError;
}

/** An invocation given up on, ready to redrive. */
export interface DeadLetter {
  readonly invocationId: string;
  readonly reason: string;
  readonly error?: RunError;
  readonly attempts: number;
  readonly input: unknown;
  readonly atMs: number;
}

/** A ledger row with its run's record where there is one. */
export interface Fire extends LedgerRow {
  readonly recordedAtMs: number;
  readonly run?: RunRecord;
}

/** What is wrong with asking for due times from `fromMs` (inclusive) until `untilMs` (exclusive), by the names of the two. */
export function backwardsIssue(
  { fromMs, untilMs }: { readonly fromMs?: number | undefined; readonly untilMs?: number | undefined },
  [from, until] = ['from', 'until'],
): InputIssue | undefined {
  if (fromMs === undefined || untilMs === undefined || fromMs <= untilMs) return undefined;
  const message = `${isoInstant(fromMs)} is later than ${until}, ${isoInstant(untilMs)}: give the earlier one as ${from}`;
  return { path: from, message };
}
