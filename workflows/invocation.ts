/**
 * invocationWorkflow: one run of a target for one trigger. A run of this workflow is one attempt; retries are
 * Temporal's, so capacity is held only while an attempt runs. Workflow ids: `schedule/<id>/<nominal>`,
 * `schedule/<id>/manual/<key>`, `job/<id>` (a job waits for its time first).
 */
import {
  ApplicationFailure,
  CancelledFailure,
  condition,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { parseWorkflowId } from '../src/contract/ids.ts';
import type { InvocationInput, InvocationResult } from '../src/contract/invocation.ts';
import type { DeadLetter, RunError, RunStatus } from '../src/contract/ledger.ts';
import { isRecord, isUndecodable, parseInstant } from '../src/contract/message-shape.ts';
import { describeInvocation, invocationSignals } from '../src/contract/messages.ts';
import type { Alloc } from '../src/contract/pools.ts';
import { WORKFLOW_TARGET } from '../src/contract/workflow-target.ts';
import { assertNever } from '../src/core/assert.ts';
import { PROBLEMS_KEPT_MAX } from '../src/core/limits.ts';
import { retryDecision } from '../src/core/retry.ts';
import { type AttemptEnd, attemptOnce } from './invocation/attempt.ts';
import { finishFor, holding, withdrawing } from './invocation/capacity.ts';
import { attemptWorkflow } from './invocation/child.ts';
import {
  describeNow,
  firstRunAtMs,
  handedOn,
  type Invocation,
  openInvocation,
  recordOf,
  showPhase,
  startDeadlineMs,
  told,
} from './invocation/invocation.ts';

/** @throws ApplicationFailure retryable where another attempt follows; else of the type of its last error */
export async function invocationWorkflow(input: InvocationInput): Promise<InvocationResult> {
  const problem = inputProblem(input);
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, 'InvalidInput');
  const invocation = openInvocation(input);
  listen(invocation);
  try {
    await waitUntilDue(invocation);
    const deadlineMs = startDeadlineMs(invocation);
    if (deadlineMs !== undefined && Date.now() > deadlineMs)
      return await end(invocation, { kind: 'expired' });
    const attempt = input.run.target.name === WORKFLOW_TARGET ? attemptWorkflow : attemptOnce;
    return await end(invocation, await attempt(invocation));
  } catch (error) {
    // A cancellation is passed on before any retry decision.
    if (isCancellation(error) && invocation.cancelled()) await endCancelled(invocation);
    throw error;
  }
}

function inputProblem(input: unknown): string | undefined {
  const run = isRecord(input) ? input.run : undefined;
  const whole =
    isRecord(input) &&
    typeof input.requestedAtMs === 'number' &&
    isRecord(run) &&
    isRecord(run.target) &&
    typeof run.target.name === 'string' &&
    [run.retry, run.timeouts].every(isRecord) &&
    typeof run.pool === 'string' &&
    typeof run.size === 'number';
  return whole
    ? undefined
    : 'an invocation takes { run, why, requestedAtMs, … }: start it through a schedule, a job, or the SDK';
}

/** Anybody may send a signal; what makes no sense is recorded, and the invocation goes on. */
function listen(invocation: Invocation): void {
  const problem = (signal: string, payload: unknown): void => {
    const what = isUndecodable(payload) ? 'cannot be decoded' : `makes no sense: ${JSON.stringify(payload)}`;
    invocation.problems = [
      ...invocation.problems,
      { atMs: Date.now(), message: `${signal}: payload ${what}` },
    ].slice(-PROBLEMS_KEPT_MAX);
  };
  setHandler(describeInvocation, () => describeNow(invocation));
  setHandler(invocationSignals.granted, (alloc: unknown) => {
    if (!isAlloc(alloc)) return problem('granted', alloc);
    const known = invocation.grants.get(alloc.id);
    if (known === undefined || known.epoch < alloc.epoch) invocation.grants.set(alloc.id, alloc);
  });
  setHandler(invocationSignals.refused, (told: unknown) => {
    if (!isRecord(told) || typeof told.evalId !== 'string') return problem('refused', told);
    invocation.refused.add(told.evalId);
  });
  setHandler(invocationSignals.awaited, (asked: unknown) => {
    const by = isRecord(asked) && typeof asked.by === 'string' ? asked.by : undefined;
    const isSchedule = by !== undefined && parseWorkflowId(by)?.noun === 'schedule';
    if (!isSchedule) return problem('awaited', asked);
    invocation.notify = by;
  });
  setHandler(invocationSignals.reschedule, (request: unknown) => {
    const atMs = isRecord(request) ? parseInstant(request.at) : undefined;
    if (atMs === undefined) return problem('reschedule', request);
    if (invocation.dueAtMs !== undefined) invocation.dueAtMs = atMs;
  });
}

function isAlloc(value: unknown): value is Alloc {
  return (
    isRecord(value) &&
    [value.id, value.workerId, value.incarnation, value.taskQueue].every((v) => typeof v === 'string') &&
    typeof value.epoch === 'number'
  );
}

/** Only the first try waits; the instant may be moved meanwhile, so the wait is begun again when it was. */
async function waitUntilDue(invocation: Invocation): Promise<void> {
  if (workflowInfo().attempt > 1) return;
  for (;;) {
    const dueAtMs = invocation.dueAtMs;
    if (dueAtMs === undefined || dueAtMs <= Date.now()) return;
    showPhase(invocation, { phase: 'due-later' });
    await condition(() => invocation.dueAtMs !== dueAtMs, dueAtMs - Date.now());
  }
}

/** Carries out what follows an attempt's end: the record, the release, the next try. */
async function end(
  invocation: Invocation,
  ended: AttemptEnd | { readonly kind: 'expired' },
): Promise<InvocationResult> {
  switch (ended.kind) {
    case 'succeeded': {
      const attempts = workflowInfo().attempt;
      const { result, alloc } = ended;
      return { result, ...(alloc !== undefined && { workerId: alloc.workerId }), attempts };
    }
    case 'failed':
      // What a target says when it is stopped is no failure: it would be tried again.
      if (invocation.cancelled()) throw new CancelledFailure('it was cancelled');
      return await endFailed(invocation, ended);
    case 'given-up':
      return await close(invocation, { status: 'dead-lettered', error: ended.error });
    case 'unknown':
      return await close(invocation, { status: 'unknown', error: ended.error, alloc: ended.alloc });
    case 'refused':
      return await close(invocation, { status: 'dead-lettered', error: ended.error });
    case 'expired': {
      const message = 'it could not start before its start deadline';
      return await close(invocation, { status: 'expired', error: { type: 'StartDeadline', message } });
    }
    default:
      return assertNever(ended);
  }
}

async function endFailed(
  invocation: Invocation,
  ended: Extract<AttemptEnd, { kind: 'failed' }>,
): Promise<never> {
  const { run } = invocation.input;
  const decision = retryDecision(run.retry, {
    attempt: workflowInfo().attempt,
    ageMs: Date.now() - firstRunAtMs(invocation),
    random: Math.random(),
  });
  const mayRetry = ended.retryable && run.consistency === 'atLeastOnce';
  if (!mayRetry || decision.kind === 'give-up') {
    const { error, alloc, stillRuns } = ended;
    return await close(invocation, { status: 'dead-lettered', error, ...(alloc && { alloc }), stillRuns });
  }
  if (invocation.held !== undefined) {
    const { stillRuns } = ended;
    const { accepted } = await invocation.finish({
      ...{ ...holding(invocation), release: 'retrying' },
      ...(stillRuns && { stillRuns }),
    });
    // The next try asks under another name: nobody would ever take up what this one was granted again.
    if (!accepted) await invocation.finish({ ...withdrawing(invocation), release: 'withdrawn' });
  }
  // A cancellation that came meanwhile is not known to the next run.
  if (invocation.cancelled()) throw new CancelledFailure('it was cancelled');
  throw ApplicationFailure.create({
    ...ended.error,
    nonRetryable: false,
    nextRetryDelay: ended.retryAfterMs ?? decision.delayMs,
    details: [handedOn(invocation)],
  });
}

interface Closing {
  readonly status: RunStatus;
  readonly error: RunError;
  readonly alloc?: Alloc;
  /** Its target may go on running. */
  readonly stillRuns?: true | undefined;
}

/** The last word on an invocation that did not succeed. */
async function close(invocation: Invocation, { status, error, alloc, stillRuns }: Closing): Promise<never> {
  const run = recordOf(invocation, status, {
    error,
    ...(alloc !== undefined && { workerId: alloc.workerId }),
  });
  const deadLetter: DeadLetter = {
    invocationId: run.invocationId,
    reason: error.message,
    error,
    attempts: run.attempts,
    input: invocation.input,
    atMs: run.endedAtMs,
  };
  await finishFor(invocation, alloc === undefined ? 'withdrawn' : 'finished', {
    run,
    ...(stillRuns && { stillRuns }),
    ...(status === 'dead-lettered' && { deadLetter }),
    ...told(invocation, run),
  });
  throw ApplicationFailure.create({ ...error, nonRetryable: true });
}

async function endCancelled(invocation: Invocation): Promise<void> {
  const error: RunError = { type: CancelledFailure.name, message: 'it was cancelled' };
  const run = recordOf(invocation, 'cancelled', { error });
  await finishFor(invocation, 'cancelled', { run, ...told(invocation, run) });
}
