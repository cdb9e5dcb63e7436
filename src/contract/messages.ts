/**
 * Every message a workflow of ours takes: names and payloads. Imported by workflows and clients alike, so it loads neither
 * zod nor a Temporal runtime package: a definition is the plain object that `defineSignal` would make.
 */
import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';
import type { MachineState } from '../core/cron/machine.ts';
import type { Outcome, RunStatus, TriggerKind } from './ledger.ts';
import type { Alloc, WaitReason } from './pools.ts';
import type { Overlap, ScheduleDefinition, ScheduleInput, Timing } from './schedule.ts';

/** Who asks, and why: kept in the ledger's rows and shown by `describe`. */
export interface ChangeNote {
  readonly reason?: string;
  readonly actor?: string;
}

/** `until`: ISO 8601 instant at which the schedule goes back by itself. */
export interface SuspendRequest extends ChangeNote {
  readonly until?: string;
}

export interface ChangeRequest extends ChangeNote {
  readonly schedule: ScheduleInput;
  /** Refused unless the schedule is at this revision. */
  readonly revision?: number;
}

export interface TriggerRequest extends ChangeNote {
  /**
   * Makes asking twice one run, for as long as the namespace keeps closed workflows: the invocation's id ends in it.
   * Asking again is answered by `duplicate`, or starts the run if the first time it was skipped. Default: a new one each time.
   */
  readonly key?: string;
  /** Replaces the target's input for this run. */
  readonly input?: unknown;
  /** For this run, instead of the schedule's own rule; refused where the schedule has a triggering policy. */
  readonly overlap?: Overlap;
  /** An invocation that has succeeded upstream and asks for this one; the run's id comes from it, so it happens once. */
  readonly upstream?: string;
}

/** Several triggers in one message: they count one by one, and cost the schedule one message. */
export interface TriggerManyRequest {
  /** At most 1000. */
  readonly triggers: readonly TriggerRequest[];
}

export interface RevertRequest extends ChangeNote {
  /** One of the kept revisions. */
  readonly to: number;
  /** Refused unless the schedule is at this revision. */
  readonly revision?: number;
}

/** One nominal time that is not to run as planned. */
export interface OccurrenceRequest extends ChangeNote {
  /** The nominal time, ISO 8601 instant. */
  readonly at: string;
  /**
   * `skip`: it is recorded and not run. `move`: it runs at `to` instead. `hold`: it is recorded as held when it is due, and
   * runs when it is restored. `restore` undoes any of them.
   */
  readonly act: 'skip' | 'move' | 'hold' | 'restore';
  /** With `move`: ISO 8601 instant. */
  readonly to?: string;
}

/** Runs the nominal times of (from, to] beside the live ones. */
export interface BackfillRequest extends ChangeNote {
  /** ISO 8601 instants; the first is exclusive, the last inclusive. */
  readonly from: string;
  readonly to: string;
  /** Default `oldest` first. */
  readonly order?: 'oldest' | 'newest';
  /** Runs at once; 0 for no limit. Default 1. */
  readonly concurrency?: number;
  /** Starts per second. Default 10. */
  readonly perSecond?: number;
  /** Runs again what has run already, under an id of its own. */
  readonly rerun?: boolean;
  /** Makes asking twice one backfill. Default: a new one each time. */
  readonly key?: string;
}

/** Runs what was missed in (since, until], by the schedule's own catch-up rule: after a restore, or by hand. */
export interface CatchUpRequest extends ChangeNote {
  /** ISO 8601 instants. `until`: default now. */
  readonly since: string;
  readonly until?: string;
  /** Nominal times that are not to run: somebody has said so, of a schedule that is gone. At most 100. */
  readonly except?: readonly string[];
}

/** What a backfill or a catch-up has set going. */
export interface BacklogResult {
  readonly id: string;
  /** Instants that will run, or are recorded as duplicates when their turn comes. */
  readonly instants: number;
}

export interface StopBacklogRequest extends ChangeNote {
  readonly id: string;
}

export interface CalendarChanged {
  readonly calendarId: string;
  readonly revision: number;
}

export interface DeleteRequest extends ChangeNote {
  readonly cancelRunning?: boolean;
}

export interface InvocationEnded {
  readonly invocationId: string;
  readonly status: RunStatus;
  readonly endedAtMs: number;
}

/** What one trigger came to. */
export interface TriggerResult {
  /** `waiting`: it is in the schedule's queue, and its outcome will be in the ledger. */
  readonly outcome: Outcome | 'waiting';
  readonly invocationId: string;
  readonly blockedBy?: string;
  readonly reason?: string;
}

export type ScheduleStateName = 'active' | 'paused' | 'disabled' | 'finished' | 'stuck';

export interface Suspension extends ChangeNote {
  readonly sinceMs: number;
  readonly untilMs?: number;
}

/** A revision of a schedule, the present one included. */
export interface Revision extends ChangeNote {
  readonly revision: number;
  readonly atMs: number;
  readonly definition: ScheduleDefinition;
}

/** A nominal time that is not to run as planned. */
export interface Occurrence extends ChangeNote {
  readonly nominalMs: number;
  readonly act: 'skip' | 'move' | 'hold';
  /** When a moved one runs. */
  readonly toMs?: number;
  /** A held one whose time has come. */
  readonly isDue?: true;
}

/** Instants that are run beside the live ones. */
export interface BacklogDescription {
  readonly id: string;
  readonly kind: 'catch-up' | 'backfill';
  readonly order: 'oldest' | 'newest';
  /** Still to run: (afterMs, untilMs]. */
  readonly afterMs: number;
  readonly untilMs: number;
  readonly left: number;
  readonly done: number;
  readonly running: number;
}

/** The answer to `describe`: everything a person or a program may ask of a schedule. */
export interface ScheduleDescription {
  readonly id: string;
  /** Tells a re-created schedule from its deleted namesake. */
  readonly creation: string;
  readonly revision: number;
  readonly createdAtMs: number;
  /** When the present revision began; the creation for the first. */
  readonly changedAtMs: number;
  readonly state: ScheduleStateName;
  readonly definition: ScheduleDefinition;
  readonly timing: Timing;
  /** Remarks on the spec, for instance how a six-field cron is read. */
  readonly notes: readonly string[];
  /** The next nominal times already planned, ms since the epoch; empty while paused or disabled. */
  readonly nextTimesMs: readonly number[];
  readonly paused?: Suspension;
  readonly disabled?: Suspension;
  /** The invocation started last, where the policy keeps it in mind. */
  readonly running?: string;
  /** The invocation whose end a relative schedule waits for. */
  readonly waitingFor?: string;
  /** Due times accounted for, by outcome; their sum is the number of due times. */
  readonly counts: Readonly<Partial<Record<Outcome, number>>>;
  readonly last?: {
    readonly dueAtMs: number;
    readonly outcome: Outcome;
    readonly invocationId?: string;
    readonly decidedAtMs: number;
  };
  readonly skipsInARow: number;
  /** Triggers that wait for a run to end, the oldest first: the first twenty of them, and how many there are. */
  readonly pending: readonly {
    readonly kind: TriggerKind;
    readonly key: string;
    /** What it will run as, if it runs alone. */
    readonly invocationId: string;
    readonly createdAtMs: number;
  }[];
  readonly pendingCount: number;
  /** Runs whose end the schedule's policy waits for. */
  readonly active: readonly string[];
  readonly backlogs: readonly BacklogDescription[];
  readonly occurrences: readonly Occurrence[];
  /** Automatic runs left, where they are limited. */
  readonly runsLeft?: number;
  /** Who made which revision, newest first; `revert` goes back to one of them. */
  readonly revisions: readonly Omit<Revision, 'definition'>[];
  /** Ledger rows that wait for the database. */
  readonly unsentRows: number;
  /** What messages got wrong, newest last, at most ten. */
  readonly problems: readonly Problem[];
  readonly machine: MachineState;
}

export interface Problem {
  readonly atMs: number;
  readonly message: string;
}

/** Where an invocation stands. */
export interface InvocationDescription {
  readonly phase: 'due-later' | 'allocating' | 'waiting' | 'running' | 'ended';
  readonly attempt: number;
  readonly lost: number;
  /** What signals got wrong, newest last, at most ten. */
  readonly problems: readonly Problem[];
  readonly dueAtMs?: number;
  readonly waiting?: { readonly reason: WaitReason; readonly position: number };
  readonly alloc?: Alloc;
  /** The workflow of the user's own that this try has started (target `workflow`). */
  readonly child?: string;
}

const signal = <A extends unknown[]>(name: string) => ({ type: 'signal', name }) as SignalDefinition<A>;
const update = <R, A extends unknown[]>(name: string) => ({ type: 'update', name }) as UpdateDefinition<R, A>;
const query = <R>(name: string) => ({ type: 'query', name }) as QueryDefinition<R>;

/** Signals of a schedule workflow; each but the last two exists as an Update of the same name, which answers. */
export const scheduleSignals = {
  enable: signal<[ChangeNote?]>('enable'),
  disable: signal<[SuspendRequest?]>('disable'),
  pause: signal<[SuspendRequest?]>('pause'),
  resume: signal<[ChangeNote?]>('resume'),
  changeSchedule: signal<[ChangeRequest]>('changeSchedule'),
  trigger: signal<[TriggerRequest?]>('trigger'),
  delete: signal<[DeleteRequest?]>('delete'),
  triggerMany: signal<[TriggerManyRequest]>('triggerMany'),
  revert: signal<[RevertRequest]>('revert'),
  changeOccurrence: signal<[OccurrenceRequest]>('changeOccurrence'),
  backfill: signal<[BackfillRequest]>('backfill'),
  catchUp: signal<[CatchUpRequest]>('catchUp'),
  stopBacklog: signal<[StopBacklogRequest]>('stopBacklog'),
  calendarChanged: signal<[CalendarChanged]>('calendarChanged'),
  invocationEnded: signal<[InvocationEnded]>('invocationEnded'),
} as const;

export const scheduleUpdates = {
  enable: update<ScheduleDescription, [ChangeNote?]>('enable'),
  disable: update<ScheduleDescription, [SuspendRequest?]>('disable'),
  pause: update<ScheduleDescription, [SuspendRequest?]>('pause'),
  resume: update<ScheduleDescription, [ChangeNote?]>('resume'),
  changeSchedule: update<ScheduleDescription, [ChangeRequest]>('changeSchedule'),
  trigger: update<TriggerResult, [TriggerRequest?]>('trigger'),
  triggerMany: update<readonly TriggerResult[], [TriggerManyRequest]>('triggerMany'),
  revert: update<ScheduleDescription, [RevertRequest]>('revert'),
  changeOccurrence: update<ScheduleDescription, [OccurrenceRequest]>('changeOccurrence'),
  backfill: update<BacklogResult, [BackfillRequest]>('backfill'),
  catchUp: update<BacklogResult, [CatchUpRequest]>('catchUp'),
  stopBacklog: update<ScheduleDescription, [StopBacklogRequest]>('stopBacklog'),
} as const;

export const describeSchedule = query<ScheduleDescription>('describe');

export const invocationSignals = {
  /** Capacity was found for an eval that waited. */
  granted: signal<[Alloc]>('granted'),
  /** The pool takes nothing new: stop waiting. */
  refused: signal<[{ readonly evalId: string; readonly code: 'PoolDisbanded' }]>('refused'),
  /** Another run waits for this one's end: the schedule workflow of that id is to be told of it. */
  awaited: signal<[{ readonly by: string }]>('awaited'),
  /** Moves the due time of a pending job; ISO 8601 instant. */
  reschedule: signal<[{ readonly at: string } & ChangeNote]>('reschedule'),
} as const;

export const poolSignals = {
  /** Starts the pool's workflow, or tells the running one that it is not over. */
  workerRegistered: signal<[]>('workerRegistered'),
} as const;

export const describeInvocation = query<InvocationDescription>('describe');
