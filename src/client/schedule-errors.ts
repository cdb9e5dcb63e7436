/** What a call to a schedule's workflow throws, as an error that its caller can tell apart. Used by ScheduleHandle. */
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { EscapementError, InvalidInputError, NotExistsError } from '../contract/errors.ts';
import { isRecord } from '../contract/messages.ts';

export function scheduleNotExists(id: string, cause?: unknown): NotExistsError {
  const message = `schedule "${id}" does not exist: \`escapement schedule list\` shows those that do`;
  return new NotExistsError('ScheduleNotExists', message, { scheduleId: id }, { cause });
}

/** Its own refusals keep their words; whatever is not known is handed on as it is. */
export function ofSchedule(id: string, error: unknown): unknown {
  if (error instanceof WorkflowNotFoundError) return scheduleNotExists(id, error);
  if (!(error instanceof WorkflowUpdateFailedError)) return error;
  const { cause } = error;
  if (!(cause instanceof ApplicationFailure)) return error;
  const [details] = cause.details ?? [];
  if (cause.type === 'ScheduleNotExists') return scheduleNotExists(id, error);
  if (cause.type === 'RevisionConflict') {
    const given = isRecord(details) ? details : {};
    return new EscapementError('RevisionConflict', cause.message, given, { cause: error });
  }
  const subject = `schedule "${id}"`;
  return new InvalidInputError(subject, [{ path: '', message: cause.message }], { cause: error });
}
