/**
 * What a target is: a name and a handler, and what a handler gets. Written against by users, run by
 * `pool-call.ts`. It may not import the Temporal worker package, so that users' modules load fast.
 */
import { ApplicationFailure, type Logger } from '@temporalio/common';
import { InvalidInputError } from '../../contract/errors.ts';
import { idProblem } from '../../contract/ids.ts';
import type { CallContext } from '../../contract/target.ts';

/** A dataset that a worker holds. */
export interface DatasetHolding {
  readonly id: string;
  /** Where it is on this worker's machine. */
  readonly path?: string;
}

/** Everything a handler may know and do. */
export interface TargetContext<Input = unknown> {
  /** Why and for what it runs: schedule, nominal time, attempt, window, triggers, the last run's result. */
  readonly call: CallContext;
  readonly input: Input;
  /** The dataset it asked for; `held` is false where a preferred one is not on this worker. */
  readonly dataset?: DatasetHolding & { readonly held: boolean };
  readonly worker: { readonly poolId: string; readonly id: string };
  /** Aborts when the invocation is cancelled, the capacity is lost, or the worker stops. Heed it. */
  readonly signal: AbortSignal;
  /**
   * Reports progress, shown in the Web UI. Liveness needs no call: the worker beats by itself as long as
   * the handler does not block the event loop.
   */
  heartbeat(details?: unknown): void;
  readonly log: Logger;
}

/** A thrown Error is retried by the invocation's policy; throw `ApplicationFailure.nonRetryable` to end it. */
export type TargetHandler<Input = unknown, Result = unknown> = (
  context: TargetContext<Input>,
) => Promise<Result> | Result;

/** A target as the worker runs it. */
export interface Target {
  readonly name: string;
  run(context: TargetContext): Promise<unknown>;
}

export interface DefineTargetOptions<Input> {
  /** Checks and shapes the input, such as `schema.parse`; where it throws, the run fails without a retry. */
  readonly parse?: (input: unknown) => Input;
}

/**
 * Names a handler.
 * @throws InvalidInputError where the name cannot be one
 * @example
 * export default [
 *   defineTarget('hash', async ({ input, signal }) => hashFolder(input, signal), { parse: folderSchema.parse }),
 * ];
 */
export function defineTarget<Input = unknown>(
  name: string,
  handler: TargetHandler<Input>,
  options: DefineTargetOptions<Input> = {},
): Target {
  const problem = idProblem('target', name);
  if (problem !== undefined) throw new InvalidInputError('target', [{ path: 'name', message: problem }]);
  const { parse } = options;
  return {
    name,
    async run(context) {
      // Without `parse` the handler's word for its input is taken, as with any activity.
      const input = parse === undefined ? (context.input as Input) : parsed(name, parse, context.input);
      return handler({ ...context, input });
    },
  };
}

function parsed<Input>(name: string, parse: (input: unknown) => Input, input: unknown): Input {
  try {
    return parse(input);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw ApplicationFailure.create({
      type: 'InvalidInput',
      message: `target "${name}" cannot use its input: ${reason}`,
      nonRetryable: true,
    });
  }
}
