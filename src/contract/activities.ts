/**
 * The activities that our workflows call, as types: workflows import this and never the activities' code.
 * All but `tendPool` run as local activities; each is safe to run again with the same argument.
 */
import type { SchedulePast, ScheduleRef } from './invocation.ts';
import type { InvocationEnded } from './messages.ts';
import type { DeadLetter, LedgerRow, Outcome, RunRecord, TriggerKind } from './ledger.ts';
import type { AllocateResult, EvalRequest } from './pools.ts';
import type {
  Overlap,
  ScheduleDefinition,
  ScheduleInput,
  SearchAttributesInput,
  Timing,
} from './schedule.ts';

export interface PlanRequest {
  readonly scheduleId: string;
  /** A definition still to be checked, as a person wrote it; wins over `definition`. */
  readonly input?: ScheduleInput;
  readonly definition?: ScheduleDefinition;
  /** `definition` is new to the schedule: it must fire from now on. Always so for `input`. */
  readonly fresh?: true;
  /** `@every` counts from here. */
  readonly createdAtMs: number;
  /** Due times in (dueAfterMs, nowMs] are summed up; absent: none are wanted. */
  readonly dueAfterMs?: number;
  /** Nominal times that are not summed up: they are to run otherwise. */
  readonly except?: readonly number[];
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
  /** The nominal times of the first and the last, where the spec has a jitter. */
  readonly nominal?: { readonly firstMs: number; readonly lastMs: number; readonly beforeLastMs?: number };
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
      /** Revisions of the named calendars that its times depend on; absent where there are none. */
      readonly calendars?: Readonly<Record<string, number>>;
      readonly timesMs: readonly number[];
      /** The nominal time of each, where the spec has a jitter. */
      readonly nominalMs?: readonly number[];
      /** No time follows the last of `timesMs`. */
      readonly exhausted: boolean;
      /** Our search attributes are registered in the namespace. */
      readonly searchAttributes: boolean;
      /** When it was planned; absent in old histories. */
      readonly atMs?: number;
    };

/** A reason to run. */
export interface Trigger {
  readonly kind: TriggerKind;
  /** The ledger row's key. */
  readonly key: string;
  readonly invocationId: string;
  /** When it came to be: the nominal time, for the others the moment it was asked for. */
  readonly createdAtMs: number;
  /** When it may start. */
  readonly dueAtMs: number;
  /** The instant that the spec names, where that is not when it is due. */
  readonly nominalAtMs?: number;
  readonly input?: unknown;
  readonly reason?: string;
  /** Its nominal time was moved. */
  readonly moved?: true;
}

/** One invocation to start. */
export interface StartRequest extends Trigger {
  /** What becomes of it while the run before still goes; `allowAll` where a queue has decided. */
  readonly overlap: Extract<Overlap, 'skip' | 'cancelOther' | 'terminateOther' | 'allowAll'>;
  /** The other triggers that it runs for, older than itself. */
  readonly others?: readonly Trigger[];
}

export interface AdvanceRequest {
  readonly scheduleId: string;
  readonly creation: string;
  readonly createdAtMs: number;
  readonly definition: ScheduleDefinition;
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
    readonly calendars?: Readonly<Record<string, number>>;
  };
}

export interface StartResult {
  /** When it was decided, by the worker's clock; never before the due time. */
  readonly atMs: number;
  /** `waiting`: the run before was asked to stop and has not yet; it is no outcome of a due time. */
  readonly outcome: Extract<Outcome, 'started' | 'skipped-overlap' | 'duplicate' | 'refused'> | 'waiting';
  readonly blockedBy?: string;
  readonly reason?: string;
}

export interface AdvanceResult {
  /** In the order of the request. */
  readonly starts: readonly StartResult[];
  readonly timesMs: readonly number[];
  /** The nominal time of each, where the spec has a jitter. */
  readonly nominalMs?: readonly number[];
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
  /** Nominal times that are to run otherwise, and are accounted for apart. */
  readonly except: readonly number[];
}

export interface DecidedFire {
  readonly trigger: Trigger;
  readonly result: StartResult;
}

/** Whether an instant is a nominal time of a schedule, and when that is due. */
export interface DueTimeRequest {
  readonly scheduleId: string;
  readonly definition: ScheduleDefinition;
  readonly nominalMs: number;
}

/** Instants of a stretch to start now, at most `count`. */
export interface RunBacklogRequest {
  readonly scheduleId: string;
  readonly creation: string;
  readonly createdAtMs: number;
  readonly definition: ScheduleDefinition;
  readonly id: string;
  readonly kind: 'catch-up' | 'backfill';
  readonly order: 'oldest' | 'newest';
  readonly afterMs: number;
  readonly untilMs: number;
  readonly count: number;
  /** The invocations tell the schedule of their end. */
  readonly notify: boolean;
  /** Runs again what has run, under ids that end in it. */
  readonly rerun?: number;
  /** Nominal times that are left out. */
  readonly except?: readonly number[];
}

export interface RunBacklogResult {
  /** In the order in which they were started. */
  readonly starts: readonly { readonly trigger: Trigger; readonly result: StartResult }[];
  /** No instant is left. */
  readonly exhausted: boolean;
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
  /** The target may go on running: its units stay in use until its worker says that it has ended. Default false. */
  readonly stillRuns?: boolean;
  readonly run?: RunRecord;
  readonly deadLetter?: DeadLetter;
  /** Of a schedule's run that succeeded: what the runs after it are told. */
  readonly succeeded?: ScheduleRef & { readonly windowToMs?: number };
  /** The schedule workflow to tell, and what. */
  readonly notify?: { readonly workflowId: string; readonly ended: InvocationEnded };
  /** Schedules (ids) to trigger, and the invocation that did it: each runs once for it, however often it is told. */
  readonly downstream?: { readonly scheduleIds: readonly string[]; readonly upstream: string };
}

/** A request for capacity, and the schedule whose past the run is to know. */
export interface AllocateRequest extends EvalRequest {
  readonly schedule?: ScheduleRef;
}

export interface OrchestrationActivities {
  /** Checks a definition and computes next times; the only place where zones and crons are read. */
  plan(request: PlanRequest): Promise<PlanResult>;
  /** Starts what is due, writes the ledger under a hard budget, and looks ahead. */
  advance(request: AdvanceRequest): Promise<AdvanceResult>;
  /**
   * Waits inside the workflow task, for gaps too short for the server's timers; at most `NAP_MS_MAX`. Answers when it
   * ended, which is long after where nobody was awake; nothing in old histories.
   */
  waitUntil(atMs: number): Promise<number | undefined>;
  /**
   * Answers its argument, and so records what a workflow read off its clock: a replay may read another time, as tasks that
   * ended early (a query came while a local activity ran) are one task to it.
   */
  remember(atMs: number): Promise<number>;
  /** When a nominal time is due; undefined for an instant that is none. */
  dueTimeOf(request: DueTimeRequest): Promise<number | undefined>;
  /** Starts some of a backlog. */
  runBacklog(request: RunBacklogRequest): Promise<RunBacklogResult>;
  /** What is decided already, oldest first, up to the first due time that is not. */
  decided(request: DecidedRequest): Promise<readonly DecidedFire[]>;
  lookUp(workflowId: string): Promise<LookUpResult>;
  cancelInvocation(workflowId: string, reason: string): Promise<void>;
  allocate(request: AllocateRequest): Promise<AllocateResult & { readonly past?: SchedulePast }>;
  /** The schedule's past alone, for a run that takes no capacity. */
  lookBack(schedule: ScheduleRef): Promise<SchedulePast>;
  /** Why a workflow cannot be started with these search attributes; undefined where it can. */
  attributesProblem(attributes: SearchAttributesInput): Promise<string | undefined>;
  finish(request: FinishInvocationRequest): Promise<{ readonly accepted: boolean }>;
  /** Keeps one pool: sweeps until the pool is empty, then returns. */
  tendPool(poolId: string): Promise<void>;
}
