/**
 * Whether a schedule would trigger itself through those that it triggers. Asked before it is made, changed or previewed; only
 * one that triggers others asks anything. Promise: what a schedule that does not answer triggers is not known and does
 * not stand in the way, as a chain of runs that comes back to where it was is refused by the schedule itself.
 */
import { EscapementError, InvalidInputError, NotExistsError } from '../contract/errors.ts';
import { circleMessage } from '../contract/schemas.ts';

/** Schedules asked for one check: more downstream of one are beyond what a person oversees. */
const ASKED_MAX = 200;

/** What a schedule triggers. @throws NotExistsError (ScheduleNotExists) */
export type TriggersOf = (id: string) => Promise<readonly string[]>;

/** @throws InvalidInputError naming the field and the way round */
export async function refuseCircle(
  subject: string,
  id: string,
  triggers: readonly string[] = [],
  triggersOf: TriggersOf,
): Promise<void> {
  const circle = await findCircle(id, triggers, triggersOf);
  if (circle === undefined) return;
  throw new InvalidInputError(subject, [{ path: 'triggers', message: circleMessage(circle) }]);
}

/** The shortest way from a schedule back to itself, both ends named. */
async function findCircle(
  id: string,
  triggers: readonly string[],
  triggersOf: TriggersOf,
): Promise<readonly string[] | undefined> {
  if (triggers.includes(id)) return [id, id];
  const seen = new Set(triggers);
  let ways = [...seen].map((next) => [id, next]);
  let asked = 0;
  while (ways.length > 0) {
    const room = ways.slice(0, ASKED_MAX - asked);
    asked += room.length;
    const found = await Promise.all(room.map((way) => known(triggersOf, way.at(-1) ?? '')));
    ways = [];
    for (const [i, way] of room.entries()) {
      for (const next of found[i] ?? []) {
        if (next === id) return [...way, id];
        if (seen.has(next)) continue;
        seen.add(next);
        ways.push([...way, next]);
      }
    }
  }
  return undefined;
}

/** One that is not there triggers nobody; of one that is silent nothing is known. */
async function known(triggersOf: TriggersOf, id: string): Promise<readonly string[]> {
  try {
    return await triggersOf(id);
  } catch (error) {
    const silent = error instanceof EscapementError && error.code === 'Unavailable';
    if (error instanceof NotExistsError || silent) return [];
    throw error;
  }
}
