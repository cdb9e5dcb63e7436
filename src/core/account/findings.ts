/**
 * An account of one schedule, made from outside: the due times that its spec names, against the rows that the ledger has.
 * Called by the watcher. Pure, and independent of the scheduler: it takes from it what a schedule is and whether it is held,
 * never what it has decided. Promise: what is held back, queued or planned otherwise is waiting, not lost.
 */
import type { LedgerRow } from '../../contract/ledger.ts';
import type { ScheduleDescription } from '../../contract/messages.ts';
import type { CompiledSpec } from '../cron/spec.ts';
import { type Cover, leftOver } from './match.ts';

/** What is wrong with the due times of one schedule; instants in ms since the epoch. */
export type FireFinding =
  /** Their time and the grace have passed, and the ledger has no outcome for them. */
  | {
      readonly kind: 'without-outcome';
      readonly count: number;
      readonly firstDueAtMs: number;
      readonly lastDueAtMs: number;
      /** Rows that the schedule could not bring to the database: they may be among these. */
      readonly unsentRows: number;
    }
  /** They started, but longer after their time than the grace, and no policy made them wait. */
  | {
      readonly kind: 'late';
      readonly count: number;
      readonly firstDueAtMs: number;
      readonly lastDueAtMs: number;
      readonly worstMs: number;
    };

type Row = Pick<
  LedgerRow,
  'kind' | 'outcome' | 'fromMs' | 'toMs' | 'count' | 'decidedAtMs' | 'invocationId'
> & {
  readonly run?: { readonly endedAtMs: number };
};

export interface AccountOptions {
  /** When the description was asked for. */
  readonly nowMs: number;
  /** A fire may be so late, and its row so long on its way. */
  readonly graceMs: number;
  /** Due times from here on, exclusive; what lies before the last change is left out by itself. */
  readonly afterMs: number;
}

/** Due times looked at in one schedule; of more the newest. Bounds what is read of the ledger. */
export const ACCOUNT_TIMES_MAX = 1_000;

/** The stretch (afterMs, untilMs] of which an account can be made now, at most `ACCOUNT_TIMES_MAX` due times long. */
export function stretchOf(
  { changedAtMs, definition }: ScheduleDescription,
  spec: CompiledSpec,
  { nowMs, graceMs, afterMs }: AccountOptions,
): { readonly afterMs: number; readonly untilMs: number } {
  const untilMs = nowMs - graceMs - (definition.spec.jitterMs ?? 0);
  let fromMs = Math.max(afterMs, changedAtMs);
  while (spec.count(fromMs, untilMs) > ACCOUNT_TIMES_MAX) fromMs += Math.ceil((untilMs - fromMs) / 2);
  return { afterMs: fromMs, untilMs };
}

/** @param rows of this schedule and creation: all whose `toMs` lies after the stretch's beginning */
export function findingsOf(
  schedule: ScheduleDescription,
  spec: CompiledSpec,
  rows: readonly Row[],
  options: AccountOptions,
): readonly FireFinding[] {
  switch (spec.timing.kind) {
    case 'triggered':
      return [];
    case 'relative':
      return relativeFindings(schedule, spec.timing.intervalMs, rows, options);
    case 'absolute':
      return absoluteFindings(schedule, spec, rows, options);
  }
}

function absoluteFindings(
  schedule: ScheduleDescription,
  spec: CompiledSpec,
  rows: readonly Row[],
  options: AccountOptions,
): readonly FireFinding[] {
  const { afterMs, untilMs } = stretchOf(schedule, spec, options);
  const expectedMs = spec.times(afterMs, untilMs, ACCOUNT_TIMES_MAX);
  const fires = new Map(rows.filter(({ kind }) => kind === 'fire').map((row) => [row.toMs, row]));
  const unrecorded = expectedMs.filter((timeMs) => !fires.has(timeMs));
  const spans = rows.filter(({ kind }) => kind === 'span');
  // Rows stand at nominal times, spans at the times until which a jitter may have moved them.
  const jitterMs = schedule.definition.spec.jitterMs ?? 0;
  const covers = [...spans, ...waitingOf(schedule)];
  const left = leftOver(
    unrecorded,
    covers.map((one) => ({ ...one, fromMs: one.fromMs - jitterMs })),
  );
  const expected = new Set(expectedMs);
  const late = mayWait(schedule) ? [] : lateOf(schedule, [...fires.values()], options);
  return [...without(schedule, left), ...summaryOfLate(late.filter((row) => expected.has(row.toMs)))];
}

/** Due times that the schedule holds back, or will come to: each with the room it takes. */
function waitingOf(schedule: ScheduleDescription): readonly Cover[] {
  const { paused, disabled, pending, pendingCount, backlogs, occurrences, state, last } = schedule;
  const held = [paused, disabled].flatMap((span) =>
    span === undefined ? [] : [cover(span.sinceMs, span.untilMs ?? Infinity)],
  );
  const queued = pending.filter(({ kind }) => kind === 'fire');
  const newestShownMs = pending.at(-1)?.createdAtMs ?? -Infinity;
  const hidden = pendingCount - pending.length;
  return [
    ...held,
    ...queued.map(({ key, createdAtMs }) => {
      const nominalMs = Date.parse(key);
      return cover(Number.isNaN(nominalMs) ? createdAtMs : nominalMs, undefined, 1);
    }),
    ...(hidden > 0 ? [cover(newestShownMs, Infinity, hidden)] : []),
    ...backlogs
      .filter(({ kind }) => kind === 'catch-up')
      .map(({ afterMs, untilMs, left, running }) => cover(afterMs, untilMs, left + running)),
    ...occurrences.map(({ nominalMs }) => cover(nominalMs, undefined, 1)),
    // What is finished has nothing due any more.
    ...(state === 'finished' ? [cover(last?.dueAtMs ?? -Infinity, Infinity)] : []),
  ];
}

function cover(fromMs: number, toMs = fromMs, count = Infinity): Cover {
  return { fromMs, toMs, count };
}

/** A policy under which a fire may start long after its time with nothing being wrong. */
function mayWait({ definition }: ScheduleDescription): boolean {
  return definition.triggering !== undefined || definition.overlap.startsWith('buffer');
}

function lateOf(
  { definition }: ScheduleDescription,
  fires: readonly Row[],
  { graceMs }: AccountOptions,
): readonly Row[] {
  const allowedMs = graceMs + (definition.spec.jitterMs ?? 0);
  return fires.filter(
    ({ outcome, decidedAtMs, toMs }) => outcome === 'started' && decidedAtMs - toMs > allowedMs,
  );
}

function summaryOfLate(late: readonly Row[]): readonly FireFinding[] {
  if (late.length === 0) return [];
  const dueMs = late.map(({ toMs }) => toMs);
  const worstMs = Math.max(...late.map(({ decidedAtMs, toMs }) => decidedAtMs - toMs));
  return [{ kind: 'late', ...bounds(dueMs), worstMs }];
}

function without({ unsentRows }: ScheduleDescription, timesMs: readonly number[]): readonly FireFinding[] {
  return timesMs.length === 0 ? [] : [{ kind: 'without-outcome', ...bounds(timesMs), unsentRows }];
}

function bounds(timesMs: readonly number[]) {
  return { count: timesMs.length, firstDueAtMs: Math.min(...timesMs), lastDueAtMs: Math.max(...timesMs) };
}

/**
 * A relative schedule is due an interval after its last run ended, so only its next fire can be missing. While a run is not
 * over it waits, however long that takes.
 */
function relativeFindings(
  schedule: ScheduleDescription,
  intervalMs: number,
  rows: readonly Row[],
  { nowMs, graceMs }: AccountOptions,
): readonly FireFinding[] {
  const { paused, disabled, state, pendingCount, changedAtMs, definition } = schedule;
  if (paused !== undefined || disabled !== undefined || state === 'finished' || pendingCount > 0) return [];
  const own = rows.filter(({ decidedAtMs }) => decidedAtMs >= changedAtMs);
  if (own.some(({ outcome, run }) => outcome === 'started' && run === undefined)) return [];
  const sinceMs = Math.max(changedAtMs, ...own.map(({ run, decidedAtMs }) => run?.endedAtMs ?? decidedAtMs));
  const { startAtMs = -Infinity, endAtMs = Infinity } = definition.spec;
  const dueAtMs = Math.max(sinceMs + intervalMs, startAtMs);
  return dueAtMs > endAtMs || dueAtMs > nowMs - graceMs ? [] : without(schedule, [dueAtMs]);
}
