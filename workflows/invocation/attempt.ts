/**
 * One attempt of an invocation: get capacity, run the target on the worker that was granted, give it back;
 * again elsewhere for as long as workers are lost. Tells how it ended as a value; what follows is decided by its caller.
 */
import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  condition,
  isCancellation,
  proxyActivities,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunError } from '../../src/contract/ledger.ts';
import type { Alloc, AllocateResult } from '../../src/contract/pools.ts';
import { isRecord } from '../../src/contract/messages.ts';
import { ALLOC_LOST, NEVER_BEGAN, RETRY_AFTER_MS, type TargetCall } from '../../src/contract/target.ts';
import { EVALUATIONS_MAX } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { type Invocation, recordOf, showPhase, startDeadlineMs, told } from './invocation.ts';

export type AttemptEnd =
  | { readonly kind: 'succeeded'; readonly result: unknown; readonly alloc: Alloc }
  | (Failed & { readonly alloc: Alloc })
  /** Too many workers were lost under it. */
  | { readonly kind: 'given-up'; readonly error: RunError }
  /** At most once, and it may have begun. */
  | { readonly kind: 'unknown'; readonly error: RunError; readonly alloc: Alloc }
  | { readonly kind: 'expired'; readonly evalId: string }
  | { readonly kind: 'refused'; readonly evalId: string; readonly error: RunError };

interface Failed {
  readonly kind: 'failed';
  readonly error: RunError;
  readonly retryable: boolean;
  /** What the target asks for (an HTTP `Retry-After`, for instance); wins over the policy's backoff. */
  readonly retryAfterMs?: number;
}

type CallEnd =
  | { readonly kind: 'succeeded'; readonly result: unknown }
  | Failed
  | { readonly kind: 'lost'; readonly began: boolean; readonly error: RunError };

/** @throws CancelledFailure where the invocation is cancelled; what it holds is then in `invocation.held`. */
export async function attemptOnce(invocation: Invocation): Promise<AttemptEnd> {
  const { run } = invocation.input;
  for (;;) {
    const evalId = `${workflowInfo().workflowId}#${workflowInfo().attempt}.${invocation.evaluations}`;
    invocation.held = { evalId };
    if (invocation.evaluations >= EVALUATIONS_MAX) return tooManyEvaluations(invocation);
    const found = await acquire(invocation, evalId);
    if (found.kind === 'eval-ended') {
      // Its number was used before: by a run that was reset to an earlier point, for one.
      invocation.evaluations += 1;
      continue;
    }
    if (found.kind !== 'granted') return found;

    const ended = await callTarget(invocation, found.alloc);
    if (ended.kind === 'succeeded') {
      if (await finishSucceeded(invocation, found.alloc, ended.result)) {
        return { ...ended, alloc: found.alloc };
      }
      if (run.consistency === 'atMostOnce') return { kind: 'unknown', error: PASSED_ON, alloc: found.alloc };
      invocation.lastLoss = PASSED_ON;
    } else if (ended.kind === 'failed') {
      return { ...ended, alloc: found.alloc };
    } else {
      if (run.consistency === 'atMostOnce' && ended.began) {
        return { kind: 'unknown', error: ended.error, alloc: found.alloc };
      }
      await giveUp(invocation, found.alloc);
      invocation.lastLoss = ended.error;
    }
    invocation.evaluations += 1;
    invocation.lost += 1;
  }
}

const PASSED_ON: RunError = {
  type: 'WorkerLost',
  message: 'its result came after its capacity had passed on',
};

type Acquired =
  | { readonly kind: 'granted'; readonly alloc: Alloc }
  | { readonly kind: 'eval-ended' }
  | Extract<AttemptEnd, { kind: 'expired' | 'refused' | 'given-up' }>;

async function acquire(invocation: Invocation, evalId: string): Promise<Acquired> {
  const { run } = invocation.input;
  showPhase(invocation, { phase: 'allocating' });
  const answer = await ask(invocation, evalId);
  if (answer.kind === 'granted') return answer;
  if (answer.kind === 'refused') {
    if (answer.code === 'EvalEnded') return { kind: 'eval-ended' };
    return answer.code === 'TooManyLost' ? tooManyLost(invocation) : disbanded(evalId, run.pool);
  }
  if (answer.kind === 'invalid') return { kind: 'refused', evalId, error: answer.error };

  showPhase(invocation, { phase: 'waiting', waiting: { reason: answer.reason, position: answer.position } });
  const heard = (): boolean => invocation.grants.has(evalId) || invocation.refused.has(evalId);
  const deadlineMs = startDeadlineMs(invocation);
  if (deadlineMs === undefined) await condition(heard);
  else if (!(await condition(heard, Math.max(1, deadlineMs - Date.now()))))
    return { kind: 'expired', evalId };
  const alloc = invocation.grants.get(evalId);
  return alloc === undefined ? disbanded(evalId, run.pool) : { kind: 'granted', alloc };
}

/** The local activity is tried until the store answers; only a request that makes no sense comes back as an error. */
async function ask(
  { input: { run }, lost: retry }: Invocation,
  evalId: string,
): Promise<AllocateResult | { readonly kind: 'invalid'; readonly error: RunError }> {
  try {
    return await local.allocate({
      id: evalId,
      poolId: run.pool,
      invocationId: workflowInfo().workflowId,
      target: run.target.name,
      size: run.size,
      priority: run.priority,
      retry,
      ...(run.dataset && { dataset: run.dataset }),
    });
  } catch (error) {
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure)) throw error;
    return { kind: 'invalid', error: { type: cause.type ?? 'InvalidInput', message: cause.message } };
  }
}

/** The pool's `retryMax` decides, which only the store knows. */
function tooManyLost({ lost, lastLoss }: Invocation): Acquired {
  const last = lastLoss?.message ?? 'its result came after its capacity had passed on';
  const message = `lost ${lost} workers in one try, the last: ${last}`;
  return { kind: 'given-up', error: { type: 'WorkersLost', message } };
}

function tooManyEvaluations({ lost }: Invocation): AttemptEnd {
  const message = `${EVALUATIONS_MAX} evaluations in one try, ${lost} of them lost to workers: no more follow`;
  return { kind: 'given-up', error: { type: 'TooManyEvaluations', message } };
}

function disbanded(evalId: string, pool: string): Acquired {
  const message = `pool "${pool}" is disbanded and takes nothing new`;
  return { kind: 'refused', evalId, error: { type: 'PoolDisbanded', message } };
}

async function callTarget(invocation: Invocation, alloc: Alloc): Promise<CallEnd> {
  const { input } = invocation;
  const { timeouts, target } = input.run;
  invocation.held = { evalId: alloc.id, alloc };
  showPhase(invocation, { phase: 'running', alloc });
  const targets = proxyActivities<Record<string, (call: TargetCall) => Promise<unknown>>>({
    taskQueue: alloc.taskQueue,
    startToCloseTimeout: timeouts.attemptMs,
    heartbeatTimeout: timeouts.heartbeatMs,
    scheduleToStartTimeout: timeouts.scheduleToStartMs,
    retry: { maximumAttempts: 1 },
    // With the default the workflow would close, and its capacity pass on, while the target still runs.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: `on ${alloc.workerId}${alloc.dataset === undefined ? '' : `, dataset ${alloc.dataset}`}`,
  });
  const call = targets[target.name];
  if (call === undefined) throw new Error(`no proxy for target "${target.name}"`);
  try {
    return { kind: 'succeeded', result: await call(targetCall(invocation, alloc)) };
  } catch (error) {
    if (isCancellation(error) && invocation.cancelled()) throw error;
    return callEnd(error);
  }
}

function targetCall({ input }: Invocation, alloc: Alloc): TargetCall {
  const nowMs = Date.now();
  const info = workflowInfo();
  return {
    input: input.run.target.input,
    alloc: {
      id: alloc.id,
      epoch: alloc.epoch,
      poolId: alloc.poolId,
      workerId: alloc.workerId,
      incarnation: alloc.incarnation,
      size: alloc.size,
      expiresAtMs: alloc.expiresAtMs,
      ...(alloc.dataset !== undefined && { dataset: alloc.dataset }),
      ...(alloc.warm !== undefined && { warm: alloc.warm }),
    },
    call: {
      invocationId: info.workflowId,
      actualAtMs: nowMs,
      lateByMs: Math.max(0, nowMs - (input.nominalAtMs ?? input.requestedAtMs)),
      why: input.why,
      attempt: info.attempt,
      ...(input.scheduleId !== undefined && { scheduleId: input.scheduleId }),
      ...(input.jobId !== undefined && { jobId: input.jobId }),
      ...(input.nominalAtMs !== undefined && { nominalAtMs: input.nominalAtMs }),
    },
  };
}

/** Tells a lost worker from a failed target; the activity's failure is all there is to go by. */
function callEnd(error: unknown): CallEnd {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) {
    if (cause.timeoutType === 'SCHEDULE_TO_START') {
      return lost(false, 'the worker did not pick it up in time');
    }
    if (cause.timeoutType === 'HEARTBEAT') {
      return lost(true, 'the worker fell silent while it ran');
    }
    return failed('AttemptTimeout', 'the attempt took longer than its timeout allows', true);
  }
  if (cause instanceof ApplicationFailure) {
    if (cause.type === NEVER_BEGAN) return lost(false, cause.message);
    if (cause.type === ALLOC_LOST) return lost(true, cause.message);
    return {
      ...failed(cause.type ?? 'Error', cause.message, cause.nonRetryable !== true),
      ...retryAfter(cause.details),
    };
  }
  // Nobody here asked for it: the worker was closed under the target.
  if (cause instanceof CancelledFailure) return lost(true, 'the worker was closed while it ran');
  return failed('Error', cause instanceof Error ? cause.message : String(cause), true);
}

function retryAfter(details: unknown): Pick<Failed, 'retryAfterMs'> {
  const all: readonly unknown[] = Array.isArray(details) ? details : [];
  for (const detail of all) {
    const asked = isRecord(detail) ? detail[RETRY_AFTER_MS] : undefined;
    if (typeof asked === 'number' && asked > 0) return { retryAfterMs: asked };
  }
  return {};
}

function lost(began: boolean, message: string): CallEnd {
  return { kind: 'lost', began, error: { type: 'WorkerLost', message } };
}

function failed(type: string, message: string, retryable: boolean): Failed {
  return { kind: 'failed', error: { type, message }, retryable };
}

/** False where the capacity has passed on meanwhile: the result must not count. */
async function finishSucceeded(invocation: Invocation, alloc: Alloc, result: unknown): Promise<boolean> {
  const run = recordOf(invocation, 'succeeded', { workerId: alloc.workerId, result });
  const { accepted } = await invocation.finish({
    poolId: alloc.poolId,
    evalId: alloc.id,
    epoch: alloc.epoch,
    release: 'finished',
    run,
    ...told(invocation, run),
  });
  if (!accepted) await giveUp(invocation, alloc);
  return accepted;
}

/** Gives a lost worker's alloc up, and whatever else was granted to the same eval since. */
async function giveUp(invocation: Invocation, alloc: Alloc): Promise<void> {
  const of = { poolId: alloc.poolId, evalId: alloc.id };
  const { accepted } = await invocation.finish({ ...of, epoch: alloc.epoch, release: 'lost' });
  if (!accepted) await invocation.finish({ ...of, release: 'withdrawn' });
}
