/**
 * The host of the cron machine: feeds it, keeps the plan of due times that it looks into, and keeps the time. Used by the
 * other files of this folder. Promise: no cron and no zone is read here, and nothing is decided by `Date.now()`.
 */
import { condition, sleep, uuid4, workflowInfo } from '@temporalio/workflow';
import type { DueSummary, PlanResult, StartRequest, Trigger } from '../../src/contract/activities.ts';
import { isoInstant, type Names } from '../../src/contract/ids.ts';
import type { DeleteRequest, TriggerResult } from '../../src/contract/messages.ts';
import { DISTANT_FUTURE_MS, type MachineEvent, transition } from '../../src/core/cron/machine.ts';
import { PLAN_AGE_MS_MAX, PLAN_AHEAD, SHORT_GAP_MS } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { noteProblem, type Plan, type ScheduleState } from './state.ts';

/** A wake-up later than this is a reason to read the clock; before it, the time it was meant for is time enough. */
export const LATE_MS = 900;

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
  /**
   * Something was decided that a lost task may forget or decide otherwise: by the clock, or by an update, of which nothing is
   * kept until its task is finished. So a task is finished before anything is started or written.
   */
  uncertain?: boolean;
  /** Who waits to hear of a trigger that is pending, by its row's key; told at the end of the turn that it waits on. */
  readonly answers: Map<string, (result?: TriggerResult) => void>;
  /** Nominal times that are no part of what is due, for as long as one message is followed. */
  leftOut?: readonly number[];
  /** A due time that is reached without a timer, by waiting in the task, so that later timers are on time again. */
  bridged?: number;
}

/** Feeds the machine one event and commits what it says. Answers whether an invocation is to start. */
export function feed(host: Host, event: MachineEvent, nowMs: number): boolean {
  const { state } = host;
  const result = transition(state.machine, event, {
    nowMs,
    schedule: {
      absolute: state.timing.kind === 'absolute',
      next: (afterMs, previousMs) => nextDue(state, afterMs, previousMs),
    },
    nonce: uuid4,
  });
  state.machine = result.state;
  if (state.timing.kind === 'relative' && event.kind !== 'rewind')
    host.dueByClock = result.state.lastTick?.nonce;
  return result.actions.some((action) => action.kind === 'startInvocation');
}

/** A look-up in the recorded plan, or plain arithmetic. */
function nextDue(state: ScheduleState, afterMs: number, previousMs?: number): number | undefined {
  if (state.runsLeft === 0) return undefined;
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

export type Replanned = { readonly ok: true; readonly due?: DueSummary } | { readonly ok: false };

/** Makes sure that the plan reaches beyond `nowMs`; answers what was due since `dueAfterMs`, if asked. */
export async function replan(host: Host, nowMs: number, dueAfterMs?: number): Promise<Replanned> {
  const { state } = host;
  const planned = await planOf(host, nowMs, dueAfterMs);
  if (planned.kind === 'refused') {
    // It was accepted once, so only the software or its zone data can have changed: keep the place, say so.
    // Not at once again: it is asked for when a tick needs it, or when plans are renewed anyway.
    state.plan = { ...state.plan, madeAtMs: nowMs };
    noteProblem(state, nowMs, planned.message);
    return { ok: false };
  }
  state.plan = planFrom(planned, nowMs);
  state.searchAttributes = planned.searchAttributes;
  return { ok: true, ...(planned.due !== undefined && { due: planned.due }) };
}

/** What is due in (afterMs, untilMs], those left out that are to run otherwise; the plan stays as it is. */
export async function summaryOf(
  host: Host,
  afterMs: number,
  untilMs: number,
): Promise<DueSummary | undefined> {
  const planned = await planOf(host, untilMs, afterMs, 0);
  return planned.kind === 'refused' ? undefined : planned.due;
}

async function planOf(
  { id, state, leftOut = [] }: Host,
  nowMs: number,
  dueAfterMs: number | undefined,
  ahead = PLAN_AHEAD,
): Promise<PlanResult> {
  const except = [...state.occurrences.map(({ nominalMs }) => nominalMs), ...leftOut];
  return await local.plan({
    scheduleId: id,
    definition: state.definition,
    createdAtMs: state.createdAtMs,
    nowMs,
    count: ahead,
    ...(dueAfterMs !== undefined && { dueAfterMs }),
    ...(except.length > 0 && { except }),
  });
}

export function planFrom(planned: Extract<PlanResult, { readonly kind: 'planned' }>, madeAtMs: number): Plan {
  return {
    timesMs: planned.timesMs,
    exhausted: planned.exhausted,
    madeAtMs,
    ...(planned.nominalMs !== undefined && { nominalMs: planned.nominalMs }),
    ...(planned.zoneData !== undefined && { zoneData: planned.zoneData }),
    ...(planned.calendars !== undefined && { calendars: planned.calendars }),
  };
}

/** What of the plan comes after an instant. */
export function planAfter(plan: Plan, afterMs: number): Plan {
  const from = plan.timesMs.findIndex((timeMs) => timeMs > afterMs);
  const at = from < 0 ? plan.timesMs.length : from;
  return {
    ...plan,
    timesMs: plan.timesMs.slice(at),
    ...(plan.nominalMs !== undefined && { nominalMs: plan.nominalMs.slice(at) }),
  };
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

/** When the plan must be made again because zone rules may have changed under it. */
export function planExpiresAtMs({ plan }: ScheduleState): number | undefined {
  return plan.zoneData !== undefined ? plan.madeAtMs + PLAN_AGE_MS_MAX : undefined;
}

/**
 * Ends the workflow task, and with it makes certain what was decided by the clock. A task that is lost (its worker
 * dies, a message comes in between) is done again at a later time: without this, what it started would be due at one
 * time before and at another after, and run twice.
 */
export async function finishTask(host: Host): Promise<void> {
  await endTask(host);
  await readClock(host);
}

/**
 * The same, where the time does not matter. A message begins a new task as the timer does, and while many come it is there much
 * sooner. How long the history is tells of a new task, in a replay too, whatever has begun it.
 */
export async function endTask(host: Host): Promise<void> {
  const { historyLength } = workflowInfo();
  await Promise.race([sleep(1), condition(() => workflowInfo().historyLength > historyLength)]);
  host.uncertain = false;
}

export async function readClock(host: Host): Promise<void> {
  host.nowMs = Math.max(host.nowMs, await local.remember(Date.now()));
}

/**
 * Takes the time that an activity has told, where that is much later than was thought: nobody was awake meanwhile.
 * @param atMs nothing in histories from before it was told
 */
export function seeLate(host: Host, atMs: number | undefined): void {
  if (atMs !== undefined && atMs - host.nowMs >= LATE_MS) host.nowMs = atMs;
}

/** Now, but never before the last decision: wake-ups come early, and what follows a fire must not seem to precede it. */
export function nowOf({ nowMs, state }: Host): number {
  return Math.max(nowMs, state.decidedUntilMs);
}

export function owner(host: Host): { readonly scheduleId: string; readonly creation: string } {
  return { scheduleId: host.id, creation: host.state.creation };
}

/** The fire of a nominal time, due then or at another instant. */
export function fireOf({ id, names }: Host, nominalMs: number, dueMs = nominalMs): Trigger {
  return {
    kind: 'fire',
    key: isoInstant(nominalMs),
    invocationId: names.fireInvocationId(id, nominalMs),
    createdAtMs: dueMs,
    dueAtMs: dueMs,
    ...(nominalMs !== dueMs && { nominalAtMs: nominalMs }),
  };
}
