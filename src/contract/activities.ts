/**
 * The activities that our workflows call, as types: workflows import this and never the activities' code.
 * All but `tendPool` run as local activities; each is safe to run again with the same argument.
 */
import type { InvocationEnded } from './messages.ts';
import type { LedgerRow, Outcome, RunRecord, DeadLetter } from './ledger.ts';
import type { AllocateResult, EvalRequest } from './pools.ts';
import type { ScheduleDefinition, ScheduleInput, Timing } from './schedule.ts';

export interface PlanRequest {
  readonly scheduleId: string;
  /** A definition still to be checked, as a person wrote it; wins over `definition`. */
  readonly input?: ScheduleInput;
  readonly definition?: ScheduleDefinition;
  /** `@every` counts from here. */
  readonly createdAtMs: number;
  /** Due times in (dueAfterMs, nowMs] are summed up; absent: none are wanted. */
  readonly dueAfterMs?: number;
  readonly nowMs: number;
  /** Next times wanted, strictly after `nowMs`. */
  readonly count: number;
}

/** Due times of a stretch, however many, in bounded space. */
export interface DueSummary {
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** The one before the last, where there are two or more. */
  readonly beforeLastMs?: number;
}

export type PlanResult =
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'planned';
      readonly definition: ScheduleDefinition;
      readonly timing: Timing;
      /** Version of the time-zone data that its times depend on; absent where they do not. */
      readonly zoneData?: string;
      readonly notes: readonly string[];
      readonly due?: DueSummary;
      readonly timesMs: readonly number[];
      /** No time follows the last of `timesMs`. */
      readonly exhausted: boolean;
      /** Our search attributes are registered in the namespace. */
      readonly searchAttributes: boolean;
    };

/** One invocation to start. */
export interface StartRequest {
  readonly kind: 'fire' | 'manual';
  /** The ledger row's key. */
  readonly key: string;
  readonly invocationId: string;
  /** Nominal time; for a manual trigger the moment it was asked for. */
  readonly dueAtMs: number;
  readonly input?: unknown;
  readonly reason?: string;
}

export interface AdvanceRequest {
  readonly scheduleId: string;
  readonly creation: string;
  readonly definition: ScheduleDefinition;
  readonly revision: number;
  readonly starts: readonly StartRequest[];
  /** The run that `skip` must look up before it starts another. */
  readonly previous?: string;
  /** The invocations tell the schedule of their end. */
  readonly notify: boolean;
  /** Rows decided earlier that the database has not got yet. */
  readonly rows: readonly LedgerRow[];
  /** The rows of these starts are left for later: the fate of older ones must be known first. */
  readonly holdRows?: true;
  readonly nowMs: number;
  /** Next times wanted, strictly after `afterMs`. */
  readonly plan?: {
    readonly afterMs: number;
    readonly count: number;
    /** What the present plan was made with. */
    readonly zoneData?: string;
  };
}

export interface StartResult {
  /** When it was decided, by the worker's clock; never before the due time. */
  readonly atMs: number;
  readonly outcome: Extract<Outcome, 'started' | 'skipped-overlap' | 'duplicate' | 'refused'>;
  readonly blockedBy?: string;
  readonly reason?: string;
}

export interface AdvanceResult {
  /** In the order of the request. */
  readonly starts: readonly StartResult[];
  readonly timesMs: readonly number[];
  readonly exhausted: boolean;
  /** The zone data is another than that of the plan: the whole plan must be made again. */
  readonly stalePlan?: true;
  /** Whether the rows, old and (unless held) new, are in the database; `unknown` where the reply was lost. */
  readonly written: 'yes' | 'no' | 'unknown';
}

/** Due times in (afterMs, untilMs) that an earlier try of a workflow task may have decided on before it was lost. */
export interface DecidedRequest {
  readonly scheduleId: string;
  readonly creation: string;
  readonly definition: ScheduleDefinition;
  readonly afterMs: number;
  readonly untilMs: number;
}

export interface DecidedFire {
  readonly dueAtMs: number;
  readonly result: StartResult;
}

export interface LookUpResult {
  readonly running: boolean;
  readonly status: string;
  readonly startedAtMs?: number;
  readonly closedAtMs?: number;
}

export interface FinishInvocationRequest {
  readonly poolId: string;
  readonly evalId?: string;
  readonly epoch?: number;
  readonly release: 'finished' | 'retrying' | 'cancelled' | 'lost' | 'withdrawn';
  readonly run?: RunRecord;
  readonly deadLetter?: DeadLetter;
  /** The schedule workflow to tell, and what. */
  readonly notify?: { readonly workflowId: string; readonly ended: InvocationEnded };
}

export interface OrchestrationActivities {
  /** Checks a definition and computes next times; the only place where zones and crons are read. */
  plan(request: PlanRequest): Promise<PlanResult>;
  /** Starts what is due, writes the ledger under a hard budget, and looks ahead. */
  advance(request: AdvanceRequest): Promise<AdvanceResult>;
  /** Waits inside the workflow task, for gaps too short for the server's timers; at most `NAP_MS_MAX`. */
  waitUntil(atMs: number): Promise<void>;
  /**
   * Answers its argument, and so records what a workflow read off its clock: a replay may read another time, as tasks that
   * ended early (a query came while a local activity ran) are one task to it.
   */
  remember(atMs: number): Promise<number>;
  /** What is decided already, oldest first, up to the first due time that is not. */
  decided(request: DecidedRequest): Promise<readonly DecidedFire[]>;
  lookUp(workflowId: string): Promise<LookUpResult>;
  cancelInvocation(workflowId: string, reason: string): Promise<void>;
  allocate(request: EvalRequest): Promise<AllocateResult>;
  finish(request: FinishInvocationRequest): Promise<{ readonly accepted: boolean }>;
  /** Keeps one pool: sweeps until the pool is empty, then returns. */
  tendPool(poolId: string): Promise<void>;
}
