/**
 * How a schedule decides: feeds the machine, and turns what is due into starts and ledger rows. `carry-out.ts` then
 * does what was decided. Called by the loop and by `take-note.ts`.
 */
import { CancellationScope, sleep, uuid4 } from '@temporalio/workflow';
import type { DueSummary, StartRequest } from '../../src/contract/activities.ts';
import { isoInstant, type Names } from '../../src/contract/ids.ts';
import type { DeleteRequest, TriggerResult } from '../../src/contract/messages.ts';
import {
  DISTANT_FUTURE_MS,
  isSuspended,
  type MachineEvent,
  transition,
} from '../../src/core/cron/machine.ts';
import { catchUpLatest, spanRow, startRow, summarize } from '../../src/core/fires.ts';
import {
  ARM_AHEAD_MAX,
  DRIFT_MS_MAX,
  LOOK_UP_MS_MAX,
  LOOK_UP_MS_MIN,
  NAP_MS_MAX,
  PLAN_AGE_MS_MAX,
  PLAN_AHEAD,
  SHORT_GAP_MS,
  WAKE_EARLY_MS,
} from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { book, nextTickMs, noteProblem, type ScheduleState } from './state.ts';

/** A start that this turn has decided on; `answer` is there where somebody waits for what became of it. */
export interface PendingStart extends StartRequest {
  readonly answer?: (result: TriggerResult) => void;
}

export interface Host {
  readonly id: string;
  readonly names: Names;
  readonly state: ScheduleState;
  readonly starts: PendingStart[];
  /**
   * The time that decisions are made by: of the timer that woke it, or one that is recorded. Never `Date.now()` itself, which
   * says another time in a replay where a query came while a local activity ran.
   */
  nowMs: number;
  /** How late the timer came. */
  lateMs: number;
  deleted?: DeleteRequest;
  /** Nonce of a relative tick whose time was read off the clock, so that only a finished task makes it certain. */
  dueByClock?: string | undefined;
  /** A stretch was booked that ends where the clock stood: its row is written once a finished task has made that certain. */
  bookedByClock?: boolean;
  /** A nominal time that is reached without a timer, by waiting in the task, so that later timers are on time again. */
  bridged?: number;
}

/** Feeds the machine one event and commits what it says. Answers whether an invocation is to start. */
export function feed(host: Host, event: MachineEvent, nowMs: number): boolean {
  const { state } = host;
  const result = transition(state.machine, event, {
    nowMs,
    schedule: {
      absolute: state.timing.kind === 'absolute',
      next: (afterMs, previousMs) => nextNominal(state, afterMs, previousMs),
    },
    nonce: uuid4,
  });
  state.machine = result.state;
  if (state.timing.kind === 'relative' && event.kind !== 'rewind')
    host.dueByClock = result.state.lastTick?.nonce;
  return result.actions.some((action) => action.kind === 'startInvocation');
}

/** A look-up in the recorded plan, or plain arithmetic: no cron and no zone is ever read here. */
function nextNominal(state: ScheduleState, afterMs: number, previousMs?: number): number | undefined {
  if (state.paused !== undefined) return DISTANT_FUTURE_MS;
  switch (state.timing.kind) {
    case 'triggered':
      return DISTANT_FUTURE_MS;
    case 'relative':
      return withinBounds(state, Math.max((previousMs ?? afterMs) + state.timing.intervalMs, afterMs));
    case 'absolute':
      return state.plan.timesMs.find((timeMs) => timeMs > afterMs);
  }
}

/** For relative schedules; absolute plans keep to `startAt` and `endAt` themselves. */
function withinBounds({ definition: { spec } }: ScheduleState, timeMs: number): number | undefined {
  const whenMs = Math.max(timeMs, spec.startAtMs ?? timeMs);
  return whenMs > (spec.endAtMs ?? whenMs) ? undefined : whenMs;
}

/** Makes sure that the plan reaches beyond `nowMs`; answers what was due since `dueAfterMs`, if asked. */
export async function replan(
  host: Host,
  nowMs: number,
  dueAfterMs?: number,
): Promise<DueSummary | undefined> {
  const { state } = host;
  const planned = await local.plan({
    scheduleId: host.id,
    definition: state.definition,
    createdAtMs: state.createdAtMs,
    nowMs,
    count: PLAN_AHEAD,
    ...(dueAfterMs !== undefined && { dueAfterMs }),
  });
  if (planned.kind === 'refused') {
    // It was accepted once, so only the software or its zone data can have changed: keep the place, say so.
    // Not at once again: it is asked for when a tick needs it, or when plans are renewed anyway.
    state.plan = { ...state.plan, madeAtMs: nowMs };
    noteProblem(state, nowMs, planned.message);
    return undefined;
  }
  state.plan = {
    timesMs: planned.timesMs,
    exhausted: planned.exhausted,
    madeAtMs: nowMs,
    ...(planned.zoneData !== undefined && { zoneData: planned.zoneData }),
  };
  state.searchAttributes = planned.searchAttributes;
  return planned.due;
}

export function reachesBeyond(state: ScheduleState, nowMs: number): boolean {
  return (
    state.timing.kind !== 'absolute' ||
    state.plan.exhausted ||
    state.plan.timesMs.some((timeMs) => timeMs > nowMs)
  );
}

/** Whether what follows the tick follows it so closely that a timer armed then would be late. */
export function isShortGap(state: ScheduleState): boolean {
  const tickMs = state.machine.lastTick?.whenMs ?? 0;
  const nextMs = state.plan.timesMs.find((timeMs) => timeMs > tickMs);
  return nextMs !== undefined && nextMs - tickMs < SHORT_GAP_MS;
}

/** Fires what is due, or all but due (`advance` waits for the rest), until nothing is. */
export async function fireDue(host: Host, woken: 'by-timer' | 'by-nap' = 'by-timer'): Promise<void> {
  // Looking into the plan may take a while, in which the next time comes.
  // Not cancelled with the schedule: what has left the plan must be booked.
  await CancellationScope.nonCancellable(async () => {
    for (let by = woken; await fireTick(host, by); by = 'by-nap');
  });
}

/** Fires the tick if its time has come, and decides on every nominal time that has passed with it. */
async function fireTick(host: Host, woken: 'by-timer' | 'by-nap'): Promise<boolean> {
  const { state } = host;
  const { nowMs } = host;
  const tick = state.machine.lastTick;
  if (isSuspended(state.machine) || tick === undefined) return false;
  if (tick.whenMs > nowMs + WAKE_EARLY_MS) return false;

  if (host.dueByClock === tick.nonce) {
    await finishTask(host);
    delete host.dueByClock;
  }
  const untilMs = Math.max(nowMs, tick.whenMs);
  const due = await leaveOutDecided(host, await takeDue(host, tick.whenMs, untilMs));
  if (!feed(host, { kind: 'tick', nonce: tick.nonce }, untilMs)) return false;
  state.decidedUntilMs = untilMs;
  if (woken === 'by-timer') noteDrift(host, host.lateMs);
  const decision = catchUpLatest(due);
  if (decision.superseded !== undefined) {
    const reason = `the scheduler was away; the newest, ${isoInstant(decision.startMs)}, runs for all`;
    book(state, spanRow(owner(host), 'superseded', decision.superseded, { atMs: nowMs, reason }));
  }
  host.starts.push(fireOf(host, decision.startMs));
  if (decision.superseded !== undefined) await finishTask(host);
  return true;
}

/**
 * Ends the workflow task, and with it makes certain what was decided by the clock. A task that is lost (its worker
 * dies, a message comes in between) is done again at a later time: without this, what it started would be due at one
 * time before and at another after, and run twice.
 */
export async function finishTask(host: Host): Promise<void> {
  await sleep(1);
  await readClock(host);
}

export async function readClock(host: Host): Promise<void> {
  host.nowMs = Math.max(host.nowMs, await local.remember(Date.now()));
}

/** A task that was lost may have decided on the oldest times when they were due; they are then no part of what is superseded. */
async function leaveOutDecided(host: Host, due: DueSummary): Promise<DueSummary> {
  if (due.count < 2) return due;
  const { state } = host;
  const stretch = { definition: state.definition, afterMs: due.firstMs - 1, untilMs: due.lastMs };
  const decided = await local.decided({ ...owner(host), ...stretch });
  for (const { dueAtMs, result } of decided) {
    const start = fireOf(host, dueAtMs);
    book(state, startRow(owner(host), start, result));
    if (result.outcome === 'started') state.running = start.invocationId;
  }
  const lastMs = decided.at(-1)?.dueAtMs;
  return lastMs === undefined ? due : ((await replan(host, Math.max(host.nowMs, due.lastMs), lastMs)) ?? due);
}

function fireOf({ id, names }: Host, dueAtMs: number): StartRequest {
  return {
    kind: 'fire',
    key: isoInstant(dueAtMs),
    invocationId: names.fireInvocationId(id, dueAtMs),
    dueAtMs,
  };
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
  if (host.bridged === tickMs) delete host.bridged;
  await local.waitUntil(tickMs);
  host.nowMs = Math.max(host.nowMs, tickMs);
  return true;
}

async function takeDue(host: Host, tickMs: number, untilMs: number): Promise<DueSummary> {
  const { state } = host;
  const alone: DueSummary = { count: 1, firstMs: tickMs, lastMs: tickMs };
  if (state.timing.kind !== 'absolute') return alone;
  if (!reachesBeyond(state, untilMs)) return (await replan(host, untilMs, tickMs - 1)) ?? alone;
  const due = state.plan.timesMs.filter((timeMs) => timeMs >= tickMs && timeMs <= untilMs);
  state.plan = { ...state.plan, timesMs: state.plan.timesMs.filter((timeMs) => timeMs > untilMs) };
  return summarize(due) ?? alone;
}

/** What a relative schedule waits for is over: it counts anew from there. */
export function runEnded(host: Host, endedAtMs: number): void {
  const { waiting, running } = host.state;
  // It says so before its workflow closes: the next fire must not find it running still.
  if (running === waiting?.invocationId) delete host.state.running;
  delete host.state.waiting;
  feed(host, { kind: 'rewind' }, Math.min(endedAtMs, host.nowMs));
}

/** Next safety look-up: a terminated run tells nobody. Twice as rare as the wait grows twice as long. */
export function nextLookUpMs(sinceMs: number, nowMs: number): number {
  return nowMs + Math.min(Math.max(nowMs - sinceMs, LOOK_UP_MS_MIN), LOOK_UP_MS_MAX);
}

/** When the plan must be made again because zone rules may have changed under it. */
export function planExpiresAtMs(state: ScheduleState): number | undefined {
  return state.plan.zoneData !== undefined ? state.plan.madeAtMs + PLAN_AGE_MS_MAX : undefined;
}

/** Now, but never before the last decision: wake-ups come early, and what follows a fire must not seem to precede it. */
export function nowOf({ nowMs, state }: Host): number {
  return Math.max(nowMs, state.decidedUntilMs);
}

export function owner(host: Host): { readonly scheduleId: string; readonly creation: string } {
  return { scheduleId: host.id, creation: host.state.creation };
}
