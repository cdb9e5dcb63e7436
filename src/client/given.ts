/** What callers of the SDK hand in, read or refused: ids and instants. Used by its entry points. */
import { InvalidInputError } from '../contract/errors.ts';
import { idProblem } from '../contract/ids.ts';
import { parseInstant } from '../contract/messages.ts';

/** @throws InvalidInputError where `id` cannot name a `noun` */
export function refuseId(noun: string, id: string): void {
  const message = idProblem(noun, id);
  if (message !== undefined) throw new InvalidInputError(noun, [{ path: 'id', message }]);
}

/** What a Date can hold. */
export const DATE_MS_MAX = 8.64e15;

/** ms since the epoch; undefined for a text that is no ISO 8601 instant with its offset. */
export function instantMs(instant: Date | number | string): number | undefined {
  if (typeof instant === 'string') return parseInstant(instant);
  return typeof instant === 'number' ? instant : instant.getTime();
}
