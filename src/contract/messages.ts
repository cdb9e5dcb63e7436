/**
 * Every message a workflow of ours takes: names, payloads and plain shape checks.
 * Imported by workflows and clients alike, so it loads neither zod nor a Temporal runtime package: a
 * definition is the plain object that `defineSignal` would make. What needs a cron or a zone is checked by the
 * `plan` activity; here only the shape is.
 */
import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';
import type { MachineState } from '../core/cron/machine.ts';
import { INPUT_CHARS_MAX, MESSAGE_CHARS_MAX, TEXT_CHARS_MAX } from '../core/limits.ts';
import type { Outcome, RunStatus, TriggerKind } from './ledger.ts';
import type { Alloc, WaitReason } from './pools.ts';
import type { Overlap, ScheduleDefinition, ScheduleInput, Timing } from './schedule.ts';
import { charsOf, inputTooLarge, shown } from './size.ts';

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

// -- shape checks ----------------------------------------------------------------------------------

/** Kinds of messages that a person or program sends to a schedule. */
export type ScheduleMessage =
  | { readonly kind: 'enable' | 'resume'; readonly request: ChangeNote }
  | { readonly kind: 'disable' | 'pause'; readonly request: ChangeNote & { readonly untilMs?: number } }
  | { readonly kind: 'changeSchedule'; readonly request: ChangeRequest }
  | { readonly kind: 'trigger'; readonly request: TriggerRequest }
  | { readonly kind: 'triggerMany'; readonly request: TriggerManyRequest }
  | { readonly kind: 'revert'; readonly request: RevertRequest }
  | { readonly kind: 'changeOccurrence'; readonly request: OccurrenceRequest }
  | { readonly kind: 'backfill'; readonly request: BackfillRequest }
  | { readonly kind: 'catchUp'; readonly request: CatchUpRequest }
  | { readonly kind: 'stopBacklog'; readonly request: StopBacklogRequest }
  | { readonly kind: 'calendarChanged'; readonly request: CalendarChanged }
  | { readonly kind: 'delete'; readonly request: DeleteRequest }
  | { readonly kind: 'invocationEnded'; readonly request: InvocationEnded };

export type ScheduleMessageKind = ScheduleMessage['kind'];

/** The message, or one sentence that says what is wrong with it. */
export type Checked =
  | { readonly message: ScheduleMessage }
  | {
      readonly problem: string;
      /** The field at fault, where it is one. */
      readonly field?: string;
    };

/** What a payload becomes when it cannot be decoded: the workflow then records it and lives on. */
export const UNDECODABLE = 'escapement/undecodable';

export function isUndecodable(value: unknown): value is { readonly [UNDECODABLE]: string } {
  return isRecord(value) && typeof value[UNDECODABLE] === 'string';
}

/** Checks the shape of a schedule message. Extra fields are wrong: a misspelt `untill` must not pass silently. */
export function checkScheduleMessage(kind: ScheduleMessageKind, payload: unknown): Checked {
  if (isUndecodable(payload))
    return { problem: `${kind}: payload cannot be decoded (${payload[UNDECODABLE]})` };
  const given = payload ?? {};
  if (!isRecord(given)) return { problem: `${kind}: expected an object, got ${shown(payload)}` };
  const wrong = fieldProblem(given, FIELDS[kind]) ?? sizeProblem(given);
  if (wrong !== undefined) return { problem: `${kind}: ${wrong.problem}`, field: wrong.field };
  return { message: { kind, request: withUntil(kind, given) } as unknown as ScheduleMessage };
}

/** A list of texts: one of them. */
type Field = 'string' | 'boolean' | 'number' | 'instant' | 'object' | 'list' | 'any' | readonly string[];
type Fields = Readonly<Record<string, { readonly type: Field; readonly required?: true }>>;

/** All rules of overlap, as people write them. */
export const OVERLAPS = [
  'skip',
  'bufferOne',
  'bufferNewest',
  'bufferAll',
  'cancelOther',
  'terminateOther',
  'allowAll',
] as const satisfies readonly Overlap[];

const NOTE: Fields = { reason: { type: 'string' }, actor: { type: 'string' } };
const TRIGGER: Fields = {
  ...NOTE,
  key: { type: 'string' },
  input: { type: 'any' },
  overlap: { type: OVERLAPS },
  upstream: { type: 'string' },
};
const FIELDS: Readonly<Record<ScheduleMessageKind, Fields>> = {
  enable: NOTE,
  resume: NOTE,
  disable: { ...NOTE, until: { type: 'instant' } },
  pause: { ...NOTE, until: { type: 'instant' } },
  changeSchedule: { ...NOTE, schedule: { type: 'object', required: true }, revision: { type: 'number' } },
  trigger: TRIGGER,
  triggerMany: { triggers: { type: 'list', required: true } },
  revert: { ...NOTE, to: { type: 'number', required: true }, revision: { type: 'number' } },
  changeOccurrence: {
    ...NOTE,
    at: { type: 'instant', required: true },
    act: { type: ['skip', 'move', 'hold', 'restore'], required: true },
    to: { type: 'instant' },
  },
  backfill: {
    ...NOTE,
    from: { type: 'instant', required: true },
    to: { type: 'instant', required: true },
    order: { type: ['oldest', 'newest'] },
    concurrency: { type: 'number' },
    perSecond: { type: 'number' },
    rerun: { type: 'boolean' },
    key: { type: 'string' },
  },
  catchUp: {
    ...NOTE,
    since: { type: 'instant', required: true },
    until: { type: 'instant' },
    except: { type: 'list' },
  },
  stopBacklog: { ...NOTE, id: { type: 'string', required: true } },
  calendarChanged: {
    calendarId: { type: 'string', required: true },
    revision: { type: 'number', required: true },
  },
  delete: { ...NOTE, cancelRunning: { type: 'boolean' } },
  invocationEnded: {
    invocationId: { type: 'string', required: true },
    status: { type: 'string', required: true },
    endedAtMs: { type: 'number', required: true },
  },
};

interface FieldProblem {
  readonly field: string;
  readonly problem: string;
}

function fieldProblem(given: Readonly<Record<string, unknown>>, fields: Fields): FieldProblem | undefined {
  for (const field of Object.keys(given)) {
    if (fields[field] === undefined) {
      const known = Object.keys(fields).join(', ');
      return { field, problem: `unknown field ${shown(field)}: known are ${known}` };
    }
  }
  for (const [field, { type, required }] of Object.entries(fields)) {
    const value = given[field];
    if (value === undefined || value === null) {
      if (required === true) return { field, problem: `field "${field}" is missing` };
    } else if (!fits(value, type)) {
      return { field, problem: `field "${field}" must be ${wanted(type)}, got ${shown(value)}` };
    } else if (type === 'string' && typeof value === 'string' && value.length > TEXT_CHARS_MAX) {
      const problem = `field "${field}" has ${value.length} characters, at most ${TEXT_CHARS_MAX} are allowed`;
      return { field, problem };
    }
  }
  return undefined;
}

/** Names the largest field of a message that is too large. */
function sizeProblem(given: Readonly<Record<string, unknown>>): FieldProblem | undefined {
  const sizes = Object.entries(given).map(([field, value]) => ({ field, ...charsOf(value) }));
  for (const { field, chars, wrong } of sizes) {
    if (wrong !== undefined)
      return { field, problem: `field "${field}" cannot be written as JSON: ${wrong}` };
    if (field === 'input' && chars > INPUT_CHARS_MAX)
      return { field, problem: `field "input" ${inputTooLarge(chars)}` };
  }
  const all = sizes.reduce((sum, { chars }) => sum + chars, 0);
  if (all <= MESSAGE_CHARS_MAX) return undefined;
  const { field = '', chars = 0 } = sizes.toSorted((a, b) => b.chars - a.chars)[0] ?? {};
  const problem = `field "${field}" has ${chars} characters as JSON, and all together at most ${MESSAGE_CHARS_MAX} are allowed: send less at once`;
  return { field, problem };
}

function wanted(type: Field): string {
  return typeof type === 'string' ? WANTED[type] : `one of ${type.join(', ')}`;
}

const WANTED: Readonly<Record<Extract<Field, string>, string>> = {
  string: 'a string',
  boolean: 'true or false',
  number: 'a number',
  instant: 'an ISO 8601 instant with its offset, such as "2026-01-31T09:00:00Z"',
  object: 'an object',
  list: 'a list',
  any: 'anything',
};

function fits(value: unknown, type: Field): boolean {
  if (typeof type !== 'string') return typeof value === 'string' && type.includes(value);
  switch (type) {
    case 'any':
      return true;
    case 'object':
      return isRecord(value);
    case 'list':
      return Array.isArray(value);
    case 'instant':
      return parseInstant(value) !== undefined;
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

function withUntil(kind: ScheduleMessageKind, given: Readonly<Record<string, unknown>>): unknown {
  if (kind !== 'disable' && kind !== 'pause') return given;
  const { until, ...rest } = given;
  const untilMs = parseInstant(until);
  return untilMs === undefined ? rest : { ...rest, untilMs };
}

const INSTANT =
  /^(\d{4})-(\d{2})-(\d{2})T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-][01]\d:[0-5]\d)$/;

/** ms since the epoch of an ISO 8601 instant with offset; undefined for anything else, dates that do not exist included. */
export function parseInstant(value: unknown): number | undefined {
  const parts = typeof value === 'string' ? INSTANT.exec(value) : null;
  if (parts === null) return undefined;
  const [text, year, month, day] = parts;
  // `Date.parse` would roll February 30 over to March.
  const midnight = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (midnight.getUTCDate() !== Number(day) || midnight.getUTCMonth() !== Number(month) - 1) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : atMs;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
