/** What a call to a schedule's workflow throws, as an error that its caller can tell apart. Used by ScheduleHandle. */
import {
  isGrpcServiceError,
  QueryNotRegisteredError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { EscapementError, InvalidInputError, NotExistsError, UnavailableError } from '../contract/errors.ts';
import { isRecord } from '../contract/message-shape.ts';

export function scheduleNotExists(id: string, cause?: unknown): NotExistsError {
  const message = `schedule "${id}" does not exist: \`escapement schedule list\` shows those that do`;
  return new NotExistsError('ScheduleNotExists', message, { scheduleId: id }, { cause });
}

/** Its own refusals keep their words, and so do those of the server; whatever is not known is handed on as it is. */
export function ofSchedule(id: string, error: unknown): unknown {
  if (error instanceof EscapementError) return error;
  if (error instanceof WorkflowNotFoundError) return scheduleNotExists(id, error);
  // Also where the handler of the query has failed.
  if (error instanceof QueryNotRegisteredError) return unanswered(id, error.message, error);
  if (!(error instanceof WorkflowUpdateFailedError)) return ofServer(id, error);
  const { cause } = error;
  if (!(cause instanceof ApplicationFailure)) return error;
  if (isUnprocessed(error)) return unanswered(id, cause.message, error);
  const [details] = cause.details ?? [];
  if (cause.type === 'ScheduleNotExists') return scheduleNotExists(id, error);
  if (cause.type === 'RevisionConflict') {
    const given = isRecord(details) ? details : {};
    return new EscapementError('RevisionConflict', cause.message, given, { cause: error });
  }
  const subject = `schedule "${id}"`;
  return new InvalidInputError(subject, [{ path: fieldOf(details), message: cause.message }], {
    cause: error,
  });
}

/** The server's own refusal of an update of which the worker said nothing. */
export function isUnprocessed(error: unknown): boolean {
  if (!(error instanceof WorkflowUpdateFailedError)) return false;
  return error.cause instanceof ApplicationFailure && error.cause.type === 'UnprocessedUpdate';
}

/** Refusals name the field of the message, where it is one. */
function fieldOf(details: unknown): string {
  return isRecord(details) && typeof details['field'] === 'string' ? details['field'] : '';
}

/** As grpc numbers them. */
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const FAILED_PRECONDITION = 9;
const UNAUTHENTICATED = 16;

/** What the server refused. */
function ofServer(id: string, error: unknown): unknown {
  const refusal = refusalIn(error);
  if (refusal === undefined) return error;
  const { code, details } = refusal;
  const subject = `schedule "${id}"`;
  const said = details.trim() === '' ? `code ${code}` : details;
  switch (Number(code)) {
    case INVALID_ARGUMENT: {
      const message = `Temporal refuses the request: ${said}`;
      return new InvalidInputError(subject, [{ path: '', message }], { cause: error });
    }
    case PERMISSION_DENIED:
    case UNAUTHENTICATED: {
      const message = `${subject}: Temporal does not let you (${said}): check the namespace, and the key or certificate of the profile`;
      return new EscapementError('Unauthorized', message, { scheduleId: id }, { cause: error });
    }
    case FAILED_PRECONDITION:
      return unanswered(id, said, error);
    default:
      return new UnavailableError(subject, `Temporal says "${said}": try again in a moment`, {
        cause: error,
      });
  }
}

function unanswered(id: string, said: string, cause: unknown): UnavailableError {
  const advice = `Temporal says "${said}": is an orchestration worker of a version that fits up? Its log, and the history of the workflow, show what fails`;
  return new UnavailableError(`schedule "${id}"`, advice, { cause });
}

function refusalIn(error: unknown): { readonly code: number; readonly details: string } | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return cause;
  }
  return undefined;
}
