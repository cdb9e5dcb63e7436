/**
 * From triggers to starts: by the overlap rule, or by the triggering policy. What has to wait for a run to end is pending in
 * the schedule's state. Called with each trigger, and before starts are carried out.
 */
import type { StartRequest, Trigger } from '../../src/contract/activities.ts';
import type { TriggerResult } from '../../src/contract/messages.ts';
import type { Overlap } from '../../src/contract/schedule.ts';
import { triggerRow } from '../../src/core/fires.ts';
import { admit, needsQueue } from '../../src/core/policy/overlap.ts';
import { addPending, leader, nextTimeoutMs, release } from '../../src/core/policy/triggering.ts';
import { feed, type Host, owner, type PendingStart } from './host.ts';
import { awaitEnd, isGoing } from './runs.ts';
import { book } from './state.ts';

export interface EnqueueOptions {
  /** Instead of the schedule's own rule. */
  readonly overlap?: Overlap;
  /** Told what becomes of it, or that it waits. */
  readonly answer?: (result: TriggerResult) => void;
}

/** Takes one trigger: it starts in this turn, waits, or is settled at once. */
export function enqueue(host: Host, trigger: Trigger, { overlap, answer }: EnqueueOptions = {}): void {
  const { state } = host;
  const { triggering } = state.definition;
  const told = answer !== undefined && { answer };
  if (triggering !== undefined) {
    const { pending, dropped } = addPending(state.pending, trigger);
    state.pending = pending;
    for (const { trigger: lost, reason } of dropped) settle(host, lost, 'dropped', reason);
    awaitTurn(host, trigger, answer);
    return;
  }
  const rule = overlap ?? state.definition.overlap;
  const othersStop = rule === 'cancelOther' && state.pending.length > 0;
  if (!needsQueue(rule) && !othersStop) {
    host.starts.push({ ...trigger, overlap: rule as StartRequest['overlap'], ...told });
  } else if (!isGoing(host) && state.pending.length === 0) {
    host.starts.push({ ...trigger, overlap: 'allowAll', ...told });
  } else {
    wait(host, trigger, rule, answer);
  }
}

/** Puts a trigger among those that wait; what has to make way for it is settled. */
export function wait(
  host: Host,
  trigger: Trigger,
  rule: Overlap,
  answer?: (result: TriggerResult) => void,
): void {
  const { state } = host;
  const { pending, settled } = admit(rule, state.pending, trigger);
  state.pending = pending;
  for (const { trigger: other, outcome, reason } of settled) settle(host, other, outcome, reason);
  const own = settled.find((one) => one.trigger === trigger);
  if (own === undefined) awaitTurn(host, trigger, answer);
  else answer?.({ outcome: own.outcome, invocationId: trigger.invocationId, reason: own.reason });
}

/** It may still start in this turn; whoever asked is told at its end. */
function awaitTurn(host: Host, trigger: Trigger, answer?: (result: TriggerResult) => void): void {
  if (answer === undefined) return;
  const { key, invocationId } = trigger;
  host.answers.set(key, (result = { outcome: 'waiting', invocationId }) => answer(result));
}

/** Who is to be told what becomes of a start: all who asked for it. */
function askersOf(host: Host, triggers: readonly Trigger[]): Pick<PendingStart, 'answer'> {
  const asking = triggers.flatMap(({ key }) => {
    const answer = host.answers.get(key);
    host.answers.delete(key);
    return answer ?? [];
  });
  if (asking.length === 0) return {};
  return { answer: (result) => asking.forEach((answer) => answer(result)) };
}

/** Starts what need not wait any longer. Asked again at once it starts nothing new. */
export function releasePending(host: Host): void {
  const { state } = host;
  if (state.pending.length === 0) return;
  const { triggering } = state.definition;
  const live = state.active.filter((run) => run.backlog === undefined).length + host.starts.length;
  if (triggering !== undefined) {
    const { batches, dropped, pending } = release(triggering, state.pending, live, host.nowMs);
    state.pending = pending;
    for (const { trigger, reason } of dropped) settle(host, trigger, 'dropped', reason);
    for (const batch of batches) {
      const others = batch.slice(0, -1);
      const together = { ...(others.length > 0 && { others }), ...askersOf(host, batch) };
      host.starts.push({ ...leader(batch), overlap: 'allowAll', ...together });
    }
    return;
  }
  const [first, ...rest] = state.pending;
  if (first === undefined || isGoing(host)) return;
  state.pending = rest;
  host.starts.push({ ...first, overlap: 'allowAll', ...askersOf(host, [first]) });
}

/** When the next pending trigger is dropped for its age. */
export function pendingTimeoutMs({ state }: Host): number | undefined {
  const { triggering } = state.definition;
  return triggering && nextTimeoutMs(triggering, state.pending);
}

/** What waits when the schedule is deleted will not run. */
export function deletePending(host: Host): void {
  const { pending } = host.state;
  host.state.pending = [];
  for (const trigger of pending) settle(host, trigger, 'deleted', 'the schedule was deleted while it waited');
}

/** Books a trigger that does not run. */
export function settle(
  host: Host,
  trigger: Trigger,
  outcome: 'skipped-overlap' | 'superseded' | 'dropped' | 'deleted' | 'paused' | 'disabled' | 'refused',
  reason: string,
): void {
  book(host.state, triggerRow(owner(host), trigger, outcome, { atMs: host.nowMs, reason }));
  giveBackRun(host, trigger);
  const { key, invocationId } = trigger;
  host.answers.get(key)?.({ outcome, invocationId, reason });
  host.answers.delete(key);
  if (outcome !== 'deleted' && trigger.kind === 'fire') countAnew(host);
}

/** A relative schedule counts from the end of a run: where its fire does not run, from that of the one that stood before it. */
function countAnew(host: Host): void {
  const { state, nowMs } = host;
  if (state.timing.kind !== 'relative') return;
  const live = state.active.findLast((run) => run.backlog === undefined);
  const blocker = host.starts.at(-1)?.invocationId ?? live?.invocationId;
  if (blocker === undefined) {
    feed(host, { kind: 'rewind' }, nowMs);
    return;
  }
  state.waitingFor = blocker;
  // One that is about to start and does not is found missing.
  awaitEnd(host, blocker, nowMs);
}

/** An automatic fire spends one of the limited runs, which is given back if it does not start. */
export function spendRun(host: Host): void {
  const { state } = host;
  if (state.runsLeft === undefined) return;
  state.runsLeft = Math.max(0, state.runsLeft - 1);
  if (state.runsLeft === 0) feed(host, { kind: 'scheduleChanged' }, host.nowMs);
}

/** A limited run that was spent on a fire that does not start. */
export function giveBackRun(host: Host, { kind }: Pick<Trigger, 'kind'>): void {
  const { state } = host;
  if (kind !== 'fire' || state.runsLeft === undefined) return;
  state.runsLeft += 1;
  if (state.runsLeft === 1) feed(host, { kind: 'scheduleChanged' }, host.nowMs);
}
