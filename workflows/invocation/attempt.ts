/**
 * One attempt of an invocation: get capacity, run the target on the worker that was granted, give it back;
 * again elsewhere for as long as workers are lost. Tells how it ended as a value; what follows is decided by its caller.
 */
import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  isCancellation,
  proxyActivities,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunError } from '../../src/contract/ledger.ts';
import { isRecord } from '../../src/contract/message-shape.ts';
import type { Alloc } from '../../src/contract/pools.ts';
import {
  ALLOC_LOST,
  type CallContext,
  NEVER_BEGAN,
  RETRY_AFTER_MS,
  type TargetCall,
} from '../../src/contract/target.ts';
import { windowOf } from '../../src/core/window.ts';
import { acquire, giveUp, type NoCapacity } from './capacity.ts';
import { afterSuccess, type Invocation, recordOf, showPhase } from './invocation.ts';

export type AttemptEnd =
  /** Without an alloc where it took no capacity, or has it no more. */
  | { readonly kind: 'succeeded'; readonly result: unknown; readonly alloc?: Alloc }
  | (Failed & { readonly alloc?: Alloc })
  /** At most once, and it may have begun. */
  | { readonly kind: 'unknown'; readonly error: RunError; readonly alloc: Alloc }
  | NoCapacity;

export interface Failed {
  readonly kind: 'failed';
  readonly error: RunError;
  readonly retryable: boolean;
  /** What the target asks for (an HTTP `Retry-After`, for instance); wins over the policy's backoff. */
  readonly retryAfterMs?: number;
  /** Its target may go on running. */
  readonly stillRuns?: true;
}

export type CallEnd =
  | { readonly kind: 'succeeded'; readonly result: unknown }
  | Failed
  /** `by`: a worker that was there no more, or one that refused the call, as when units of an older run were still in use. */
  | {
      readonly kind: 'lost';
      readonly by: 'silence' | 'refusal';
      readonly began: boolean;
      readonly error: RunError;
    };

/** @throws CancelledFailure where the invocation is cancelled; what it holds is then in `invocation.held`. */
export async function attemptOnce(invocation: Invocation): Promise<AttemptEnd> {
  const { run } = invocation.input;
  for (;;) {
    const found = await acquire(invocation);
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
    // Who was refused has lost nothing to a dead worker.
    if (ended.kind === 'succeeded' || ended.by === 'silence') invocation.lost += 1;
  }
}

const PASSED_ON: RunError = {
  type: 'WorkerLost',
  message: 'its result came after its capacity had passed on',
};

async function callTarget(invocation: Invocation, alloc: Alloc): Promise<CallEnd> {
  invocation.held = { evalId: alloc.id, alloc };
  showPhase(invocation, { phase: 'running', alloc });
  try {
    const { target, timeouts } = invocation.input.run;
    const call = targetCall(invocation, alloc, target.input);
    return { kind: 'succeeded', result: await callWorker(invocation, call, alloc, timeouts.attemptMs) };
  } catch (error) {
    if (isCancellation(error) && invocation.cancelled()) throw error;
    return callEnd(error);
  }
}

/** Runs the target's activity on the worker that was granted. */
export async function callWorker(
  { input }: Invocation,
  call: TargetCall,
  alloc: Alloc,
  startToCloseTimeoutMs: number,
): Promise<unknown> {
  const { timeouts, target } = input.run;
  const targets = proxyActivities<Record<string, (call: TargetCall) => Promise<unknown>>>({
    taskQueue: alloc.taskQueue,
    startToCloseTimeout: startToCloseTimeoutMs,
    heartbeatTimeout: timeouts.heartbeatMs,
    scheduleToStartTimeout: timeouts.scheduleToStartMs,
    retry: { maximumAttempts: 1 },
    // With the default the workflow would close, and its capacity pass on, while the target still runs.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: `on ${alloc.workerId}${alloc.dataset === undefined ? '' : `, dataset ${alloc.dataset}`}`,
  });
  const activity = targets[target.name];
  if (activity === undefined) throw new Error(`no proxy for target "${target.name}"`);
  return await activity(call);
}

export function targetCall(invocation: Invocation, alloc: Alloc, input: unknown): TargetCall {
  return {
    input,
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
    call: callContext(invocation),
  };
}

export function callContext({ input, past }: Invocation): CallContext {
  const nowMs = Date.now();
  const { workflowId: invocationId, attempt } = workflowInfo();
  const window = windowOf(input, past);
  return {
    invocationId,
    actualAtMs: nowMs,
    lateByMs: Math.max(0, nowMs - (input.nominalAtMs ?? input.requestedAtMs)),
    why: attempt > 1 ? 'retry' : input.why,
    origin: input.why,
    attempt,
    ...(input.scheduleId !== undefined && { scheduleId: input.scheduleId }),
    ...(input.jobId !== undefined && { jobId: input.jobId }),
    ...(input.nominalAtMs !== undefined && { nominalAtMs: input.nominalAtMs }),
    ...(window !== undefined && { window }),
    ...(input.triggers !== undefined && { triggers: input.triggers }),
    ...(past?.lastResult !== undefined && { lastResult: past.lastResult }),
  };
}

/** Tells a lost worker from a failed target; the activity's failure is all there is to go by. */
export function callEnd(error: unknown): CallEnd {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) {
    if (cause.timeoutType === 'SCHEDULE_TO_START') {
      return lost(false, 'the worker did not pick it up in time');
    }
    if (cause.timeoutType === 'HEARTBEAT') {
      return lost(true, 'the worker fell silent while it ran');
    }
    // Temporal has given it up; the worker hears of that by its next heartbeat, and the handler stops when it will.
    const message = 'the attempt took longer than its timeout allows';
    return { ...failed('AttemptTimeout', message, true), stillRuns: true };
  }
  if (cause instanceof ApplicationFailure) {
    if (cause.type === NEVER_BEGAN) return { ...lost(false, cause.message), by: 'refusal' };
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

function lost(began: boolean, message: string): Extract<CallEnd, { kind: 'lost' }> {
  return { kind: 'lost', by: 'silence', began, error: { type: 'WorkerLost', message } };
}

export function failed(type: string, message: string, retryable: boolean): Failed {
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
    ...afterSuccess(invocation, run),
  });
  if (!accepted) await giveUp(invocation, alloc);
  return accepted;
}
