/** How an invocation gets capacity and gives it back: its evals, from the first request to the grant or the refusal. */
import { ApplicationFailure, condition, workflowInfo } from '@temporalio/workflow';
import type { FinishInvocationRequest } from '../../src/contract/activities.ts';
import type { RunError } from '../../src/contract/ledger.ts';
import type { Alloc, AllocateResult } from '../../src/contract/pools.ts';
import { EVALUATIONS_MAX } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { type Invocation, scheduleOf, showPhase, startDeadlineMs } from './invocation.ts';

export type NoCapacity =
  /** Too many workers were lost under it. */
  | { readonly kind: 'given-up'; readonly error: RunError }
  | { readonly kind: 'expired'; readonly evalId: string }
  | { readonly kind: 'refused'; readonly evalId: string; readonly error: RunError };

export type Acquired = { readonly kind: 'granted'; readonly alloc: Alloc } | NoCapacity;

/** Asks for capacity and waits until it is granted or refused; `invocation.held` says what is to be given back. */
export async function acquire(invocation: Invocation): Promise<Acquired> {
  for (;;) {
    const evalId = `${workflowInfo().workflowId}#${workflowInfo().attempt}.${invocation.evaluations}`;
    invocation.held = { evalId };
    if (invocation.evaluations >= EVALUATIONS_MAX) return tooManyEvaluations(invocation);
    const found = await acquireOnce(invocation, evalId);
    if (found.kind !== 'eval-ended') return found;
    // Its number was used before: by a run that was reset to an earlier point, for one.
    invocation.evaluations += 1;
  }
}

async function acquireOnce(
  invocation: Invocation,
  evalId: string,
): Promise<Acquired | { readonly kind: 'eval-ended' }> {
  const { run } = invocation.input;
  showPhase(invocation, { phase: 'allocating' });
  let answer = await ask(invocation, evalId);
  // Nobody else looks at the queue at the very instant from which any worker will do.
  if (answer.kind === 'waiting' && (await warmWaitIsOver(invocation, evalId, answer)))
    answer = await ask(invocation, evalId);
  if (answer.kind === 'granted') return answer;
  if (answer.kind === 'refused') {
    if (answer.code === 'EvalEnded') return { kind: 'eval-ended' };
    return answer.code === 'TooManyLost' ? tooManyLost(invocation) : disbanded(evalId, run.pool);
  }
  if (answer.kind === 'invalid') return { kind: 'refused', evalId, error: answer.error };

  showWaiting(invocation, answer);
  const deadlineMs = startDeadlineMs(invocation);
  if (deadlineMs === undefined) await condition(() => heardOf(invocation, evalId));
  else if (!(await condition(() => heardOf(invocation, evalId), Math.max(1, deadlineMs - Date.now()))))
    return { kind: 'expired', evalId };
  const alloc = invocation.grants.get(evalId);
  return alloc === undefined ? disbanded(evalId, run.pool) : { kind: 'granted', alloc };
}

/** Waits for a worker with the preferred dataset; false where something was heard meanwhile, or there is no more time to ask. */
async function warmWaitIsOver(
  invocation: Invocation,
  evalId: string,
  answer: Extract<AllocateResult, { kind: 'waiting' }>,
): Promise<boolean> {
  const { dataset } = invocation.input.run;
  if (dataset?.mode !== 'preferred' || dataset.warmWaitMs === 0) return false;
  const leftMs = (startDeadlineMs(invocation) ?? Infinity) - Date.now();
  if (leftMs <= dataset.warmWaitMs) return false;
  showWaiting(invocation, answer);
  return !(await condition(() => heardOf(invocation, evalId), dataset.warmWaitMs));
}

function heardOf({ grants, refused }: Invocation, evalId: string): boolean {
  return grants.has(evalId) || refused.has(evalId);
}

function showWaiting(
  invocation: Invocation,
  { reason, position }: Extract<AllocateResult, { kind: 'waiting' }>,
): void {
  showPhase(invocation, { phase: 'waiting', waiting: { reason, position } });
}

/** The local activity is tried until the store answers; only a request that makes no sense comes back as an error. */
async function ask(
  invocation: Invocation,
  evalId: string,
): Promise<AllocateResult | { readonly kind: 'invalid'; readonly error: RunError }> {
  const { input, lost: retry } = invocation;
  const { run } = input;
  const schedule = scheduleOf(input);
  try {
    const { past, ...answer } = await local.allocate({
      id: evalId,
      poolId: run.pool,
      invocationId: workflowInfo().workflowId,
      target: run.target.name,
      size: run.size,
      priority: run.priority,
      retry,
      ...(run.dataset && { dataset: run.dataset }),
      ...(schedule && { schedule }),
    });
    if (past !== undefined) invocation.past = past;
    return answer;
  } catch (error) {
    // A local activity's failure comes as it was thrown, in no ActivityFailure.
    if (!(error instanceof ApplicationFailure)) throw error;
    return { kind: 'invalid', error: { type: error.type ?? 'InvalidInput', message: error.message } };
  }
}

/** The pool's `retryMax` decides, which only the store knows. */
function tooManyLost({ lost, lastLoss }: Invocation): NoCapacity {
  const last = lastLoss?.message ?? 'its result came after its capacity had passed on';
  const message = `lost ${lost} workers in one try, the last: ${last}`;
  return { kind: 'given-up', error: { type: 'WorkersLost', message } };
}

function tooManyEvaluations({ lost }: Invocation): NoCapacity {
  const message = `${EVALUATIONS_MAX} evaluations in one try, ${lost} of them lost to workers: no more follow`;
  return { kind: 'given-up', error: { type: 'TooManyEvaluations', message } };
}

function disbanded(evalId: string, pool: string): NoCapacity {
  const message = `pool "${pool}" is disbanded and takes nothing new`;
  return { kind: 'refused', evalId, error: { type: 'PoolDisbanded', message } };
}

/** Gives a lost worker's alloc up, and whatever else was granted to the same eval since. */
export async function giveUp(invocation: Invocation, alloc: Alloc): Promise<void> {
  const of = { poolId: alloc.poolId, evalId: alloc.id };
  const { accepted } = await invocation.finish({ ...of, epoch: alloc.epoch, release: 'lost' });
  if (!accepted) await invocation.finish({ ...of, release: 'withdrawn' });
}

/** Gives back and records. Where the capacity has passed on meanwhile, the end is recorded all the same. */
export async function finishFor(
  invocation: Invocation,
  release: FinishInvocationRequest['release'],
  end: Omit<FinishInvocationRequest, 'poolId' | 'evalId' | 'epoch' | 'release'>,
): Promise<void> {
  const held = holding(invocation);
  const { accepted } = await invocation.finish({ ...held, release, ...end });
  if (accepted) return;
  const { epoch: _stale, ...whateverItHas } = held;
  await invocation.finish({ ...whateverItHas, release: 'withdrawn', ...end });
}

export function withdrawing(invocation: Invocation) {
  const { epoch: _stale, ...rest } = holding(invocation);
  return rest;
}

/** What is to be given back. Without an epoch whatever the eval has is withdrawn. */
export function holding({ held, input }: Invocation) {
  return {
    poolId: input.run.pool,
    ...(held !== undefined && { evalId: held.evalId }),
    ...(held?.alloc !== undefined && { epoch: held.alloc.epoch }),
  };
}
