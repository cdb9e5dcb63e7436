/**
 * Asks schedule after schedule what it is, where one that gives no answer must not end the work with the others. Used by the
 * watcher and by `escapement snapshot`.
 */
import { EscapementError, NotExistsError, UnavailableError } from '../contract/errors.ts';
import type { ScheduleDescription } from '../contract/messages.ts';
import type { Schedules } from './schedules.ts';

export type Asked =
  | { readonly kind: 'said'; readonly description: ScheduleDescription }
  /** Deleted since it was listed. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'silent'; readonly error: Error };

/** Schedules asked at once: a query costs a worker a replay where the schedule is not in its cache. */
export const ASKED_AT_ONCE = 10;
/** One that the server refuses at once costs nothing; one that nobody answers for costs the deadline of the call. */
const COSTLY_MS = 3_000;

/**
 * For one round over all schedules. A worker that is away would cost every schedule its deadline: after some in a row
 * the others are not asked.
 * @throws EscapementError `Unauthorized`, which holds for all of them
 */
export function createAsking(schedules: Schedules): (id: string) => Promise<Asked> {
  let costlyInARow = 0;
  return async (id) => {
    if (costlyInARow >= ASKED_AT_ONCE) {
      return { kind: 'silent', error: new UnavailableError(`schedule "${id}"`, 'nobody answers') };
    }
    const askedAtMs = Date.now();
    try {
      const description = await schedules.get(id).describe();
      costlyInARow = 0;
      return { kind: 'said', description };
    } catch (error) {
      if (error instanceof NotExistsError) return { kind: 'gone' };
      if (!(error instanceof Error)) throw error;
      if (error instanceof EscapementError && error.code === 'Unauthorized') throw error;
      if (Date.now() - askedAtMs >= COSTLY_MS) costlyInARow += 1;
      return { kind: 'silent', error };
    }
  };
}
