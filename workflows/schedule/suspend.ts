/**
 * Switching a schedule off and holding it: enable, disable, pause, resume. What falls due meanwhile is booked as one stretch
 * when it ends, and nothing of it is replayed. Each is idempotent, but that another `until` takes the place of the first.
 */
import { isoInstant } from '../../src/contract/ids.ts';
import type { ChangeNote, Suspension } from '../../src/contract/messages.ts';
import { spanRow } from '../../src/core/fires.ts';
import { feed, type Host, nowOf, owner, reachesBeyond, replan } from './host.ts';
import { passOccurrences } from './occurrences.ts';
import { refuse } from './refusal.ts';
import { book } from './state.ts';

type SuspendMessage = ChangeNote & { readonly untilMs?: number };

export async function enable(host: Host, nowMs = nowOf(host)): Promise<void> {
  const { state } = host;
  if (state.disabled === undefined && state.machine.enabled) return;
  await closeSpan(host, 'disabled', nowMs);
  delete state.disabled;
  if (!reachesBeyond(state, nowMs)) await replan(host, nowMs);
  feed(host, { kind: 'enable' }, nowMs);
}

/** @throws Refusal where its `until` has passed */
export async function disable(host: Host, request: SuspendMessage): Promise<void> {
  const { state } = host;
  refusePassed(host, 'disable', request);
  if (state.disabled !== undefined) {
    state.disabled = withUntil(state.disabled, request);
    return;
  }
  const nowMs = nowOf(host);
  await closeSpan(host, 'paused', nowMs);
  delete state.waitingFor;
  state.disabled = { ...request, sinceMs: nowMs };
  feed(host, { kind: 'disable' }, nowMs);
}

/** @throws Refusal where its `until` has passed */
export function pause(host: Host, request: SuspendMessage): void {
  const { state } = host;
  refusePassed(host, 'pause', request);
  if (state.paused !== undefined) {
    state.paused = withUntil(state.paused, request);
    return;
  }
  const nowMs = nowOf(host);
  state.paused = { ...request, sinceMs: nowMs };
  feed(host, { kind: 'scheduleChanged' }, nowMs);
}

function refusePassed(host: Host, message: string, { untilMs }: SuspendMessage): void {
  if (untilMs === undefined || untilMs > nowOf(host)) return;
  refuse(message, 'until', `${isoInstant(untilMs)} has passed: give a later instant, or none`);
}

/** The first stays, with who and why, unless it is to end at another instant. */
function withUntil(span: Suspension, request: SuspendMessage): Suspension {
  const { untilMs } = request;
  return untilMs === undefined || untilMs === span.untilMs ? span : { ...span, ...request };
}

export function pauseAfterFailure(host: Host, invocationId: string): void {
  pause(host, { actor: 'pauseOnFailure', reason: `${invocationId} failed` });
}

export async function resume(host: Host, nowMs = nowOf(host)): Promise<void> {
  const { state } = host;
  if (state.paused === undefined) return;
  await closeSpan(host, 'paused', nowMs);
  delete state.paused;
  feed(host, { kind: 'scheduleChanged' }, nowMs);
}

/**
 * Books the stretch that ends now as one row with its count, and makes the plan reach beyond now.
 * A pause inside a disabled stretch counts for nothing: each due time has one outcome.
 */
async function closeSpan(host: Host, kind: 'paused' | 'disabled', nowMs: number): Promise<void> {
  const { state } = host;
  const span: Suspension | undefined = state[kind];
  if (span === undefined || (kind === 'paused' && state.disabled !== undefined)) return;
  // A stretch of no length is none; its row would have the key of the one that begins now.
  if (span.sinceMs >= nowMs) return;
  const by = span.actor === undefined ? '' : ` by ${span.actor}`;
  const reason = `${kind}${by}${span.reason === undefined ? '' : `: ${span.reason}`}`;
  const planned = await replan(host, nowMs, span.sinceMs);
  const count = planned.ok ? (planned.due?.count ?? 0) : 0;
  const row = { fromMs: span.sinceMs, toMs: nowMs, count };
  book(state, spanRow(owner(host), kind, row, { atMs: nowMs, reason }));
  passOccurrences(host, nowMs);
  if (state.paused !== undefined) state.paused = { ...state.paused, sinceMs: nowMs };
  if (state.disabled !== undefined) state.disabled = { ...state.disabled, sinceMs: nowMs };
  state.decidedUntilMs = nowMs;
  host.uncertain = true;
}

/** Books what lasts until now: for a schedule that ends, or whose definition changes. */
export async function closeSpans(host: Host, nowMs = nowOf(host)): Promise<void> {
  await closeSpan(host, 'disabled', nowMs);
  await closeSpan(host, 'paused', nowMs);
}

/**
 * Ends pauses and switch-offs whose `until` has come, as of that instant: what fell due since, while nobody was
 * awake, is late and not part of the pause.
 */
export async function endElapsed(host: Host): Promise<void> {
  const nowMs = nowOf(host);
  const { disabled } = host.state;
  if (disabled?.untilMs !== undefined && disabled.untilMs <= nowMs) {
    await enable(host, Math.max(disabled.untilMs, disabled.sinceMs));
  }
  const { paused } = host.state;
  if (paused?.untilMs !== undefined && paused.untilMs <= nowMs) {
    await resume(host, Math.max(paused.untilMs, paused.sinceMs));
  }
}

/** Instants at which `endElapsed` has something to do, each with its line for the Web UI. */
export function untils(host: Host): ReadonlyMap<number, string> {
  const { paused, disabled } = host.state;
  const all = new Map<number, string>();
  if (disabled?.untilMs !== undefined) {
    all.set(disabled.untilMs, `enabled again at ${isoInstant(disabled.untilMs)}`);
  }
  if (paused?.untilMs !== undefined) {
    all.set(paused.untilMs, `resumed at ${isoInstant(paused.untilMs)}`);
  }
  return all;
}
