/**
 * A schedule's definition: as a person writes it (`ScheduleInput`, checked by the zod schemas of
 * `contract/schemas.ts`) and as the system keeps it (`ScheduleDefinition`: every default filled in, lengths in ms).
 * Types only, so that workflows may import it.
 */

/** A length of time: milliseconds, or text such as `"90s"`, `"1h30m"`, `"1.5h"`, `"250ms"`. */
export type DurationInput = number | string;

/** When a schedule is due, as the core reads it. `expressions` is a union; times that coincide count once. */
export interface ScheduleSpec {
  /** Cron, `@daily`, `@every 5m`, `every 15m`, `with 3s interval`, `continuously`, `triggered`, `cron(...)`, `rate(...)`, `at(...)`. */
  readonly expressions: readonly string[];
  /** IANA name; default UTC. A `TZ=` prefix in an expression wins for that expression. */
  readonly timeZone: string;
  /** What becomes of a wall time that a clock change leaves out. Default `next`. */
  readonly dstGap?: 'next' | 'skip' | 'shift';
  /** Which of two equal wall times runs. Default: `first` for fixed hours, `both` otherwise. */
  readonly dstRepeat?: 'first' | 'last' | 'both';
  /** For `every`: offset from the epoch-aligned grid, ms. */
  readonly phaseMs?: number;
  /** For `every`: the instant the grid counts from. */
  readonly anchorMs?: number;
  /** No nominal time before it. */
  readonly startAtMs?: number;
  /** No nominal time after it. */
  readonly endAtMs?: number;
  /** `@every` counts from here, cut to whole seconds. */
  readonly createdAtMs: number;
  /** Nominal times at which the clock shows a time named here are left out. */
  readonly exclude?: Exclude;
  /**
   * Each fire is late by less than this, by an amount that its schedule's id and its nominal time decide, and never as
   * late as the next nominal time.
   */
  readonly jitterMs?: number;
}

export interface Exclude {
  /** Cron expressions; one without a field of seconds covers whole minutes: `* * 25 12 *` is all of December 25. */
  readonly expressions: readonly string[];
  /** Ids of named calendars. */
  readonly calendars: readonly string[];
}

export type Timing =
  | { readonly kind: 'absolute' }
  | { readonly kind: 'relative'; readonly intervalMs: number }
  | { readonly kind: 'triggered' };

/** What becomes of a trigger while the run before it still goes. Default `skip`. */
export type Overlap =
  | 'skip'
  | 'bufferOne'
  | 'bufferNewest'
  | 'bufferAll'
  | 'cancelOther'
  | 'terminateOther'
  | 'allowAll';

/**
 * What becomes of due times that passed while nobody was awake. `none`: each is recorded as missed. `latest` (default): the
 * newest runs, the others are superseded. `all`: each runs, oldest first, behind live fires.
 */
export type CatchUp =
  | { readonly mode: 'none' }
  | {
      readonly mode: 'latest';
      /** Older ones are missed. Default 24 h, at least 10 s. */
      readonly windowMs: number;
    }
  | {
      readonly mode: 'all';
      readonly windowMs: number;
      /** Starts per second. Default 10. */
      readonly perSecond: number;
    };

/**
 * For many triggers: they gather, and the policy decides when how many of them become one invocation. `greedy`: all that
 * wait, oldest first. `logarithmic`: floor(ln waiting / ln base) of them, at least one. `newestFirst`: one invocation for each
 * of the newest; what waited for `pendingTimeoutMs` is dropped.
 */
export type TriggeringPolicy = OldestFirst | NewestFirst;

/** Oldest first, many in one invocation. */
export type OldestFirst = {
  /** Invocations at once. Default 1. */
  readonly maxConcurrent: number;
  /** Triggers in one invocation. Default 1000. */
  readonly maxBatch: number;
} & (
  | { readonly kind: 'greedy' }
  | {
      readonly kind: 'logarithmic';
      /** Default 2. */
      readonly base: number;
    }
);

export interface NewestFirst {
  readonly kind: 'newestFirst';
  /** Invocations at once. Default 1. */
  readonly maxConcurrent: number;
  /** Default 7 days. */
  readonly pendingTimeoutMs: number;
}

export interface RetryPolicy {
  /** Retries after the first try. Default 5. */
  readonly limit: number;
  /** Default 1 s. */
  readonly minBackoffMs: number;
  /** Default 1 h. */
  readonly maxBackoffMs: number;
  /** Default 2. */
  readonly coefficient: number;
  /** Measured from the first run; with `limit` too, retried until BOTH are reached. */
  readonly ageLimitMs?: number;
}

export interface Timeouts {
  /** One attempt of the target. Default 1 h. */
  readonly attemptMs: number;
  /** Silence of the target's worker after which the attempt is lost. Default 10 s. */
  readonly heartbeatMs: number;
  /** Wait for the granted worker to pick it up. Default 10 s. */
  readonly scheduleToStartMs: number;
}

export interface TargetRef {
  readonly name: string;
  readonly input?: unknown;
}

export interface DatasetNeed {
  readonly id: string;
  /** `required` (default): only a worker that holds it. `preferred`: waits at most `warmWaitMs` for one. */
  readonly mode: 'required' | 'preferred';
  readonly warmWaitMs: number;
}

/** A search attribute that the namespace knows by this name and type. A `datetime` is an ISO 8601 instant. */
export type SearchAttributeInput =
  | { readonly type: 'keyword' | 'text' | 'datetime'; readonly value: string }
  | { readonly type: 'int' | 'double'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'keywordList'; readonly value: readonly string[] };

export type SearchAttributesInput = Readonly<Record<string, SearchAttributeInput>>;

/** What an invocation needs to run: shared by schedules and jobs. */
export interface RunPolicy {
  readonly target: TargetRef;
  readonly pool: string;
  /** Units of capacity; 0 (the target `workflow` alone) asks no pool. */
  readonly size: number;
  readonly priority: number;
  readonly dataset?: DatasetNeed;
  readonly retry: RetryPolicy;
  readonly timeouts: Timeouts;
  /** Too late to start at all after this long past the due time: recorded as expired. */
  readonly startDeadlineMs?: number;
  readonly consistency: 'atLeastOnce' | 'atMostOnce';
  /** Put on every invocation, beside what Escapement notes there. */
  readonly memo?: Readonly<Record<string, unknown>>;
  readonly searchAttributes?: SearchAttributesInput;
}

export interface ScheduleDefinition {
  readonly spec: ScheduleSpec;
  readonly run: RunPolicy;
  /** Of no effect where `triggering` is given. */
  readonly overlap: Overlap;
  readonly triggering?: TriggeringPolicy;
  readonly catchUp: CatchUp;
  /** Automatic fires that may start; then the schedule is finished. */
  readonly limitedRuns?: number;
  /** An invocation that fails for good pauses the schedule. */
  readonly pauseOnFailure?: true;
  /** Schedules that are triggered when an invocation of this one has succeeded. */
  readonly triggers?: readonly string[];
  /** Free text for people; shown in the Web UI. */
  readonly note?: string;
}

/** What a person may write for an invocation; everything but `target` has a default. */
export interface RunInput {
  readonly target: string | { readonly name: string; readonly input?: unknown };
  /** Handed to the target; alternative to `target.input`. */
  readonly input?: unknown;
  readonly pool?: string | undefined;
  /** Default 1; for the target `workflow` 0 (no capacity, no pool) unless `pool` or `dataset` is given. */
  readonly size?: number | undefined;
  readonly priority?: number | undefined;
  readonly dataset?:
    | string
    | {
        readonly id: string;
        readonly mode?: 'required' | 'preferred' | undefined;
        /** Only with `preferred`. */
        readonly warmWait?: DurationInput | undefined;
      }
    | undefined;
  readonly retry?:
    | {
        readonly limit?: number | undefined;
        readonly minBackoff?: DurationInput | undefined;
        readonly maxBackoff?: DurationInput | undefined;
        readonly coefficient?: number | undefined;
        readonly ageLimit?: DurationInput | undefined;
      }
    | undefined;
  readonly timeouts?:
    | {
        readonly attempt?: DurationInput | undefined;
        readonly heartbeat?: DurationInput | undefined;
        readonly scheduleToStart?: DurationInput | undefined;
      }
    | undefined;
  readonly startDeadline?: DurationInput | undefined;
  readonly consistency?: 'atLeastOnce' | 'atMostOnce' | undefined;
  /** At most 16 KB as JSON. */
  readonly memo?: Readonly<Record<string, unknown>> | undefined;
  /** The namespace must know them: it refuses the start of an invocation otherwise. */
  readonly searchAttributes?: SearchAttributesInput | undefined;
}

/** What a person may write for the spec. */
export type SpecInput =
  | string
  | readonly string[]
  | {
      readonly expressions?: string | readonly string[] | undefined;
      readonly timeZone?: string | undefined;
      readonly dst?:
        | {
            readonly gap?: 'next' | 'skip' | 'shift' | undefined;
            readonly repeat?: 'first' | 'last' | 'both' | undefined;
          }
        | undefined;
      readonly phase?: DurationInput | undefined;
      /** ISO 8601 instant. */
      readonly anchor?: string | undefined;
      readonly startAt?: string | undefined;
      readonly endAt?: string | undefined;
      /** Text alone is one expression. */
      readonly exclude?:
        | string
        | readonly string[]
        | {
            readonly expressions?: string | readonly string[] | undefined;
            readonly calendars?: string | readonly string[] | undefined;
          }
        | undefined;
      readonly jitter?: DurationInput | undefined;
    };

/** A schedule as a person writes it, in code, in a file, or in a bare Temporal start. */
export interface ScheduleInput extends RunInput {
  readonly spec: SpecInput;
  readonly timeZone?: string | undefined;
  readonly overlap?: Overlap | undefined;
  /** Instead of `overlap`. */
  readonly triggering?:
    | TriggeringPolicy['kind']
    | {
        readonly kind: TriggeringPolicy['kind'];
        readonly maxConcurrent?: number | undefined;
        readonly maxBatch?: number | undefined;
        readonly base?: number | undefined;
        readonly pendingTimeout?: DurationInput | undefined;
      }
    | undefined;
  readonly catchUp?:
    | CatchUp['mode']
    | {
        readonly mode?: CatchUp['mode'] | undefined;
        readonly window?: DurationInput | undefined;
        readonly perSecond?: number | undefined;
      }
    | undefined;
  /** Finished after so many automatic runs. */
  readonly limitedRuns?: number | undefined;
  readonly pauseOnFailure?: boolean | undefined;
  /** Ids of schedules to trigger when a run has succeeded. */
  readonly triggers?: string | readonly string[] | undefined;
  readonly note?: string | undefined;
  /** False: created switched off. Only read at creation. Default true. */
  readonly enabled?: boolean | undefined;
}
