/**
 * Does what was decided: starts invocations and brings the ledger rows to the database, by `advance`. Called by the
 * schedule's loop, once in a turn. Promise: what has been started is booked, even while the schedule is being cancelled.
 */
import { CancellationScope } from '@temporalio/workflow';
import type { AdvanceResult, StartResult } from '../../src/contract/activities.ts';
import { startRows } from '../../src/core/fires.ts';
import { PLAN_AHEAD, STARTS_PER_ADVANCE_MAX } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { fireDue } from './fire-due.ts';
import { finishTask, type Host, owner, type PendingStart } from './host.ts';
import { giveBackRun, releasePending, wait } from './queue.ts';
import { awaitEnd, needsEnds } from './runs.ts';
import { book, count } from './state.ts';

/** A run that was asked to stop is looked at again after this. */
const STOPPING_LOOK_MS = 1_000;

/** Carries out the starts decided on and flushes the ledger: one `advance` as a rule. */
export async function carryOut(host: Host): Promise<void> {
  releasePending(host);
  while (host.starts.length > 0 || host.state.unsent.length > 0) {
    if (host.uncertain === true) await finishTask(host);
    await advanceOnce(host, takeStarts(host));
    // What did not start has left its place to the next.
    releasePending(host);
    if (host.starts.length === 0) break;
    // Many starts: the task is ended in between, for the messages' sake, and live fires go before them.
    await finishTask(host);
    await fireDue(host);
  }
  for (const answer of host.answers.values()) answer();
  host.answers.clear();
}

/** The next few, fires before what was asked for by hand. */
function takeStarts({ starts }: Host): readonly PendingStart[] {
  const fires = starts.filter(({ kind }) => kind === 'fire');
  const others = starts.filter(({ kind }) => kind !== 'fire');
  starts.splice(0, starts.length, ...fires, ...others);
  return starts.splice(0, STARTS_PER_ADVANCE_MAX);
}

async function advanceOnce(host: Host, starts: readonly PendingStart[]): Promise<void> {
  const { state, nowMs } = host;
  // Rows whose reply was lost go alone until they are known to be written, so that all others can still be joined.
  const pinned = state.pinnedRows;
  const rows = pinned > 0 ? state.unsent.slice(0, pinned) : state.unsent;
  const missing = state.timing.kind === 'absolute' ? PLAN_AHEAD - state.plan.timesMs.length : 0;
  const wanted = missing > 0 && !state.plan.exhausted && starts.length > 0;
  const afterMs = state.plan.timesMs.at(-1) ?? nowMs;
  const { zoneData, calendars } = state.plan;
  const madeWith = {
    ...(zoneData !== undefined && { zoneData }),
    ...(calendars !== undefined && { calendars }),
  };
  // Not cancelled with the schedule: what has been started must be recorded.
  const result = await CancellationScope.nonCancellable(() =>
    local.advance({
      ...owner(host),
      createdAtMs: state.createdAtMs,
      definition: state.definition,
      starts: starts.map(({ answer: _answer, ...start }) => start),
      notify: needsEnds(state),
      rows,
      nowMs,
      ...(pinned > 0 && { holdRows: true }),
      ...(state.running !== undefined && { previous: state.running }),
      ...(wanted && { plan: { afterMs, count: missing, ...madeWith } }),
    }),
  );
  if (result.written === 'yes') {
    state.unsent = state.unsent.slice(rows.length);
    state.pinnedRows = 0;
  }
  const sentStarts = pinned === 0;
  if (result.written === 'unknown' && sentStarts) state.pinnedRows = rows.length;
  for (const [i, start] of starts.entries()) {
    // `advance` has waited for it.
    host.nowMs = Math.max(host.nowMs, start.dueAtMs);
    const outcome = result.starts[i];
    if (outcome === undefined) continue;
    settle(host, start, outcome, sentStarts ? result.written : 'no');
  }
  if (wanted) {
    const { timesMs, nominalMs } = result;
    state.plan = {
      ...state.plan,
      timesMs: [...state.plan.timesMs, ...timesMs],
      ...(nominalMs !== undefined && { nominalMs: [...(state.plan.nominalMs ?? []), ...nominalMs] }),
      exhausted: result.exhausted,
      // A plan made with other zone data, or other calendars, is as good as expired.
      ...(result.stalePlan === true && { madeAtMs: 0 }),
    };
  }
}

/** @param written whether its rows are in the ledger; those that may be must never be joined */
function settle(
  host: Host,
  start: PendingStart,
  result: StartResult,
  written: AdvanceResult['written'],
): void {
  const { state } = host;
  const { outcome, atMs } = result;
  const { answer, overlap, others: _others, ...trigger } = start;
  if (outcome === 'waiting') {
    wait(host, trigger, overlap, answer);
    if (result.blockedBy !== undefined) {
      awaitEnd(host, result.blockedBy, atMs, { lookUpAtMs: atMs + STOPPING_LOOK_MS, stopping: true });
    }
    return;
  }
  const rows = startRows(owner(host), start, result);
  if (written === 'unknown') state.pinnedRows += rows.length;
  for (const row of rows) {
    if (written === 'yes') count(state, row.outcome, row.count);
    else book(state, row);
  }
  if (outcome === 'started') {
    state.running = start.invocationId;
    state.skipsInARow = 0;
    if (needsEnds(state)) awaitEnd(host, start.invocationId, atMs);
  } else {
    giveBackRun(host, start);
  }
  if (outcome === 'skipped-overlap') state.skipsInARow += 1;
  state.last = {
    dueAtMs: start.nominalAtMs ?? start.dueAtMs,
    outcome,
    decidedAtMs: atMs,
    ...(outcome === 'started' && { invocationId: start.invocationId }),
  };
  if (state.timing.kind === 'relative' && start.kind === 'fire') {
    // Also for one that did not start: the look-up finds its blocker, or nothing, and counting goes on.
    state.waitingFor = result.blockedBy ?? start.invocationId;
    awaitEnd(host, state.waitingFor, atMs);
  }
  const { atMs: _decided, ...told } = result;
  answer?.({ ...told, outcome, invocationId: start.invocationId });
}
