/** `escapement schedule change --unset …`: settings that go back to what they are when nobody says anything. Pure. */
import { isRecord } from '../contract/messages.ts';
import type { ScheduleInput } from '../contract/schedule.ts';

/** The flag that sets it, and its place in the input. A flag whose default can be given is not among them. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  phase: ['spec', 'phase'],
  anchor: ['spec', 'anchor'],
  'start-at': ['spec', 'startAt'],
  'end-at': ['spec', 'endAt'],
  exclude: ['spec', 'exclude', 'expressions'],
  'exclude-calendar': ['spec', 'exclude', 'calendars'],
  jitter: ['spec', 'jitter'],
  'dst-gap': ['spec', 'dst', 'gap'],
  'dst-repeat': ['spec', 'dst', 'repeat'],
  'limited-runs': ['limitedRuns'],
  triggers: ['triggers'],
  note: ['note'],
  dataset: ['dataset'],
  'retry-age': ['retry', 'ageLimit'],
  'start-deadline': ['startDeadline'],
  memo: ['memo'],
  'search-attribute': ['searchAttributes'],
};

export const UNSETTABLE = Object.keys(PLACES);

/** @param names some of `UNSETTABLE` */
export function unset(schedule: ScheduleInput, names: readonly string[]): ScheduleInput {
  const places = names.flatMap((name) => [PLACES[name] ?? []]);
  return places.reduce<unknown>(without, schedule) as ScheduleInput;
}

function without(value: unknown, [first, ...rest]: readonly string[]): unknown {
  if (first === undefined || !isRecord(value)) return value;
  const { [first]: inner, ...others } = value;
  return rest.length === 0 || inner === undefined ? others : { ...others, [first]: without(inner, rest) };
}
