/** What callers of the SDK hand in, read or refused: ids and instants. Used by its entry points. */
import { InvalidInputError } from '../contract/errors.ts';
import { idProblem } from '../contract/ids.ts';
import { isRecord, parseInstant } from '../contract/message-shape.ts';

/** @throws InvalidInputError where `id` cannot name a `noun` */
export function refuseId(noun: string, id: string): void {
  const message = idProblem(noun, id);
  if (message !== undefined) throw new InvalidInputError(noun, [{ path: 'id', message }]);
}

/** @throws InvalidInputError where a request is not an object: spread into a message it would pass for an empty one */
export function refuseNoObject(subject: string, path: string, value: unknown): void {
  if (isRecord(value)) return;
  const message = `expected an object of settings, or nothing at all, got ${JSON.stringify(value)}`;
  throw new InvalidInputError(subject, [{ path, message }]);
}

/** The same for a list of them. @throws InvalidInputError */
export function refuseNoObjects(subject: string, path: string, values: unknown): void {
  if (!Array.isArray(values)) {
    const message = `expected a list of objects, got ${JSON.stringify(values)}`;
    throw new InvalidInputError(subject, [{ path, message }]);
  }
  values.forEach((value, n) => refuseNoObject(subject, `${path}[${n}]`, value));
}

/** @throws InvalidInputError where `value` is not a whole number from `min` to `max` */
export function refuseNumber(
  subject: string,
  path: string,
  value: number,
  { min, max }: { readonly min: number; readonly max: number },
): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const message = `${value} is not a whole number from ${min} to ${max}: give one`;
  throw new InvalidInputError(subject, [{ path, message }]);
}

/** What a Date can hold. */
export const DATE_MS_MAX = 8.64e15;

/** ms since the epoch; undefined for a text that is no ISO 8601 instant with its offset. */
export function instantMs(instant: Date | number | string): number | undefined {
  if (typeof instant === 'string') return parseInstant(instant);
  return typeof instant === 'number' ? instant : instant.getTime();
}
