/**
 * What an invocation's workflow hands to the granted worker, and what a target's code sees.
 * The activity type is the target's name; its one argument is a `TargetCall`.
 */
import type { TriggerKind } from './ledger.ts';
import type { AllocRef } from './pools.ts';

/** The one argument of the activity that runs a target. */
export interface TargetCall {
  readonly input: unknown;
  readonly alloc: AllocRef & {
    readonly poolId: string;
    readonly workerId: string;
    /** The process that was granted; another one refuses the call with `NEVER_BEGAN`. */
    readonly incarnation: string;
    readonly size: number;
    /** By the database's clock. */
    readonly expiresAtMs: number;
    readonly dataset?: string;
    readonly warm?: boolean;
  };
  readonly call: CallContext;
}

/** What made an invocation. */
export type Why = 'automatic' | 'manual' | 'job' | 'backfill' | 'upstream' | 'redrive';

/** [from, to): what a run answers for, ms since the epoch. Empty where a later run that succeeded covered it. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** One of several reasons for which an invocation was started. */
export interface CallTrigger {
  readonly kind: TriggerKind;
  readonly key: string;
  readonly createdAtMs: number;
  readonly input?: unknown;
}

/** What the last successful run of the same schedule returned, by the time of its end. */
export interface LastResult {
  readonly invocationId: string;
  readonly endedAtMs: number;
  /** Absent where it returned nothing, or too much to be handed on. */
  readonly result?: unknown;
  /** It returned more than the 64 KB that are handed on: its record has it. */
  readonly tooLarge?: true;
}

/** Why and for what this call is made; the plain-data part of a target's context. */
export interface CallContext {
  readonly invocationId: string;
  readonly scheduleId?: string;
  readonly jobId?: string;
  /** The instant the spec names, ms since the epoch. */
  readonly nominalAtMs?: number;
  /** When this try began. */
  readonly actualAtMs: number;
  readonly lateByMs: number;
  /** What made the invocation; `retry` where a try of it has failed before. */
  readonly why: Why | 'retry';
  /** What made the invocation, whatever the try. */
  readonly origin?: Why;
  /** 1 for the first try. */
  readonly attempt: number;
  /** [from, to): the window this run answers for; a job has none. */
  readonly window?: Window;
  /** Where several triggers became this one invocation, oldest first. */
  readonly triggers?: readonly CallTrigger[];
  readonly lastResult?: LastResult;
}

/** `ApplicationFailure.type` of a call that did not begin: it is evaluated again without counting as a try. */
export const NEVER_BEGAN = 'NeverBegan';

/** `ApplicationFailure.type` of an attempt that its worker stopped because its alloc was lost. */
export const ALLOC_LOST = 'AllocLost';

/**
 * Key of a failure's detail in which a pool worker hands on the wait that the target asked for: the SDK sends a failure's
 * `nextRetryDelay` but does not read it back.
 */
export const RETRY_AFTER_MS = 'escapement/retryAfterMs';
