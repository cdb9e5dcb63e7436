/**
 * The errors that callers can tell apart: one class for each decision a caller can make.
 * Shared by store, gateway (which maps `code` to a problem type), SDK and CLI; nothing matches on message text.
 */

/** Every `code` an Escapement error can carry; the gateway sends it as the problem's `code`. */
export type ErrorCode =
  | 'PoolExists'
  | 'PoolNotExists'
  | 'PoolDisbanded'
  | 'WorkerExists'
  | 'WorkerNotExists'
  | 'AllocExists'
  | 'ScheduleExists'
  | 'ScheduleNotExists'
  | 'JobExists'
  | 'InvocationNotExists'
  | 'EvalNotExists'
  | 'CalendarNotExists'
  | 'CalendarInUse'
  | 'RevisionConflict'
  | 'InvalidInput'
  | 'Unauthorized'
  | 'Unavailable'
  | 'StateOwned';

/** One thing wrong with an input: where it is (a path such as `retry.limit`) and what to do. */
export interface InputIssue {
  readonly path: string;
  readonly message: string;
}

/** Base of all errors that Escapement throws on purpose. `details` holds the ids concerned. */
export class EscapementError extends Error {
  override readonly name: string = 'EscapementError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What was given cannot be used; nothing was changed. `issues` names every field at fault. */
export class InvalidInputError extends EscapementError {
  override readonly name = 'InvalidInputError';
  constructor(
    subject: string,
    readonly issues: readonly InputIssue[],
    options?: ErrorOptions,
  ) {
    super('InvalidInput', `${subject}: ${issues.map(lineOf).join('; ')}`, { subject, issues }, options);
  }
}

/** Some messages name their field themselves. */
function lineOf({ path, message }: InputIssue): string {
  return path === '' || message.includes(`"${path}"`) ? message : `${path}: ${message}`;
}

/** Something with that id is there already; nothing was changed. */
export class AlreadyExistsError extends EscapementError {
  override readonly name = 'AlreadyExistsError';
}

/** Nothing with that id is there (never was, was deleted, or has expired). */
export class NotExistsError extends EscapementError {
  override readonly name = 'NotExistsError';
}

/** The pool takes nothing new. */
export class PoolDisbandedError extends EscapementError {
  override readonly name = 'PoolDisbandedError';
  constructor(poolId: string) {
    super('PoolDisbanded', `pool "${poolId}" is disbanded and takes nothing new: use another pool`, {
      poolId,
    });
  }
}

/** A part the call needs (Temporal server, database, gateway) is out of reach; the call may be made again. */
export class UnavailableError extends EscapementError {
  override readonly name = 'UnavailableError';
  constructor(what: string, advice: string, options?: ErrorOptions) {
    super('Unavailable', `${what} is out of reach: ${advice}`, { what }, options);
  }
}
