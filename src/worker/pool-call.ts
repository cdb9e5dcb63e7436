/**
 * One call of a target, from the activity task to its result: the guard before the user's handler, the
 * heartbeat beside it, and what its end means. Made into activities by `pool-worker.ts`.
 * Promise: a call that is not this process's own, or not sure to hold its capacity, never begins; a
 * result whose capacity was lost never counts.
 */
import { Context } from '@temporalio/activity';
import {
  ApplicationFailure,
  ApplicationFailureCategory,
  CancelledFailure,
  TemporalFailure,
} from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { AllocRef } from '../contract/pools.ts';
import { ALLOC_LOST, NEVER_BEGAN, RETRY_AFTER_MS, type TargetCall } from '../contract/target.ts';
import { RESULT_BYTES_MAX } from '../core/limits.ts';
import { type PoolRuns, type Run, stopReason } from './pool-runs.ts';
import type { DatasetHolding, Target, TargetContext } from './targets/target.ts';

/** Also where the heartbeat timeout is long: a cancellation arrives with the answer to a heartbeat. */
const HEARTBEAT_MS_MAX = 10_000;

export interface CallDeps {
  readonly worker: { readonly poolId: string; readonly id: string };
  /** Held now. */
  readonly datasets: () => readonly DatasetHolding[];
  readonly runs: PoolRuns;
  /** This process's registration; undefined while it has none. */
  readonly incarnation: () => string | undefined;
  /** Renews one alloc where its end is near; false where it is not held any more, or nobody could say. */
  readonly confirm: (ref: AllocRef, expiresAtMs: number) => Promise<boolean>;
  /** Asked for when a stopped run has ended: until the next renewal its units may count as used. */
  readonly renewEarly: () => void;
  /** How long a handler that was stopped may take to return before its attempt is given up without it. */
  readonly cancelGraceMs: number;
}

/** The activity that runs `target`. */
export function createTargetActivity(target: Target, deps: CallDeps): (call: TargetCall) => Promise<unknown> {
  return async (call) => {
    const run = begin(call, deps);
    const context = Context.current();
    const beat = startHeartbeat(context);
    let handler: Promise<unknown> = Promise.resolve();
    try {
      if (!(await deps.confirm(call.alloc, call.alloc.expiresAtMs))) {
        throw neverBegan(`"${call.alloc.id}" is not held any more`);
      }
      handler = target.run(targetContext(call, run, context, beat.report, deps));
      const result = await untilStopped(handler, run, deps.cancelGraceMs);
      if (stopReason(run)?.kind === 'lost') throw stopFailure(run);
      return checkedResult(target.name, result);
    } catch (error) {
      throw failureOf(error, run, context);
    } finally {
      beat.stop();
      // Also after the attempt was given up: the units are in use until the handler returns.
      void handler
        .catch(() => undefined)
        .finally(() => {
          const wasStopped = run.signal.aborted || context.cancellationSignal.aborted;
          deps.runs.end(run, { counts: !wasStopped });
          if (wasStopped) deps.renewEarly();
        });
    }
  };
}

function begin(call: TargetCall, deps: CallDeps): Run {
  const { alloc } = call;
  const incarnation = deps.incarnation();
  if (incarnation === undefined) throw neverBegan('the worker is not registered at this moment');
  if (alloc.incarnation !== incarnation) {
    throw neverBegan(`"${alloc.id}" was granted to another process of worker "${alloc.workerId}"`);
  }
  const begun = deps.runs.begin(alloc, alloc.size);
  if (begun.kind === 'refused') throw neverBegan(begun.message);
  return begun.run;
}

function targetContext(
  call: TargetCall,
  run: Run,
  context: Context,
  report: (details?: unknown) => void,
  deps: CallDeps,
): TargetContext {
  const id = call.alloc.dataset;
  const holding = deps.datasets().find((dataset) => dataset.id === id);
  return {
    call: call.call,
    input: call.input,
    ...(id === undefined ? {} : { dataset: { ...(holding ?? { id }), held: holding !== undefined } }),
    worker: deps.worker,
    signal: AbortSignal.any([context.cancellationSignal, run.signal]),
    heartbeat: report,
    log: context.log,
  };
}

/**
 * Beats at a third of the timeout, so that two may be lost. What the handler reported last is sent again
 * with every beat, as a heartbeat without details would wipe it.
 */
function startHeartbeat(context: Context): { report(details?: unknown): void; stop(): void } {
  const timeoutMs = context.info.heartbeatTimeoutMs ?? HEARTBEAT_MS_MAX * 3;
  let last: unknown;
  const timer = setInterval(() => context.heartbeat(last), Math.min(timeoutMs / 3, HEARTBEAT_MS_MAX));
  return {
    report(details) {
      last = details;
      context.heartbeat(details);
    },
    stop: () => clearInterval(timer),
  };
}

/**
 * The handler's outcome, or a failure once it has been stopped and has not returned within `graceMs`. A
 * cancellation by Temporal has no such bound: its workflow waits for the handler to end.
 */
async function untilStopped(handler: Promise<unknown>, run: Run, graceMs: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    const arm = () => {
      timer = setTimeout(() => reject(stopFailure(run)), graceMs);
    };
    if (run.signal.aborted) arm();
    else run.signal.addEventListener('abort', arm, { once: true });
  });
  try {
    return await Promise.race([handler, givenUp]);
  } finally {
    clearTimeout(timer);
  }
}

function checkedResult(name: string, result: unknown): unknown {
  if (result === undefined) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(result);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unusable('ResultNotJson', `target "${name}" returned what JSON cannot carry: ${reason}`);
  }
  if (text === undefined) {
    throw unusable('ResultNotJson', `target "${name}" returned a ${typeof result}: return plain data`);
  }
  const bytes = Buffer.byteLength(text);
  if (bytes <= RESULT_BYTES_MAX) return result;
  throw unusable(
    'ResultTooLarge',
    `target "${name}" returned ${bytes} bytes, at most ${RESULT_BYTES_MAX} are allowed: ` +
      'store the data and return where it is',
  );
}

/** Another try would return the same. */
function unusable(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}

function failureOf(error: unknown, run: Run, context: Context): Error {
  // What the guard says stands: nothing began, whatever happened to the run meanwhile.
  if (error instanceof ApplicationFailure && error.type === NEVER_BEGAN) return error;
  // A stopped run is reported as stopped, whatever its handler made of the signal.
  if (stopReason(run) !== undefined) return stopFailure(run);
  if (context.cancellationSignal.aborted) {
    const reason: unknown = context.cancellationSignal.reason;
    return reason instanceof CancelledFailure ? reason : new CancelledFailure('the target was cancelled');
  }
  if (error instanceof ApplicationFailure) return withRetryAfter(error);
  if (error instanceof TemporalFailure) return error;
  if (!(error instanceof Error)) return ApplicationFailure.create({ type: 'Error', message: String(error) });
  const failure = ApplicationFailure.create({ type: error.name, message: error.message, cause: error });
  if (error.stack !== undefined) failure.stack = error.stack;
  return failure;
}

/** The wait that a target asks for reaches the invocation among the failure's details. */
function withRetryAfter(failure: ApplicationFailure): ApplicationFailure {
  if (!failure.nextRetryDelay) return failure;
  const askedMs = msToNumber(failure.nextRetryDelay);
  const { message, type, nonRetryable, details, cause, category } = failure;
  const all = [...(details ?? []), { [RETRY_AFTER_MS]: askedMs }];
  const told = new ApplicationFailure(message, type, nonRetryable, all, cause, askedMs, category);
  if (failure.stack !== undefined) told.stack = failure.stack;
  return told;
}

function stopFailure(run: Run): ApplicationFailure {
  const message = stopReason(run)?.message ?? 'the run was stopped';
  return ApplicationFailure.create({ type: ALLOC_LOST, message, nonRetryable: true });
}

/** Benign: it is how a stale call is sent back, and no fault of the target. */
function neverBegan(message: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: NEVER_BEGAN,
    message: `never began: ${message}`,
    nonRetryable: true,
    category: ApplicationFailureCategory.BENIGN,
  });
}
