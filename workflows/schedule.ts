/**
 * scheduleWorkflow: one schedule, for as long as it exists. A loop that sleeps on durable timers and messages,
 * lets the cron machine decide, and carries its decisions out. Workflow id `schedule/<id>`; started by the SDK or
 * by any Temporal client with a `ScheduleInput`. Imports no activity code, no Node, no zod.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setCurrentDetails,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { createNames, isoInstant, parseWorkflowId } from '../src/contract/ids.ts';
import type { ScheduleInput } from '../src/contract/schedule.ts';
import {
  ARM_AHEAD_MAX,
  ARM_AHEAD_MS,
  CROWD_NOTES,
  NAP_NOTES_MAX,
  NOTES_PER_TURN_MAX,
  PLAN_AHEAD,
  SHORT_GAP_MS,
  SIGNALS_PER_RUN_MAX,
  WAKE_EARLY_MS,
} from '../src/core/limits.ts';
import { local } from './local-activities.ts';
import { cardOf } from './schedule/card.ts';
import { carryOut } from './schedule/carry-out.ts';
import { type Inbox, type Note, openInbox } from './schedule/inbox.ts';
import {
  type Carried,
  describe,
  newState,
  nextTickMs,
  type ScheduleState,
  stateName,
} from './schedule/state.ts';
import { deleteBacklogs, nextBacklogAtMs, runBacklogs } from './schedule/backlogs.ts';
import { fireDue, napThrough } from './schedule/fire-due.ts';
import {
  endTask,
  feed,
  finishTask,
  type Host,
  isShortGap,
  LATE_MS,
  nowOf,
  planExpiresAtMs,
  planFrom,
  readClock,
  replan,
  seeLate,
} from './schedule/host.ts';
import { deleteMoved, fireMoved, movedWakeUps } from './schedule/occurrences.ts';
import { deletePending, pendingTimeoutMs } from './schedule/queue.ts';
import { lookUpSilent } from './schedule/run-ends.ts';
import { nextLookUpAtMs } from './schedule/runs.ts';
import { closeSpans, endElapsed, untils } from './schedule/suspend.ts';
import { takeNote } from './schedule/take-note.ts';
import { openWakeUps } from './schedule/wake-ups.ts';

/** Unwritten ledger rows are offered again after this long, if no fire takes them along before. */
const FLUSH_AGAIN_MS = 30_000;
const FLUSHES_MAX = (24 * 3_600_000) / FLUSH_AGAIN_MS;

/**
 * @param input the schedule as a person writes it; null in runs that continue another
 * @param carried what the run before hands over
 * @throws ApplicationFailure `InvalidSchedule` where the definition or the workflow id cannot be used
 */
export async function scheduleWorkflow(input: ScheduleInput | null, carried: Carried = {}): Promise<void> {
  const opened: { host?: Host } = {};
  const inbox = openInbox(() => {
    if (opened.host === undefined) {
      throw new Error('the schedule is being planned: ask again in a moment');
    }
    return describe(opened.host.id, opened.host.state);
  });
  const host = await open(input, carried);
  opened.host = host;
  try {
    await run(host, inbox, carried.continueAsNewEvery);
  } catch (error) {
    // Cancelling the workflow is deleting the schedule; what is not yet in the ledger goes there first.
    if (isCancellation(error)) await CancellationScope.nonCancellable(() => settleAll(host));
    throw error;
  }
}

/** What fell due before the end fires as it would have before a delete: a task that was lost may have begun with it. */
async function settleAll(host: Host): Promise<void> {
  await finishTask(host);
  await fireDue(host);
  await closeSpans(host);
  await carryOut(host);
  await flush(host);
}

/** A schedule that ends takes nothing with it: its rows are offered until the database has them, for a day at most. */
async function flush(host: Host): Promise<void> {
  deletePending(host);
  deleteMoved(host);
  deleteBacklogs(host);
  await carryOut(host);
  for (let tries = 1; host.state.unsent.length > 0 && tries < FLUSHES_MAX; tries += 1) {
    setCurrentDetails(
      `**${host.id}** has ended; ${host.state.unsent.length} ledger rows wait for the database`,
    );
    await sleep(Math.min(tries * 1_000, FLUSH_AGAIN_MS), { summary: 'offer the ledger rows again' });
    await readClock(host);
    await carryOut(host);
  }
}

async function run(host: Host, inbox: Inbox, continueAsNewEvery?: number): Promise<void> {
  const wakeUps = openWakeUps();
  // The first turn of a run only takes up what was carried over, so that even `1` makes headway. Notes are taken once it
  // has waited: while a local activity runs, a replay may see them come earlier or later.
  let notes: readonly Note[] = [];
  const left: Note[] = [];
  let taken = 0;
  let suggested = false;
  let crowded = false;
  for (let turns = 0; ; turns += 1) {
    await takeTurn(host, notes);
    // Where messages come thick and fast they would have to wait for the nap, more of them than the server buffers.
    const napped =
      host.deleted === undefined &&
      notes.length <= NAP_NOTES_MAX &&
      (await napThrough(host, (timeMs) => wakeUps.isArmed(timeMs - WAKE_EARLY_MS)));
    if (napped) {
      await fireDue(host, 'by-nap');
      await carryOut(host);
    }
    show(host.state, host.id);
    if (host.deleted !== undefined) return await close(host, inbox, left);

    const forced = continueAsNewEvery !== undefined && turns >= continueAsNewEvery;
    const wanted = forced || taken >= SIGNALS_PER_RUN_MAX || suggested || crowded;
    if (wanted && left.length === 0) {
      // A message that comes meanwhile makes the server refuse the step, and the task is lost: what it did is certain first.
      await endTask(host);
      // A note left meanwhile is taken first: its handler waits for this loop.
      await condition(() => inbox.notes.length > 0 || allHandlersFinished());
      if (inbox.notes.length === 0) await continueSchedule(host, continueAsNewEvery);
    }
    wakeUps.arm(wantedWakeUps(host));
    // A task that goes on for long makes the server buffer messages, and it fails the task when they are too many.
    if (left.length > 0) await endTask(host);
    else await condition(() => inbox.notes.length > 0 || wakeUps.rang || isOverdue(host));
    wakeUps.rang = false;
    host.uncertain = false;
    const come = inbox.notes.splice(0);
    taken += come.length;
    crowded ||= come.length >= CROWD_NOTES;
    left.push(...come);
    suggested = workflowInfo().continueAsNewSuggested;
    notes = left.splice(0, NOTES_PER_TURN_MAX);
    host.lateMs = wakeUps.lateMs;
    if (notes.length === 0 && host.lateMs < LATE_MS) host.nowMs = Math.max(host.nowMs, wakeUps.rangForMs);
    else await readClock(host);
  }
}

async function takeTurn(host: Host, notes: readonly Note[]): Promise<void> {
  await fireDue(host);
  fireMoved(host);
  await endElapsed(host);
  for (const note of notes) {
    // What fell due while the note before was taken comes before this one.
    await fireDue(host);
    await takeNote(host, note);
    if (note.reply !== undefined) host.uncertain = true;
  }
  await lookUpSilent(host);
  await renewPlan(host);
  await fireDue(host);
  await carryOut(host);
  if (host.state.backlogs.length === 0 || host.deleted !== undefined) return;
  // Behind what is live.
  await runBacklogs(host);
  await carryOut(host);
}

async function open(input: ScheduleInput | null, carried: Carried): Promise<Host> {
  const info = workflowInfo();
  const parsed = parseWorkflowId(info.workflowId);
  if (parsed?.noun !== 'schedule' || parsed.rest !== undefined) {
    throw invalid(`workflow id "${info.workflowId}" must be "schedule/<id>", the id without a slash`);
  }
  const names = createNames(parsed.deployment);
  // From the history and not from the clock; the first timer brings the time of day.
  const nowMs = carried.nowMs ?? info.startTime.getTime();
  const shared = { id: parsed.id, names, starts: [], answers: new Map(), nowMs, lateMs: 0 };
  if (carried.state !== undefined) return { ...shared, state: carried.state };

  const planned = await local.plan({
    scheduleId: parsed.id,
    ...(input !== null && { input }),
    createdAtMs: nowMs,
    nowMs,
    count: PLAN_AHEAD,
  });
  if (planned.kind === 'refused') throw invalid(planned.message);
  const state: ScheduleState = {
    ...newState(info.firstExecutionRunId, nowMs),
    definition: planned.definition,
    timing: planned.timing,
    notes: planned.notes,
    plan: planFrom(planned, nowMs),
    searchAttributes: planned.searchAttributes,
    ...(planned.definition.limitedRuns !== undefined && { runsLeft: planned.definition.limitedRuns }),
  };
  const host: Host = { ...shared, state };
  if (input?.enabled === false) state.disabled = { sinceMs: nowMs, reason: 'created switched off' };
  else feed(host, { kind: 'enable' }, nowMs);
  seeLate(host, planned.atMs);
  return host;
}

function invalid(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'InvalidSchedule');
}

async function renewPlan(host: Host): Promise<void> {
  const nowMs = nowOf(host);
  if (nextTickMs(host.state) === undefined || (planExpiresAtMs(host.state) ?? Infinity) > nowMs) return;
  await replan(host, nowMs);
  feed(host, { kind: 'scheduleChanged' }, nowMs);
}

/** The tick has come already, or nearly so: no timer is armed for what is closer than its lead. */
function isOverdue(host: Host): boolean {
  const tickMs = nextTickMs(host.state);
  return tickMs !== undefined && tickMs - WAKE_EARLY_MS <= host.nowMs;
}

function wantedWakeUps(host: Host): ReadonlyMap<number, string> {
  const { state, nowMs } = host;
  const wanted = new Map<number, string>([...untils(host), ...movedWakeUps(state)]);
  const tickMs = nextTickMs(state);
  if (tickMs !== undefined && tickMs - WAKE_EARLY_MS > nowMs) {
    const planExpires = planExpiresAtMs(state) ?? Infinity;
    if (tickMs > planExpires) wanted.set(planExpires, 'look at the time-zone rules again');
    for (const timeMs of ticksToArm(host, tickMs, nowMs)) {
      if (timeMs <= planExpires) wanted.set(timeMs - WAKE_EARLY_MS, `due ${isoInstant(timeMs)}`);
    }
  }
  const lookUpAtMs = nextLookUpAtMs(state);
  if (lookUpAtMs !== undefined) wanted.set(lookUpAtMs, 'look up runs that have not told their end');
  const timeoutMs = pendingTimeoutMs(host);
  if (timeoutMs !== undefined) wanted.set(timeoutMs, 'the oldest pending trigger is dropped');
  const backlogAtMs = nextBacklogAtMs(host);
  if (backlogAtMs !== undefined) wanted.set(backlogAtMs, 'go on with what is to be caught up');
  const flushAtMs = nowMs + FLUSH_AGAIN_MS;
  if (state.unsent.length > 0 && (tickMs === undefined || tickMs > flushAtMs)) {
    wanted.set(flushAtMs, 'offer the ledger rows again');
  }
  return wanted;
}

/** The tick, and what follows it closely. */
function ticksToArm({ state, bridged }: Host, tickMs: number, nowMs: number): readonly number[] {
  const close = state.plan.timesMs.filter((t) => t > tickMs && t - nowMs <= ARM_AHEAD_MS + SHORT_GAP_MS);
  const ticks = isShortGap(state) ? [tickMs, ...close] : [tickMs];
  return ticks.filter((timeMs) => timeMs === tickMs || timeMs !== bridged).slice(0, ARM_AHEAD_MAX);
}

async function continueSchedule(host: Host, continueAsNewEvery?: number): Promise<never> {
  const carried: Carried = {
    state: host.state,
    nowMs: host.nowMs,
    ...(continueAsNewEvery !== undefined && { continueAsNewEvery }),
  };
  return await continueAsNew<typeof scheduleWorkflow>(null, carried);
}

async function close(host: Host, inbox: Inbox, left: readonly Note[]): Promise<void> {
  await flush(host);
  if (host.deleted?.cancelRunning === true) {
    const { running, active } = host.state;
    const going = new Set(active.map(({ invocationId }) => invocationId));
    if (running !== undefined) going.add(running);
    for (const one of going) await local.cancelInvocation(one, `schedule "${host.id}" was deleted`);
  }
  inbox.notes.unshift(...left);
  do {
    for (const { reply } of inbox.notes.splice(0)) {
      const message = `schedule "${host.id}" was deleted just now`;
      reply?.reject(ApplicationFailure.nonRetryable(message, 'ScheduleNotExists'));
    }
    await condition(() => inbox.notes.length > 0 || allHandlersFinished());
  } while (inbox.notes.length > 0);
}

/** Current details are free; a search attribute is an event, so only a new state is told. */
function show(state: ScheduleState, id: string): void {
  setCurrentDetails(cardOf(id, state));
  const name = stateName(state);
  if (!state.searchAttributes || state.shownState === name) return;
  const { run } = state.definition;
  upsertSearchAttributes(
    state.shownState === undefined
      ? {
          EscapementSchedule: [id],
          EscapementPool: [run.pool],
          EscapementTarget: [run.target.name],
          EscapementState: [name],
        }
      : { EscapementState: [name] },
  );
  state.shownState = name;
}
