/** `escapement schedule change --unset …`: settings that go back to what they are when nobody says anything. Pure. */
import { isRecord } from '../contract/message-shape.ts';
import { settingsOfCatchUp } from '../contract/policy-schemas.ts';
import type { ScheduleInput } from '../contract/schedule.ts';

/**
 * The flag that sets it, and its place in the input: every setting that may be left out (a test holds this against the schema),
 * but for `enabled`, which is read at creation only.
 */
export const PLACES: Readonly<Record<string, readonly string[]>> = {
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
  'time-zone': ['spec', 'timeZone'],
  overlap: ['overlap'],
  triggering: ['triggering'],
  'max-concurrent': ['triggering', 'maxConcurrent'],
  'max-batch': ['triggering', 'maxBatch'],
  'triggering-base': ['triggering', 'base'],
  'pending-timeout': ['triggering', 'pendingTimeout'],
  'catch-up': ['catchUp', 'mode'],
  'catch-up-window': ['catchUp', 'window'],
  'catch-up-rate': ['catchUp', 'perSecond'],
  'pause-on-failure': ['pauseOnFailure'],
  input: ['input'],
  pool: ['pool'],
  size: ['size'],
  priority: ['priority'],
  'dataset-mode': ['dataset', 'mode'],
  'warm-wait': ['dataset', 'warmWait'],
  'retry-limit': ['retry', 'limit'],
  'min-backoff': ['retry', 'minBackoff'],
  'max-backoff': ['retry', 'maxBackoff'],
  'retry-coefficient': ['retry', 'coefficient'],
  'attempt-timeout': ['timeouts', 'attempt'],
  'heartbeat-timeout': ['timeouts', 'heartbeat'],
  'schedule-to-start': ['timeouts', 'scheduleToStart'],
  consistency: ['consistency'],
};

export const UNSETTABLE = Object.keys(PLACES);

/** @param names some of `UNSETTABLE` */
export function unset(schedule: ScheduleInput, names: readonly string[]): ScheduleInput {
  const places = names.flatMap((name) => [PLACES[name] ?? []]);
  const less = places.reduce<unknown>(without, schedule) as ScheduleInput;
  // What a mode alone used goes with it.
  return {
    ...(names.includes('dataset-mode') ? (without(less, ['dataset', 'warmWait']) as ScheduleInput) : less),
    ...(names.includes('catch-up') &&
      typeof less.catchUp === 'object' && { catchUp: settingsOfCatchUp(less.catchUp) }),
  };
}

function without(value: unknown, [first, ...rest]: readonly string[]): unknown {
  if (first === undefined || !isRecord(value)) return value;
  const { [first]: inner, ...others } = value;
  return rest.length === 0 || inner === undefined ? others : { ...others, [first]: without(inner, rest) };
}
