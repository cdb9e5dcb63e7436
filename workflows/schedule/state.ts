/**
 * What a schedule workflow remembers, from turn to turn and over continue-as-new, and what it says of itself.
 * Plain data with a version; used by the other files of this folder only.
 */
import type { Trigger } from '../../src/contract/activities.ts';
import type { LedgerRow, Outcome } from '../../src/contract/ledger.ts';
import type {
  BacklogResult,
  ChangeNote,
  Occurrence,
  Problem,
  Revision,
  ScheduleDescription,
  ScheduleStateName,
  Suspension,
} from '../../src/contract/messages.ts';
import type { ScheduleDefinition, ScheduleSpec, Timing } from '../../src/contract/schedule.ts';
import {
  DISTANT_FUTURE_MS,
  initialState as initialMachine,
  type MachineState,
} from '../../src/core/cron/machine.ts';
import { boundRows } from '../../src/core/fires.ts';
import { PENDING_SHOWN_MAX, PROBLEMS_KEPT_MAX, SKIPS_UNTIL_STUCK } from '../../src/core/limits.ts';
import type { Backlog } from '../../src/core/policy/backlog.ts';

/** Due times known ahead; computed by activities, never here. */
export interface Plan {
  readonly timesMs: readonly number[];
  /** The nominal time of each, where the spec has a jitter. */
  readonly nominalMs?: readonly number[];
  readonly exhausted: boolean;
  readonly madeAtMs: number;
  /** Version of the time-zone data it was made with, where its times depend on it. */
  readonly zoneData?: string;
  /** Revisions of the named calendars that its times depend on. */
  readonly calendars?: Readonly<Record<string, number>>;
}

/** A run whose end the policy waits for. */
export interface ActiveRun {
  readonly invocationId: string;
  readonly sinceMs: number;
  /** When it is looked up, should it not have told its end: a terminated run tells nobody. */
  readonly lookUpAtMs: number;
  /** It was asked to stop, and another waits for that. */
  readonly stopping?: true;
  /** The backlog that it belongs to; live fires do not wait for it. */
  readonly backlog?: string;
}

/** A nominal time that is not to run as planned, and when it is due. */
export interface KeptOccurrence extends Occurrence {
  readonly dueMs: number;
  /** A moved one that has run before its own time; kept until that has passed, so that it does not run again. */
  readonly ran?: true;
}

/** A backlog, and whether its rows are those of fires or of a backfill. */
export interface KeptBacklog extends Backlog {
  /** Of a backfill that runs again what has run: which it is. */
  readonly rerun?: number;
  /** Nominal times in its stretch that were skipped, moved or held when it began. */
  readonly except?: readonly number[];
  /** By which its times are told, where the schedule has another since. */
  readonly spec?: ScheduleSpec;
  /** Of a backfill: the stretch that its key stands for. */
  readonly asked?: AskedStretch;
}

/** (fromMs, toMs], as somebody has named it. */
export interface AskedStretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A backfill that is over. */
export interface OverBackfill extends BacklogResult {
  readonly asked?: AskedStretch;
}

export interface ScheduleState {
  readonly version: 1;
  readonly creation: string;
  readonly createdAtMs: number;
  definition: ScheduleDefinition;
  timing: Timing;
  notes: readonly string[];
  revision: number;
  /** When the present revision began, and who made it. */
  changedAtMs: number;
  changed: ChangeNote;
  /** Those before it, oldest first. */
  revisions: readonly Revision[];
  machine: MachineState;
  /** Where its account begins, if due times from before its creation were caught up with; otherwise with its creation. */
  accountedFromMs?: number;
  /** Every due time up to here has been decided on: by a fire, which may wake early, or as part of a stretch. */
  decidedUntilMs: number;
  plan: Plan;
  paused?: Suspension;
  disabled?: Suspension;
  /** Invocation started last: what `skip` looks up. */
  running?: string;
  /** Runs whose ends are waited for: by a queue, a relative schedule, a backlog, `pauseOnFailure`. */
  active: readonly ActiveRun[];
  /** The run whose end a relative schedule counts from. */
  waitingFor?: string;
  /** Triggers that wait for a run to end, oldest first. */
  pending: readonly Trigger[];
  backlogs: readonly KeptBacklog[];
  /** Backfills that are over, newest last: their keys ask for nothing new. */
  backfilled?: readonly OverBackfill[];
  reruns: number;
  occurrences: readonly KeptOccurrence[];
  /** Automatic fires that may still start, where they are limited. */
  runsLeft?: number;
  unsent: readonly LedgerRow[];
  counts: Partial<Record<Outcome, number>>;
  last?: ScheduleDescription['last'];
  skipsInARow: number;
  problems: readonly Problem[];
  /** How many of the oldest unsent rows may be in the database already (a reply was lost): they must not be joined. */
  pinnedRows: number;
  /** Whether our search attributes may be upserted, and the state they say. */
  searchAttributes: boolean;
  shownState?: ScheduleStateName;
}

/** What a run hands to the next. `continueAsNewEvery` is for tests: it forces one after so many turns. */
export interface Carried {
  readonly state?: ScheduleState;
  /** The time by which the run before decided last. */
  readonly nowMs?: number;
  readonly continueAsNewEvery?: number;
}

export function newState(creation: string, nowMs: number): Omit<ScheduleState, 'definition'> {
  return {
    version: 1,
    creation,
    createdAtMs: nowMs,
    timing: { kind: 'triggered' },
    notes: [],
    revision: 1,
    changedAtMs: nowMs,
    changed: {},
    revisions: [],
    machine: initialMachine,
    decidedUntilMs: nowMs,
    plan: { timesMs: [], exhausted: false, madeAtMs: nowMs },
    active: [],
    pending: [],
    backlogs: [],
    reruns: 0,
    occurrences: [],
    unsent: [],
    counts: {},
    skipsInARow: 0,
    problems: [],
    pinnedRows: 0,
    searchAttributes: false,
  };
}

/** Books a row: counted at once, written with the next `advance`. */
export function book(state: ScheduleState, row: LedgerRow): void {
  count(state, row.outcome, row.count);
  state.unsent = boundRows([...state.unsent, row], state.pinnedRows);
}

export function count({ counts }: ScheduleState, outcome: Outcome, by: number): void {
  const sum = (counts[outcome] ?? 0) + by;
  if (sum === 0 && by < 0) delete counts[outcome];
  else counts[outcome] = sum;
}

export function noteProblem(state: ScheduleState, atMs: number, message: string): void {
  state.problems = [...state.problems, { atMs, message }].slice(-PROBLEMS_KEPT_MAX);
}

/** Nothing comes by itself any more, and nothing that runs can change that. */
export function isFinished(state: ScheduleState): boolean {
  if (state.machine.lastTick !== undefined || state.backlogs.length > 0) return false;
  if (state.occurrences.some(({ act, ran }) => act === 'move' && ran !== true)) return false;
  if (state.runsLeft === 0) return true;
  if (state.timing.kind === 'relative') {
    return state.definition.spec.endAtMs !== undefined && state.waitingFor === undefined;
  }
  return state.timing.kind === 'absolute' && state.plan.exhausted && state.plan.timesMs.length === 0;
}

export function stateName(state: ScheduleState): ScheduleStateName {
  if (state.disabled !== undefined) return 'disabled';
  if (state.paused !== undefined) return 'paused';
  if (isFinished(state)) return 'finished';
  return state.skipsInARow >= SKIPS_UNTIL_STUCK ? 'stuck' : 'active';
}

/** The tick a timer is armed for; undefined while nothing is to come by itself. */
export function nextTickMs(state: ScheduleState): number | undefined {
  const whenMs = state.machine.lastTick?.whenMs;
  return whenMs === undefined || whenMs >= DISTANT_FUTURE_MS ? undefined : whenMs;
}

export function describe(id: string, state: ScheduleState): ScheduleDescription {
  const tickMs = nextTickMs(state);
  const later = tickMs === undefined ? [] : state.plan.timesMs.filter((t) => t > tickMs);
  return {
    id,
    creation: state.creation,
    revision: state.revision,
    createdAtMs: state.createdAtMs,
    changedAtMs: state.changedAtMs,
    state: stateName(state),
    definition: state.definition,
    timing: state.timing,
    notes: state.notes,
    nextTimesMs: tickMs === undefined ? [] : [tickMs, ...later],
    counts: state.counts,
    skipsInARow: state.skipsInARow,
    pending: state.pending
      .slice(0, PENDING_SHOWN_MAX)
      .map(({ kind, key, invocationId, createdAtMs }) => ({ kind, key, invocationId, createdAtMs })),
    pendingCount: state.pending.length,
    active: state.active.map(({ invocationId }) => invocationId),
    backlogs: state.backlogs.map((backlog) => ({
      id: backlog.id,
      kind: backlog.kind,
      order: backlog.order,
      afterMs: backlog.afterMs,
      untilMs: backlog.untilMs,
      left: backlog.left,
      done: backlog.done,
      running: state.active.filter((run) => run.backlog === backlog.id).length,
    })),
    occurrences: state.occurrences
      .filter(({ ran }) => ran !== true)
      .map(({ dueMs: _dueMs, ...occurrence }) => occurrence),
    ...(state.runsLeft !== undefined && { runsLeft: state.runsLeft }),
    revisions: [
      { revision: state.revision, atMs: state.changedAtMs, ...state.changed },
      ...state.revisions.map(({ definition: _definition, ...revision }) => revision).toReversed(),
    ],
    unsentRows: state.unsent.length,
    problems: state.problems,
    machine: state.machine,
    ...(state.paused && { paused: state.paused }),
    ...(state.disabled && { disabled: state.disabled }),
    ...(state.running !== undefined && { running: state.running }),
    ...(state.waitingFor !== undefined && { waitingFor: state.waitingFor }),
    ...(state.last && { last: state.last }),
  };
}
