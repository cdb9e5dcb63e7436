/**
 * What each message does to a schedule. Called by the loop, one note after the other, after what was due
 * before has fired. Every change is idempotent; a refusal changes nothing and is kept among the problems.
 */
import { ApplicationFailure } from '@temporalio/workflow';
import type { Trigger } from '../../src/contract/activities.ts';
import { chainOf, idProblem } from '../../src/contract/ids.ts';
import { checkScheduleMessage } from '../../src/contract/message-shape.ts';
import type { TriggerManyRequest, TriggerRequest, TriggerResult } from '../../src/contract/messages.ts';
import { assertNever } from '../../src/core/assert.ts';
import { PENDING_MAX } from '../../src/core/limits.ts';
import { backfill, catchUp, stopBacklog } from './backlogs.ts';
import type { Host } from './host.ts';
import type { Note } from './inbox.ts';
import { changeOccurrence } from './occurrences.ts';
import { enqueue, settle } from './queue.ts';
import { Refusal, refuse } from './refusal.ts';
import { calendarChanged, change, revert } from './revise.ts';
import { runEnded } from './run-ends.ts';
import { describe, noteProblem } from './state.ts';
import { closeSpans, disable, enable, pause, resume } from './suspend.ts';

export async function takeNote(host: Host, note: Note): Promise<void> {
  try {
    const answer = await follow(host, note);
    if (answer !== LATER) note.reply?.resolve(answer ?? describe(host.id, host.state));
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

/** The start itself will answer. */
const LATER = Symbol('later');

/** Answers what the update returns; nothing where that is the schedule as it now is. */
async function follow(host: Host, { token, message, reply }: Note): Promise<unknown> {
  switch (message.kind) {
    case 'unreadable':
      throw new Refusal(
        'InvalidInput',
        message.problem,
        message.field === undefined ? {} : { field: message.field },
      );
    case 'enable':
      return await enable(host);
    case 'disable':
      return await disable(host, message.request);
    case 'pause':
      return pause(host, message.request);
    case 'resume':
      return await resume(host);
    case 'changeSchedule':
      return await change(host, message.request);
    case 'revert':
      return await revert(host, message.request);
    case 'trigger':
      trigger(host, message.request, token, (result) => reply?.resolve(result));
      return LATER;
    case 'triggerMany':
      triggerMany(host, message.request, token, reply);
      return LATER;
    case 'changeOccurrence':
      return await changeOccurrence(host, message.request);
    case 'backfill':
      return await backfill(host, message.request, token);
    case 'catchUp':
      return await catchUp(host, message.request, token);
    case 'stopBacklog':
      return stopBacklog(host, message.request.id);
    case 'calendarChanged':
      return await calendarChanged(host, message.request.calendarId);
    case 'delete':
      await closeSpans(host);
      host.deleted = message.request;
      return undefined;
    case 'invocationEnded':
      runEnded(host, message.request.invocationId, message.request.endedAtMs, message.request.status);
      return undefined;
    default:
      return assertNever(message);
  }
}

function trigger(
  host: Host,
  request: TriggerRequest,
  token: string,
  answer: (result: TriggerResult) => void,
): void {
  const { overlap } = request;
  const { triggering } = host.state.definition;
  if (overlap !== undefined && triggering !== undefined) {
    const problem = `"${overlap}" cannot be followed: the schedule has the triggering policy "${triggering.kind}"`;
    refuse('trigger', 'overlap', problem);
  }
  const asked = triggerOf(host, request, token);
  const circle = circleOf(host, request);
  if (circle !== undefined) {
    settle(host, asked, 'refused', circle);
    answer({ outcome: 'refused', invocationId: asked.invocationId, reason: circle });
    return;
  }
  enqueue(host, asked, { answer, ...(overlap !== undefined && { overlap }) });
}

/**
 * Why a run upstream must not start another of this schedule: it is itself the outcome of one, and so on for ever. A chain
 * has each schedule but once, so every chain ends, whatever definitions say and whoever made them.
 */
function circleOf({ id }: Host, { upstream }: TriggerRequest): string | undefined {
  const chain = upstream === undefined ? [] : chainOf(upstream);
  const from = chain.indexOf(id);
  if (from < 0) return undefined;
  const circle = [...chain.slice(from), id].map((one) => `"${one}"`).join(', ');
  return `schedules trigger each other in a circle: ${circle}; one of them must not name the next in its field triggers`;
}

function triggerOf({ id, names, nowMs }: Host, request: TriggerRequest, token: string): Trigger {
  const { upstream, input, actor } = request;
  const shared = { createdAtMs: nowMs, dueAtMs: nowMs, ...(input !== undefined && { input }) };
  if (upstream !== undefined) {
    return {
      kind: 'upstream',
      // Told twice it is two triggers, of which one runs.
      key: `upstream/${token}`,
      invocationId: names.upstreamInvocationId(id, upstream),
      ...shared,
      reason: request.reason ?? `${upstream} has succeeded`,
    };
  }
  const key = request.key ?? token;
  const problem = idProblem('trigger key', key);
  if (problem !== undefined) refuse('trigger', 'key', problem);
  return {
    kind: 'manual',
    key: `manual/${token}`,
    invocationId: names.manualInvocationId(id, key),
    ...shared,
    reason: request.reason ?? `triggered by ${actor ?? 'hand'}`,
  };
}

/** All or none: each is looked at before the first is taken. */
function triggerMany(
  host: Host,
  { triggers }: TriggerManyRequest,
  token: string,
  reply: Note['reply'],
): void {
  if (triggers.length === 0 || triggers.length > PENDING_MAX) {
    const problem = `holds ${triggers.length}, at least 1 and at most ${PENDING_MAX} can be given`;
    refuse('triggerMany', 'triggers', problem);
  }
  const requests = triggers.map((one, i) => {
    const checked = checkScheduleMessage('trigger', one);
    if ('problem' in checked) refuse('triggerMany', `triggers[${i}]`, checked.problem);
    // It would be refused in the middle of the list.
    if (one.overlap !== undefined && host.state.definition.triggering !== undefined) {
      refuse('triggerMany', `triggers[${i}].overlap`, 'has no effect beside "triggering"');
    }
    triggerOf(host, one, `${token}.${i}`);
    return one;
  });
  const results: TriggerResult[] = [];
  let open = requests.length;
  for (const [i, one] of requests.entries()) {
    trigger(host, one, `${token}.${i}`, (result) => {
      results[i] = result;
      open -= 1;
      if (open === 0) reply?.resolve(results);
    });
  }
}
