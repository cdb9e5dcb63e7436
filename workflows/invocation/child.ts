/**
 * One attempt of an invocation whose target is `workflow`: a workflow of the user's own, run as a child. With a size,
 * capacity is held for as long as it runs, by an activity of the same name on the granted worker that does nothing else.
 * A worker that is lost takes nothing of the child with it: that goes on, and capacity is asked for again. Where
 * none is granted any more it goes on without.
 */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  ChildWorkflowCancellationType,
  ChildWorkflowFailure,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  TerminatedFailure,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { Alloc } from '../../src/contract/pools.ts';
import { searchAttributePairs } from '../../src/contract/search-attributes.ts';
import { readWorkflowTarget, type WorkflowToStart } from '../../src/contract/workflow-target.ts';
import { RESULT_BYTES_MAX } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import {
  type AttemptEnd,
  callContext,
  callEnd,
  callWorker,
  type Failed,
  failed,
  targetCall,
} from './attempt.ts';
import { acquire, finishFor, giveUp } from './capacity.ts';
import { afterSuccess, type Invocation, recordOf, scheduleOf, showPhase } from './invocation.ts';

/** The activity that holds capacity outlives the child's own timeout, so that it is that one which ends the attempt. */
const HOLD_LONGER_MS = 60_000;

/** @throws CancelledFailure where the invocation is cancelled; the child has ended then */
export async function attemptWorkflow(invocation: Invocation): Promise<AttemptEnd> {
  const { run } = invocation.input;
  const read = readWorkflowTarget(run.target.input);
  if (!read.ok) {
    const what = read.issues.map(({ path, message }) => `${path}: ${message}`).join('; ');
    return failed('InvalidInput', `target "workflow": ${what}`, false);
  }
  const { searchAttributes } = read.workflow;
  const problem = searchAttributes && (await local.attributesProblem(searchAttributes));
  if (problem !== undefined) return failed('InvalidInput', `target "workflow": ${problem}`, false);
  return run.size > 0
    ? await withCapacity(invocation, read.workflow)
    : await withoutCapacity(invocation, read.workflow);
}

async function withoutCapacity(invocation: Invocation, workflow: WorkflowToStart): Promise<AttemptEnd> {
  const schedule = scheduleOf(invocation.input);
  if (schedule !== undefined) invocation.past = await local.lookBack(schedule);
  invocation.child = childId(workflow);
  showPhase(invocation, { phase: 'running' });
  return await conclude(invocation, await runChild(invocation, workflow));
}

async function withCapacity(invocation: Invocation, workflow: WorkflowToStart): Promise<AttemptEnd> {
  const found = await acquire(invocation);
  if (found.kind !== 'granted') return found;
  invocation.child = childId(workflow);
  // Capacity is given back when the child has ended, and not when the invocation is asked to stop.
  const holding = await CancellationScope.nonCancellable(async () => new CancellationScope());
  const held = holding.run(() => hold(invocation, found.alloc)).catch(unlessCancelled);
  let ended: ChildEnd;
  try {
    ended = await runChild(invocation, workflow);
  } finally {
    holding.cancel();
    await held;
  }
  return await conclude(invocation, ended);
}

function unlessCancelled(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

type ChildEnd = { readonly kind: 'succeeded'; readonly result: unknown } | Failed;

function childId({ workflowId }: WorkflowToStart): string {
  const own = workflowInfo();
  return workflowId ?? `${own.workflowId}/workflow/${own.attempt}`;
}

async function runChild(invocation: Invocation, workflow: WorkflowToStart): Promise<ChildEnd> {
  const { attemptMs } = invocation.input.run.timeouts;
  const context = callContext(invocation);
  const { triggers: _many, lastResult: _large, ...noted } = context;
  try {
    const result: unknown = await executeChild(workflow.type, {
      workflowId: childId(workflow),
      taskQueue: workflow.taskQueue,
      args: [...(workflow.args ?? [context])],
      workflowExecutionTimeout: Math.min(attemptMs, workflow.executionTimeoutMs ?? attemptMs),
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      memo: { ...workflow.memo, escapement: noted },
      typedSearchAttributes: searchAttributePairs(workflow.searchAttributes),
      ...(workflow.summary !== undefined && { staticSummary: workflow.summary }),
    });
    return checkedResult(workflow, result);
  } catch (error) {
    if (isCancellation(error) && invocation.cancelled()) throw error;
    return childFailure(workflow, error);
  }
}

/** As with any target: it travels through histories and a database row. */
function checkedResult({ type }: WorkflowToStart, result: unknown): ChildEnd {
  const length = result === undefined ? 0 : JSON.stringify(result).length;
  if (length <= RESULT_BYTES_MAX) return { kind: 'succeeded', result };
  const message =
    `workflow "${type}" returned ${length} characters as JSON, at most ${RESULT_BYTES_MAX} are allowed: ` +
    'store the data and return where it is';
  return failed('ResultTooLarge', message, false);
}

function childFailure(workflow: WorkflowToStart, error: unknown): Failed {
  const id = childId(workflow);
  if (error instanceof WorkflowExecutionAlreadyStartedError) {
    return failed('WorkflowRunsAlready', `workflow "${id}" runs already, and only one of an id can`, true);
  }
  const cause = error instanceof ChildWorkflowFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) {
    return failed('AttemptTimeout', `workflow "${id}" took longer than its timeout allows`, true);
  }
  // Nobody here asked for it: a person did, and would not have it begin again.
  if (cause instanceof CancelledFailure)
    return failed('WorkflowCancelled', `workflow "${id}" was cancelled`, false);
  if (cause instanceof TerminatedFailure) {
    return failed('WorkflowTerminated', `workflow "${id}" was terminated`, false);
  }
  const root = rootOf(cause);
  if (root instanceof ApplicationFailure) {
    return failed(root.type ?? 'Error', root.message, root.nonRetryable !== true);
  }
  return failed('Error', root instanceof Error ? root.message : String(root), true);
}

/** What the workflow itself ran into, through its activities and children. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (
    (root instanceof ActivityFailure || root instanceof ChildWorkflowFailure) &&
    root.cause !== undefined
  ) {
    root = root.cause;
  }
  return root;
}

/** Records a success; a failure is left to the caller, who knows whether another try follows. */
async function conclude(invocation: Invocation, ended: ChildEnd): Promise<AttemptEnd> {
  const alloc = invocation.held?.alloc;
  const end: AttemptEnd = { ...ended, ...(alloc !== undefined && { alloc }) };
  if (end.kind !== 'succeeded') return end;
  const run = recordOf(invocation, 'succeeded', {
    result: end.result,
    ...(alloc !== undefined && { workerId: alloc.workerId }),
  });
  // Whoever has the capacity by now: there is but one child, and it has ended.
  await finishFor(invocation, 'finished', { run, ...afterSuccess(invocation, run) });
  return end;
}

/** Holds capacity until it is cancelled. `invocation.held` says what is to be given back. */
async function hold(invocation: Invocation, first: Alloc): Promise<void> {
  const { attemptMs } = invocation.input.run.timeouts;
  for (let alloc = first; ; ) {
    invocation.held = { evalId: alloc.id, alloc };
    showPhase(invocation, { phase: 'running', alloc });
    const call = targetCall(invocation, alloc, { holdsFor: invocation.child });
    const end = await callWorker(invocation, call, alloc, attemptMs + HOLD_LONGER_MS).then(
      () => LET_GO,
      callEnd,
    );
    if (CancellationScope.current().consideredCancelled) return;
    if (end.kind !== 'succeeded') invocation.lastLoss = end.error;
    await giveUp(invocation, alloc);
    invocation.evaluations += 1;
    invocation.lost += 1;
    const found = await acquire(invocation);
    if (found.kind !== 'granted') return;
    alloc = found.alloc;
  }
}

const LET_GO = failed('WorkerLost', 'the worker let go of the capacity', true);
