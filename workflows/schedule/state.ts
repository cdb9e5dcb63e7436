/**
 * What a schedule workflow remembers, from turn to turn and over continue-as-new, and what it says of itself.
 * Plain data with a version; used by the other files of this folder only.
 */
import type { LedgerRow, Outcome } from '../../src/contract/ledger.ts';
import type {
  Problem,
  ScheduleDescription,
  ScheduleStateName,
  Suspension,
} from '../../src/contract/messages.ts';
import type { ScheduleDefinition, Timing } from '../../src/contract/schedule.ts';
import {
  DISTANT_FUTURE_MS,
  initialState as initialMachine,
  type MachineState,
} from '../../src/core/cron/machine.ts';
import { boundRows } from '../../src/core/fires.ts';
import { PROBLEMS_KEPT_MAX, SKIPS_UNTIL_STUCK } from '../../src/core/limits.ts';

/** Nominal times known ahead; computed by activities, never here. */
export interface Plan {
  readonly timesMs: readonly number[];
  readonly exhausted: boolean;
  readonly madeAtMs: number;
  /** Version of the time-zone data it was made with, where its times depend on it. */
  readonly zoneData?: string;
}

export interface ScheduleState {
  readonly version: 1;
  readonly creation: string;
  readonly createdAtMs: number;
  definition: ScheduleDefinition;
  timing: Timing;
  notes: readonly string[];
  revision: number;
  /** When the present revision began. */
  changedAtMs: number;
  machine: MachineState;
  /** Every due time up to here has been decided on: by a fire, which may wake early, or as part of a stretch. */
  decidedUntilMs: number;
  plan: Plan;
  paused?: Suspension;
  disabled?: Suspension;
  /** Invocation started last: what `skip` looks up. */
  running?: string;
  /** What a relative schedule waits for, and since when. */
  waiting?: { readonly invocationId: string; readonly sinceMs: number; readonly lookUpAtMs: number };
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
    machine: initialMachine,
    decidedUntilMs: nowMs,
    plan: { timesMs: [], exhausted: false, madeAtMs: nowMs },
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
  state.counts[row.outcome] = (state.counts[row.outcome] ?? 0) + row.count;
  state.unsent = boundRows([...state.unsent, row], state.pinnedRows);
}

export function noteProblem(state: ScheduleState, atMs: number, message: string): void {
  state.problems = [...state.problems, { atMs, message }].slice(-PROBLEMS_KEPT_MAX);
}

/** Nothing comes by itself any more, and nothing that runs can change that. */
export function isFinished(state: ScheduleState): boolean {
  if (state.machine.lastTick !== undefined) return false;
  if (state.timing.kind === 'relative') {
    return state.definition.spec.endAtMs !== undefined && state.waiting === undefined;
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
    unsentRows: state.unsent.length,
    problems: state.problems,
    machine: state.machine,
    ...(state.paused && { paused: state.paused }),
    ...(state.disabled && { disabled: state.disabled }),
    ...(state.running !== undefined && { running: state.running }),
    ...(state.waiting && { waitingFor: state.waiting.invocationId }),
    ...(state.last && { last: state.last }),
  };
}
