/**
 * Decides on every due time that has come: which fire starts, what is recorded, what becomes a backlog. Called by the loop,
 * before messages are taken and after. The starts are carried out by `carry-out.ts`.
 */
import { CancellationScope } from '@temporalio/workflow';
import type { DueSummary } from '../../src/contract/activities.ts';
import { isSuspended } from '../../src/core/cron/machine.ts';
import { startRows, summarize } from '../../src/core/fires.ts';
import {
  ARM_AHEAD_MAX,
  DRIFT_MS_MAX,
  LATE_AFTER_MS,
  NAP_MS_MAX,
  NAP_PIECE_MS,
  WAKE_EARLY_MS,
} from '../../src/core/limits.ts';
import { splitLate } from '../../src/core/policy/catch-up.ts';
import { local } from '../local-activities.ts';
import { addCatchUp } from './backlogs.ts';
import {
  endTask,
  feed,
  finishTask,
  fireOf,
  type Host,
  isShortGap,
  owner,
  planAfter,
  reachesBeyond,
  replan,
  seeLate,
} from './host.ts';
import { known, recordLate } from './late.ts';
import { passOccurrences } from './occurrences.ts';
import { enqueue, spendRun } from './queue.ts';
import { awaitEnd, needsEnds } from './runs.ts';
import { book, nextTickMs } from './state.ts';

/** Fires what is due, or all but due (`advance` waits for the rest), until nothing is. */
export async function fireDue(host: Host, woken: 'by-timer' | 'by-nap' = 'by-timer'): Promise<void> {
  // Looking into the plan may take a while, in which the next time comes.
  // Not cancelled with the schedule: what has left the plan must be booked.
  await CancellationScope.nonCancellable(async () => {
    for (let by = woken; await fireTick(host, by); by = 'by-nap');
  });
}

/** Fires the tick if its time has come, and decides on every due time that has passed with it. */
async function fireTick(host: Host, woken: 'by-timer' | 'by-nap'): Promise<boolean> {
  const { state, nowMs } = host;
  const tick = state.machine.lastTick;
  if (isSuspended(state.machine) || tick === undefined) return false;
  if (tick.whenMs > nowMs + WAKE_EARLY_MS) return false;

  if (host.dueByClock === tick.nonce) {
    await finishTask(host);
    delete host.dueByClock;
  }
  const untilMs = Math.max(nowMs, tick.whenMs);
  const due = await leaveOutDecided(host, await takeDue(host, tick.whenMs, untilMs), untilMs);
  if (!feed(host, { kind: 'tick', nonce: tick.nonce }, untilMs)) return false;
  state.decidedUntilMs = untilMs;
  if (woken === 'by-timer') noteDrift(host, host.lateMs);
  const onTime = due?.count === 1 && nowMs - due.lastMs <= LATE_AFTER_MS;
  const isLate = due !== undefined && state.timing.kind === 'absolute' && !onTime;
  if (isLate) await decideLate(host, due);
  else if (due !== undefined) startFire(host, due);
  // Now that they have been left out of what is late.
  passOccurrences(host, untilMs);
  // What is late was decided by the clock.
  if (isLate) await finishTask(host);
  return true;
}

/** An automatic fire spends one of the limited runs, which is given back if it does not start. */
function startFire(host: Host, due: DueSummary): void {
  const { state } = host;
  // The schedule came to its end in a task that was lost.
  if (state.runsLeft === 0) return;
  spendRun(host);
  enqueue(host, fireOf(host, due.nominal?.lastMs ?? due.lastMs, due.lastMs));
}

/** By the schedule's catch-up rule. */
async function decideLate(host: Host, due: DueSummary): Promise<void> {
  const { state, nowMs } = host;
  const split = splitLate(state.definition.catchUp, due, nowMs);
  await recordLate(host, split);
  const backlog = split.backlog && (await known(host, split.backlog));
  if (backlog !== undefined) addCatchUp(host, backlog);
  if (split.startMs !== undefined) startFire(host, due);
}

/** What is due, those left out that are to run otherwise; undefined where that leaves nothing. */
async function takeDue(host: Host, tickMs: number, untilMs: number): Promise<DueSummary | undefined> {
  const { state } = host;
  if (state.timing.kind !== 'absolute') return { count: 1, firstMs: tickMs, lastMs: tickMs };
  if (!reachesBeyond(state, untilMs)) {
    const planned = await replan(host, untilMs, tickMs - 1);
    return planned.ok ? planned.due : { count: 1, firstMs: tickMs, lastMs: tickMs };
  }
  const { timesMs, nominalMs } = state.plan;
  const except = new Set(state.occurrences.map((occurrence) => occurrence.dueMs));
  const due = timesMs.filter((timeMs) => timeMs >= tickMs && timeMs <= untilMs && !except.has(timeMs));
  state.plan = planAfter(state.plan, untilMs);
  const nominal = nominalMs && new Map(timesMs.map((timeMs, i) => [timeMs, nominalMs[i] ?? timeMs]));
  return summarize(due, nominal);
}

/** A task that was lost may have decided on the oldest times when they were due; they are then no part of what is late. */
async function leaveOutDecided(
  host: Host,
  due: DueSummary | undefined,
  untilMs: number,
): Promise<DueSummary | undefined> {
  if (due === undefined || due.count < 2) return due;
  const { state } = host;
  const stretch = { definition: state.definition, afterMs: due.firstMs - 1, untilMs: due.lastMs };
  const except = state.occurrences.map(({ nominalMs }) => nominalMs);
  const decided = await local.decided({ ...owner(host), ...stretch, except });
  for (const { trigger, result } of decided) {
    for (const row of startRows(owner(host), trigger, result)) book(state, row);
    if (result.outcome !== 'started') continue;
    state.running = trigger.invocationId;
    if (needsEnds(state)) awaitEnd(host, trigger.invocationId, result.atMs);
    if (state.runsLeft !== undefined) state.runsLeft = Math.max(0, state.runsLeft - 1);
  }
  const lastMs = decided.at(-1)?.trigger.dueAtMs;
  if (lastMs === undefined) return due;
  const planned = await replan(host, untilMs, lastMs);
  return planned.ok ? planned.due : { count: 1, firstMs: due.lastMs, lastMs: due.lastMs };
}

/** Wake-ups of short gaps drift; when they have drifted far, the first one not yet armed is left without a timer. */
function noteDrift(host: Host, lateMs: number): void {
  if (lateMs <= DRIFT_MS_MAX || !isShortGap(host.state)) return;
  const unarmed = host.state.plan.timesMs[ARM_AHEAD_MAX - 1];
  if (unarmed !== undefined) host.bridged ??= unarmed;
}

/**
 * Waits in the task for a tick so near that a timer could not be on time: one that was left without, or the first
 * after a change. Once in a turn at most, as messages wait meanwhile.
 */
export async function napThrough(host: Host, isArmed: (timeMs: number) => boolean): Promise<boolean> {
  const tickMs = nextTickMs(host.state);
  const { nowMs } = host;
  if (tickMs === undefined || tickMs - nowMs > NAP_MS_MAX || tickMs <= nowMs) return false;
  if (isArmed(tickMs)) return false;
  if (host.uncertain === true) await finishTask(host);
  if (host.bridged === tickMs) delete host.bridged;
  for (let atMs = nowMs + NAP_PIECE_MS; atMs < tickMs; atMs += NAP_PIECE_MS) {
    await local.waitUntil(atMs);
    await endTask(host);
  }
  const untilMs = await local.waitUntil(tickMs);
  host.nowMs = Math.max(host.nowMs, tickMs);
  seeLate(host, untilMs);
  return true;
}
