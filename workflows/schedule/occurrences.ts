/**
 * Single nominal times that are not to run as planned: skipped, moved or held, until somebody undoes it. Each ends in one ledger
 * row like every other: `skipped-occurrence`, `moved` when it has run, `held` until it is restored.
 */
import type { Trigger } from '../../src/contract/activities.ts';
import { isoInstant } from '../../src/contract/ids.ts';
import type { Outcome } from '../../src/contract/ledger.ts';
import { parseInstant } from '../../src/contract/message-shape.ts';
import type { OccurrenceRequest } from '../../src/contract/messages.ts';
import { YEAR_MAX } from '../../src/core/cron/civil.ts';
import { triggerRow } from '../../src/core/fires.ts';
import { OCCURRENCES_MAX, WAKE_EARLY_MS } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { fireOf, type Host, nowOf, owner } from './host.ts';
import { enqueue, spendRun } from './queue.ts';
import { refuse } from './refusal.ts';
import { book, count, type KeptOccurrence, type ScheduleState } from './state.ts';

export async function changeOccurrence(host: Host, request: OccurrenceRequest): Promise<void> {
  const { state } = host;
  const nominalMs = parseInstant(request.at) ?? 0;
  const kept = state.occurrences.find((occurrence) => occurrence.nominalMs === nominalMs);
  if (request.act === 'restore') {
    if (kept === undefined)
      refuse('changeOccurrence', 'at', `${request.at} is neither skipped, moved nor held`);
    if (kept.ran === true)
      refuse('changeOccurrence', 'at', `${request.at} has run already, ${describeAct(kept)}`);
    restore(host, kept);
    return;
  }
  if (kept !== undefined) {
    refuse(
      'changeOccurrence',
      'at',
      `${request.at} is ${describeAct(kept)} already: restore it first (act "restore")`,
    );
  }
  const { toMs } = readMove(host, request);
  if (state.occurrences.length >= OCCURRENCES_MAX) {
    refuse(
      'changeOccurrence',
      'at',
      `${OCCURRENCES_MAX} occurrences are skipped, moved or held already: restore some first`,
    );
  }
  if (state.timing.kind !== 'absolute') {
    refuse(
      'changeOccurrence',
      'at',
      'only a schedule with fixed nominal times has occurrences that can be changed',
    );
  }
  const dueMs = await local.dueTimeOf({
    scheduleId: host.id,
    definition: state.definition,
    nominalMs,
  });
  if (dueMs === undefined) {
    refuse(
      'changeOccurrence',
      'at',
      `${request.at} is no nominal time of this schedule: \`escapement next\` lists them`,
    );
  }
  if (dueMs <= nowOf(host)) {
    refuse('changeOccurrence', 'at', `${request.at} has passed: run it by hand, or by a backfill`);
  }
  if (toMs === dueMs)
    refuse('changeOccurrence', 'to', `${request.at} is due then as it is: name another instant`);
  const { act, actor, reason } = request;
  state.occurrences = [
    ...state.occurrences,
    {
      nominalMs,
      dueMs,
      act,
      ...(toMs !== undefined && { toMs }),
      ...(actor !== undefined && { actor }),
      ...(reason !== undefined && { reason }),
    },
  ];
}

function readMove(host: Host, { act, to }: OccurrenceRequest): { readonly toMs?: number } {
  if (act !== 'move') {
    if (to !== undefined)
      refuse('changeOccurrence', 'to', `is for act "move" only, not for "${act}": remove it`);
    return {};
  }
  const toMs = parseInstant(to);
  if (toMs === undefined)
    refuse('changeOccurrence', 'to', 'is missing: give the instant at which it is to run');
  if (toMs <= nowOf(host)) refuse('changeOccurrence', 'to', `${to} has passed: move it to a later instant`);
  if (new Date(toMs).getUTCFullYear() > YEAR_MAX) {
    refuse('changeOccurrence', 'to', `${to} is beyond ${YEAR_MAX}: move it to an earlier instant`);
  }
  return { toMs };
}

/** In words, after `is` or the like. */
export function describeAct({ act, toMs }: KeptOccurrence): string {
  return act === 'skip' ? 'skipped' : act === 'hold' ? 'held' : `moved to ${isoInstant(toMs ?? 0)}`;
}

/** What is held and due runs now; anything else is due as if nothing had been said. */
function restore(host: Host, occurrence: KeptOccurrence): void {
  const { state } = host;
  if (occurrence.act === 'move' && occurrence.dueMs <= nowOf(host)) {
    const at = isoInstant(occurrence.nominalMs);
    refuse(
      'changeOccurrence',
      'at',
      `${at} has passed, and it is ${describeAct(occurrence)}: it can no longer run at its own time`,
    );
  }
  remove(state, occurrence);
  if (occurrence.isDue !== true) return;
  count(state, 'held', -1);
  run(host, { ...fireOf(host, occurrence.nominalMs, occurrence.dueMs), reason: 'held, and restored' });
}

function replace(state: ScheduleState, occurrence: KeptOccurrence, next: KeptOccurrence): void {
  state.occurrences = state.occurrences.map((other) => (other === occurrence ? next : other));
}

function remove(state: ScheduleState, occurrence: KeptOccurrence): void {
  state.occurrences = state.occurrences.filter((other) => other !== occurrence);
}

/** It is an automatic fire like any other. */
function run(host: Host, trigger: Trigger): void {
  if (host.state.runsLeft === 0) {
    bookAs(host, trigger, 'dropped', 'the limited runs are used up');
    return;
  }
  spendRun(host);
  enqueue(host, trigger);
}

function bookAs(host: Host, trigger: Trigger, outcome: Outcome, reason: string): void {
  book(host.state, triggerRow(owner(host), trigger, outcome, { atMs: host.nowMs, reason }));
}

/** What was moved to a time that never came, away from one that has passed. */
export function deleteMoved(host: Host): void {
  for (const { act, ran, nominalMs, dueMs } of host.state.occurrences) {
    if (act !== 'move' || ran === true || dueMs > host.state.decidedUntilMs) continue;
    bookAs(host, fireOf(host, nominalMs, dueMs), 'deleted', 'the schedule was deleted before it could run');
  }
  host.state.occurrences = [];
}

/** Books those whose time has passed: they left the plan with it. */
export function passOccurrences(host: Host, untilMs: number): void {
  const { state } = host;
  for (const occurrence of state.occurrences) {
    if (occurrence.dueMs > untilMs) continue;
    if (occurrence.ran === true) remove(state, occurrence);
    if (occurrence.act === 'move' || occurrence.isDue === true) continue;
    const trigger = fireOf(host, occurrence.nominalMs, occurrence.dueMs);
    const outcome = occurrence.act === 'skip' ? 'skipped-occurrence' : 'held';
    const settled = { atMs: Math.max(host.nowMs, occurrence.dueMs), reason: reasonOf(occurrence) };
    book(state, triggerRow(owner(host), trigger, outcome, settled));
    if (occurrence.act === 'skip') remove(state, occurrence);
    else replace(state, occurrence, { ...occurrence, isDue: true });
  }
}

function reasonOf({ act, actor, reason }: KeptOccurrence): string {
  const by = actor === undefined ? '' : ` by ${actor}`;
  return `${act === 'skip' ? 'skipped' : 'held'}${by}${reason === undefined ? '' : `: ${reason}`}`;
}

/** Starts what was moved to now, or nearly now (`advance` waits for the rest). */
export function fireMoved(host: Host): void {
  const { state } = host;
  for (const occurrence of state.occurrences) {
    const { nominalMs, toMs, act } = occurrence;
    if (act !== 'move' || occurrence.ran === true) continue;
    if (toMs === undefined || toMs > host.nowMs + WAKE_EARLY_MS) continue;
    if (occurrence.dueMs <= state.decidedUntilMs) remove(state, occurrence);
    else replace(state, occurrence, { ...occurrence, ran: true });
    const moved = { ...fireOf(host, nominalMs, toMs), nominalAtMs: nominalMs };
    const suspended = suspendedAt(state, toMs);
    const reason = `moved to ${isoInstant(toMs)}`;
    if (suspended === undefined) run(host, { ...moved, moved: true, reason });
    else bookAs(host, moved, suspended, `${reason}, when the schedule was ${suspended}`);
  }
}

function suspendedAt(state: ScheduleState, atMs: number): 'paused' | 'disabled' | undefined {
  for (const kind of ['disabled', 'paused'] as const) {
    const span = state[kind];
    if (span !== undefined && atMs < (span.untilMs ?? Infinity)) return kind;
  }
  return undefined;
}

/** Instants at which a moved one runs, each with its line for the Web UI. */
export function movedWakeUps({ occurrences }: ScheduleState): ReadonlyMap<number, string> {
  const wanted = new Map<number, string>();
  for (const { act, nominalMs, toMs, ran } of occurrences) {
    if (act === 'move' && toMs !== undefined && ran !== true) {
      wanted.set(toMs - WAKE_EARLY_MS, `${isoInstant(nominalMs)}, moved to ${isoInstant(toMs)}`);
    }
  }
  return wanted;
}
