/**
 * What each message does to a schedule. Called by the loop, one note after the other, after what was due
 * before has fired. Every change is idempotent; a refusal changes nothing and is kept among the problems.
 */
import { ApplicationFailure } from '@temporalio/workflow';
import { idProblem, isoInstant } from '../../src/contract/ids.ts';
import type {
  ChangeNote,
  ChangeRequest,
  InvocationEnded,
  Suspension,
  TriggerRequest,
} from '../../src/contract/messages.ts';
import type { ScheduleDefinition } from '../../src/contract/schedule.ts';
import { assertNever } from '../../src/core/assert.ts';
import { spanRow } from '../../src/core/fires.ts';
import { PLAN_AHEAD } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { carryOut } from './carry-out.ts';
import type { Note } from './inbox.ts';
import { book, describe, noteProblem } from './state.ts';
import { feed, type Host, nowOf, owner, reachesBeyond, replan, runEnded } from './turn.ts';

/** A message that cannot be followed; said to whoever waits, and recorded. */
class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    readonly type: 'InvalidInput' | 'RevisionConflict',
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

export async function takeNote(host: Host, note: Note): Promise<void> {
  try {
    const answered = await follow(host, note);
    if (answered === 'now') note.reply?.resolve(describe(host.id, host.state));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    noteProblem(host.state, host.nowMs, error.message);
    note.reply?.reject(
      ApplicationFailure.create({
        message: error.message,
        type: error.type,
        nonRetryable: true,
        details: [error.details],
      }),
    );
  }
}

/** `later`: the start itself will answer. */
async function follow(host: Host, { token, message, reply }: Note): Promise<'now' | 'later'> {
  switch (message.kind) {
    case 'unreadable':
      throw new Refusal('InvalidInput', message.problem);
    case 'enable':
      await enable(host);
      return 'now';
    case 'disable':
      await disable(host, message.request);
      return 'now';
    case 'pause':
      await pause(host, message.request);
      return 'now';
    case 'resume':
      await resume(host);
      return 'now';
    case 'changeSchedule':
      await change(host, message.request);
      return 'now';
    case 'trigger':
      trigger(host, message.request, token, reply);
      return 'later';
    case 'delete':
      await closeSpans(host);
      host.deleted = message.request;
      return 'now';
    case 'invocationEnded':
      ended(host, message.request);
      return 'now';
    default:
      return assertNever(message);
  }
}

async function enable(host: Host, nowMs = nowOf(host)): Promise<void> {
  const { state } = host;
  if (state.disabled === undefined && state.machine.enabled) return;
  await closeSpan(host, 'disabled', nowMs);
  delete state.disabled;
  if (!reachesBeyond(state, nowMs)) await replan(host, nowMs);
  feed(host, { kind: 'enable' }, nowMs);
}

async function disable(host: Host, request: ChangeNote & { readonly untilMs?: number }): Promise<void> {
  const { state } = host;
  if (state.disabled !== undefined) return;
  const nowMs = nowOf(host);
  await closeSpan(host, 'paused', nowMs);
  delete state.waiting;
  state.disabled = { ...request, sinceMs: nowMs };
  feed(host, { kind: 'disable' }, nowMs);
}

async function pause(host: Host, request: ChangeNote & { readonly untilMs?: number }): Promise<void> {
  const { state } = host;
  if (state.paused !== undefined) return;
  const nowMs = nowOf(host);
  state.paused = { ...request, sinceMs: nowMs };
  feed(host, { kind: 'scheduleChanged' }, nowMs);
}

async function resume(host: Host, nowMs = nowOf(host)): Promise<void> {
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
  const due = await replan(host, nowMs, span.sinceMs);
  const by = span.actor === undefined ? '' : ` by ${span.actor}`;
  const reason = `${kind}${by}${span.reason === undefined ? '' : `: ${span.reason}`}`;
  const row = { fromMs: span.sinceMs, toMs: nowMs, count: due?.count ?? 0 };
  book(state, spanRow(owner(host), kind, row, { atMs: nowMs, reason }));
  if (state.paused !== undefined) state.paused = { ...state.paused, sinceMs: nowMs };
  if (state.disabled !== undefined) state.disabled = { ...state.disabled, sinceMs: nowMs };
  state.decidedUntilMs = nowMs;
  host.bookedByClock = true;
}

/** Books what lasts until now: for a schedule that ends. */
export async function closeSpans(host: Host): Promise<void> {
  const nowMs = nowOf(host);
  await closeSpan(host, 'disabled', nowMs);
  await closeSpan(host, 'paused', nowMs);
}

async function change(host: Host, request: ChangeRequest): Promise<void> {
  const { state } = host;
  if (request.revision !== undefined && request.revision !== state.revision) {
    throw new Refusal(
      'RevisionConflict',
      `changeSchedule: made for revision ${request.revision}, but the schedule is at ${state.revision}: read it again and repeat the change`,
      { revision: state.revision },
    );
  }
  const nowMs = nowOf(host);
  const planned = await local.plan({
    scheduleId: host.id,
    input: request.schedule,
    createdAtMs: state.createdAtMs,
    nowMs,
    count: PLAN_AHEAD,
  });
  if (planned.kind === 'refused') throw new Refusal('InvalidInput', `changeSchedule: ${planned.message}`);
  if (sameDefinition(planned.definition, state.definition)) return;

  // What fell due before, and the stretches until now, belong to the old definition.
  if (host.starts.length > 0) await carryOut(host);
  await closeSpan(host, 'disabled', nowMs);
  await closeSpan(host, 'paused', nowMs);
  state.definition = planned.definition;
  state.timing = planned.timing;
  state.notes = planned.notes;
  state.revision += 1;
  state.changedAtMs = nowMs;
  state.plan = {
    timesMs: planned.timesMs,
    exhausted: planned.exhausted,
    madeAtMs: nowMs,
    ...(planned.zoneData !== undefined && { zoneData: planned.zoneData }),
  };
  if (planned.timing.kind !== 'relative') delete state.waiting;
  feed(host, { kind: 'scheduleChanged' }, nowMs);
  // A relative schedule without a tick waits for the end of a run; one that waits for none begins now.
  if (planned.timing.kind === 'relative' && state.waiting === undefined)
    feed(host, { kind: 'rewind' }, nowMs);
}

function sameDefinition(a: ScheduleDefinition, b: ScheduleDefinition): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function trigger(host: Host, request: TriggerRequest, token: string, reply: Note['reply']): void {
  const key = request.key ?? token;
  const problem = idProblem('trigger key', key);
  if (problem !== undefined) throw new Refusal('InvalidInput', `trigger: ${problem}`);
  host.starts.push({
    kind: 'manual',
    key: `manual/${token}`,
    invocationId: host.names.manualInvocationId(host.id, key),
    dueAtMs: host.nowMs,
    ...(request.input !== undefined && { input: request.input }),
    reason: request.reason ?? `triggered by ${request.actor ?? 'hand'}`,
    ...(reply !== undefined && { answer: (result) => reply.resolve(result) }),
  });
}

function ended(host: Host, request: InvocationEnded): void {
  if (host.state.waiting?.invocationId === request.invocationId) runEnded(host, request.endedAtMs);
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
