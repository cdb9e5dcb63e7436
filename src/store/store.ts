/**
 * What the rest of the system asks of the database: the one interface that activities and the
 * gateway hold. Implemented once, on Kysely, for PostgreSQL and for the embedded PGlite.
 * Promise: every method is one transaction, is safe to call again after a lost reply, and lets only
 * the database's clock decide what has expired. It may not import Temporal.
 */
import type { SchedulePast, ScheduleRef } from '../contract/invocation.ts';
import type { EvalExplanation, EvalStory, QueueEntry } from '../contract/explanations.ts';
import type { CalendarStore } from './calendars.ts';
import type { DeadLetter, Fire, LedgerRow, Outcome, RunRecord } from '../contract/ledger.ts';
import type {
  Alloc,
  AllocateResult,
  AllocRef,
  EvalRequest,
  Pool,
  PoolSettings,
  PoolWorker,
  WaitingEval,
  RenewalPart,
  WorkerLease,
  WorkerRegistration,
} from '../contract/pools.ts';

/** A grant made to somebody who was waiting: tell its invocation. */
export type Grant = Alloc;

/** Why an alloc is given up. `lost` cordons the worker until its next renewal. */
export type ReleaseReason = 'finished' | 'retrying' | 'cancelled' | 'lost' | 'withdrawn';

export interface FinishRequest {
  readonly poolId: string;
  /** The eval whose alloc (or waiting entry) ends; absent where none was ever made. */
  readonly evalId?: string;
  /** Absent: whatever the eval has is taken away, and it can never be granted again. */
  readonly epoch?: number;
  readonly release: ReleaseReason;
  /**
   * The target may go on running, heedless of its signal: the capacity counts as used until its worker lists it no more.
   * Default false.
   */
  readonly stillRuns?: boolean;
  /** Written where the invocation is over. */
  readonly run?: RunRecord;
  readonly deadLetter?: DeadLetter;
  /** Of a schedule's run that succeeded: its result is handed on, and with `windowToMs` the next window begins there. */
  readonly succeeded?: ScheduleRef & { readonly windowToMs?: number };
}

/** Calling again with the same (evalId, epoch) answers `accepted` again, with no second effect, for 24 h. */
export type FinishResult =
  | { readonly accepted: true; readonly grants: readonly Grant[] }
  /**
   * The alloc has passed to another holder or has expired: the result must not count. The run of a `finished` is
   * not recorded then (any other release's is). A waiting entry of the eval is gone; to give up a newer grant of it
   * too, finish it again without epoch.
   */
  | { readonly accepted: false; readonly grants: readonly Grant[] };

/** An eval whose invocation may be gone: one that waits, or one whose next try was to come. */
export interface Unheard {
  readonly kind: 'waiting' | 'retrying';
  readonly id: string;
  readonly poolId: string;
  readonly invocationId: string;
  readonly target: string;
  readonly enqueuedAtMs: number;
}

/** What one sweep of a pool found and did. */
export interface SweepResult {
  readonly nowMs: number;
  /** TTLs were extended by this much because nobody could renew (no sweep, or no gateway), 0 as a rule. */
  readonly extendedByMs: number;
  readonly expiredWorkers: readonly string[];
  readonly expiredAllocs: readonly Alloc[];
  /** The pool's own TTL was over: this sweep has disbanded it. */
  readonly poolExpired: boolean;
  /** When the pool expires unless a worker comes: it is to be swept until then. Absent where it does not. */
  readonly poolExpiresAtMs?: number;
  /** Grants to deliver: new ones, and older ones whose holder has not taken them up. */
  readonly grants: readonly Grant[];
  readonly workers: number;
  readonly waiting: number;
  readonly allocs: number;
  /** Of a disbanded pool: who waits still and must be told so; at most 100, each time until they withdraw. */
  readonly refused: readonly WaitingEval[];
  /** Whose invocations are to be looked up, as they have not been heard of for a while; a few at a time, in turn. */
  readonly unheard: readonly Unheard[];
  /** The pool's shortest TTL: the sweep's period is a third of it. */
  readonly shortestTtlMs: number;
}

/** What one call removed because its time was over. */
export interface RetentionResult {
  readonly fires: number;
  readonly runs: number;
  /** The batch was full: call again. */
  readonly more: boolean;
}

/** Keyset page: `cursor` is opaque; at most 100 items. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor?: string;
}

export interface PageRequest {
  readonly limit?: number;
  readonly cursor?: string;
}

export interface Store extends CalendarStore {
  // -- pools -------------------------------------------------------------------------------------
  /** One that is there already is renewed: its time to expire begins anew. @throws AlreadyExistsError (PoolExists) */
  createPool(id: string, settings?: Partial<PoolSettings>): Promise<Pool>;
  /** @throws NotExistsError (PoolNotExists) */
  getPool(id: string): Promise<Pool>;
  listPools(page?: PageRequest): Promise<Page<Pool>>;
  /**
   * Takes nothing new from now on; waiting evals are refused: named here, each time it is called, until they are
   * withdrawn. Idempotent; absent succeeds.
   */
  disbandPool(id: string): Promise<{ readonly refused: readonly WaitingEval[] }>;
  /**
   * Takes nothing new from now on while what waits goes on waiting; `off`: as before again. Idempotent.
   * @throws NotExistsError (PoolNotExists), PoolDisbandedError
   */
  drainPool(id: string, options?: { readonly off?: boolean }): Promise<{ readonly grants: readonly Grant[] }>;
  listWorkers(poolId: string, page?: PageRequest): Promise<Page<PoolWorker>>;
  /** What holds capacity, those given up as lost but not yet confirmed gone included. */
  listAllocs(poolId: string, page?: PageRequest): Promise<Page<Alloc>>;
  /** The queue, in the order in which it is served. */
  listWaiting(poolId: string, page?: PageRequest): Promise<Page<WaitingEval>>;
  /** The first 100 of the queue with places and estimates. @throws NotExistsError (PoolNotExists) */
  explainQueue(poolId: string): Promise<readonly QueueEntry[]>;
  /** Why an eval waits, or went where it went. @throws NotExistsError (EvalNotExists) */
  explainEval(evalId: string): Promise<EvalExplanation>;
  /**
   * The evals of an invocation, the oldest first, as far as they are known: for a day after each one's end, those of its
   * last pool for as long as its record is kept.
   */
  explainInvocation(invocationId: string): Promise<readonly EvalStory[]>;

  // -- worker protocol ---------------------------------------------------------------------------
  /**
   * Puts the worker or, for a new incarnation of the same id, replaces it: allocs of the older
   * incarnation end. Hands its capacity to the queue.
   * @throws NotExistsError (PoolNotExists), PoolDisbandedError, AlreadyExistsError (WorkerExists:
   * a live worker of another incarnation holds the name and `replace` is not set)
   */
  registerWorker(
    registration: WorkerRegistration,
    options?: { readonly replace?: boolean },
  ): Promise<{ readonly lease: WorkerLease; readonly grants: readonly Grant[] }>;
  /**
   * Renews worker, replicas and the allocs it says it runs, in one statement; lifts a cordon.
   * @throws NotExistsError (WorkerNotExists: unknown, expired, or another incarnation)
   */
  renewWorker(
    poolId: string,
    workerId: string,
    incarnation: string,
    running: readonly AllocRef[],
    part?: RenewalPart,
  ): Promise<{ readonly lease: WorkerLease; readonly grants: readonly Grant[] }>;
  /** No new allocs for it; running ones finish. @throws NotExistsError (WorkerNotExists) */
  drainWorker(poolId: string, workerId: string, incarnation?: string): Promise<void>;
  /** Removes it; what it still held is released as lost. Absent succeeds. */
  removeWorker(
    poolId: string,
    workerId: string,
    incarnation?: string,
  ): Promise<{ readonly grants: readonly Grant[] }>;

  /**
   * A gateway's sign of life, to be given every `GATEWAY_SIGN_MS` by each: while none is given workers cannot renew,
   * so the TTLs of all pools are extended by the silence. Where none was ever given, nothing follows from silence.
   */
  gatewayAlive(): Promise<void>;

  // -- allocation --------------------------------------------------------------------------------
  /**
   * Enqueues and tries at once; naturally batched per pool. The same request again gets the same answer.
   * @throws AlreadyExistsError (AllocExists: the eval holds or waits for something else; `details.differs` names the fields)
   */
  allocate(request: EvalRequest): Promise<AllocateResult>;
  /** Gives the alloc back, records the run, hands the freed capacity on: one transaction. */
  finish(request: FinishRequest): Promise<FinishResult>;
  /** To be called every third of `shortestTtlMs`. Expires what is due, re-queues what was not taken up, places the queue again. */
  sweepPool(poolId: string): Promise<SweepResult>;

  // -- ledger and runs ---------------------------------------------------------------------------
  /** Writes rows; a row whose key is there already is left as it is. Answers how many are new. */
  writeLedger(rows: readonly LedgerRow[]): Promise<number>;
  listFires(
    filter: {
      readonly scheduleId?: string;
      readonly fromMs?: number;
      readonly untilMs?: number;
      readonly outcome?: Outcome;
    },
    page?: PageRequest,
  ): Promise<Page<Fire>>;
  /** What the successful runs of this creation of a schedule left behind; empty where there is none. */
  readPast(schedule: ScheduleRef): Promise<SchedulePast>;
  /** @throws NotExistsError (InvocationNotExists) */
  getRun(invocationId: string): Promise<RunRecord>;
  listRuns(
    filter: { readonly scheduleId?: string; readonly jobId?: string; readonly status?: string },
    page?: PageRequest,
  ): Promise<Page<RunRecord>>;
  listDeadLetters(page?: PageRequest): Promise<Page<DeadLetter>>;
  /**
   * Removes ledger rows due and recorded, and records of runs that ended, more than `keptMs` ago by the database's
   * clock: at most 1,000 of each; and how long runs of a target took, once none has ended for so long. Of callers at one time one works; the others are answered that there is nothing.
   */
  removeExpired(keptMs: number): Promise<RetentionResult>;
  /**
   * Creations of schedules whose last success is more than `keptMs` ago, with what their next run would be told: those that are
   * deleted are to be forgotten, which whoever can ask Temporal decides. In the order of their ids.
   */
  listQuietSchedules(keptMs: number, page?: PageRequest): Promise<Page<ScheduleRef>>;
  /** Forgets the successes of these creations of schedules, which are deleted; those that had another meanwhile are left. */
  forgetSchedules(schedules: readonly ScheduleRef[], keptMs: number): Promise<number>;

  /** True when a trivial statement is answered within a second. */
  healthy(): Promise<boolean>;
  close(): Promise<void>;
}
