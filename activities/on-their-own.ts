/**
 * Work for many invocations of which one that fails keeps nobody else waiting. Used by whoever tells invocations something
 * or looks them up. Promise: each is tried once; what failed is thrown together when all others are done, so that
 * the caller is tried again. Only where nobody can be reached is the rest left for then.
 */
import { isGrpcServiceError } from '@temporalio/client';
import { UnavailableError } from '../src/contract/errors.ts';

/** A signal takes about 5 ms, a call to a server that is away about 20 s, so that those who can be reached are by then. */
const AT_ONCE_MAX = 10;
/** Of gRPC. */
const UNAVAILABLE = 14;

/**
 * @param work may answer more items
 * @throws the error where there was one item only; else AggregateError
 */
export async function onTheirOwn<T>(
  items: readonly T[],
  work: (item: T) => Promise<readonly T[] | void>,
): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  let tried = 0;
  let away = false;
  const hand = async (): Promise<void> => {
    while (queue.length > 0 && !away) {
      const [item] = queue.splice(0, 1) as [T];
      tried += 1;
      try {
        queue.push(...((await work(item)) ?? []));
      } catch (error) {
        failures.push(error);
        away ||= isOutOfReach(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, hand));
  if (failures.length === 0) return;
  const [first] = failures;
  if (tried === 1) throw first;
  const left = queue.length > 0 ? `, ${queue.length} were not tried` : '';
  const reason = first instanceof Error ? first.message : String(first);
  throw new AggregateError(failures, `${failures.length} of ${tried} failed${left}; the first: ${reason}`);
}

/** The server, or the database behind the store: whoever comes next would not reach it either. */
function isOutOfReach(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof UnavailableError) return true;
    if (isGrpcServiceError(cause) && Number(cause.code) === UNAVAILABLE) return true;
  }
  return false;
}
