/** Checks a schedule before anything is asked of Temporal: shape, spec, and that it ever fires. Used by SDK and CLI. */
import type { CalendarContent } from '../contract/calendars.ts';
import { EscapementError, InvalidInputError, NotExistsError, UnavailableError } from '../contract/errors.ts';
import type { ScheduleDefinition, ScheduleSpec } from '../contract/schedule.ts';
import { parseSchedule } from '../contract/schemas.ts';
import { type CompiledSpec, compileSpec } from '../core/cron/spec.ts';
import type { GatewayClient } from './gateway-client.ts';

export interface CheckedSchedule {
  readonly definition: ScheduleDefinition;
  readonly spec: CompiledSpec;
}

/** Calendars by their ids. */
export type CalendarContents = Readonly<Record<string, CalendarContent>>;

/**
 * @param calendars those that are there, of the ones it names; undefined where nobody knows: they then count as empty, and
 * the schedule itself refuses what is missing
 * @throws InvalidInputError naming every field at fault
 */
export function checkSchedule(
  subject: string,
  input: unknown,
  nowMs: number,
  calendars?: CalendarContents,
): CheckedSchedule {
  const definition = readDefinition(subject, input, nowMs);
  const result = compileSpec(definition.spec, {
    firesAfterMs: nowMs,
    calendars: calendars ?? emptyCalendars(definition.spec),
  });
  if (!result.ok) {
    const issues = result.issues.map(({ path, message }) => ({ path: `spec.${path}`, message }));
    throw new InvalidInputError(subject, issues);
  }
  return { definition, spec: result.compiled };
}

/** The same, with the calendars that it names as the gateway knows them. @throws InvalidInputError */
export async function checkWithCalendars(
  gateway: GatewayClient | undefined,
  subject: string,
  input: unknown,
  nowMs: number,
): Promise<CheckedSchedule> {
  const { spec } = readDefinition(subject, input, nowMs);
  const calendars = await readCalendars(gateway, spec).catch((error: unknown) => {
    if (isSilence(error)) return undefined;
    throw error;
  });
  return checkSchedule(subject, input, nowMs, calendars);
}

/** The calendars that a spec names and that are there. @throws UnavailableError without a gateway that answers */
export async function readCalendars(
  gateway: GatewayClient | undefined,
  { exclude }: ScheduleSpec,
): Promise<CalendarContents> {
  const ids = exclude?.calendars ?? [];
  if (ids.length === 0) return {};
  if (gateway === undefined)
    throw new UnavailableError('the gateway', 'calendars are read from it: name one');
  const found = await Promise.all(ids.map((id) => readCalendar(gateway, id)));
  return Object.fromEntries(found.flat());
}

async function readCalendar(
  gateway: GatewayClient,
  id: string,
): Promise<readonly (readonly [string, CalendarContent])[]> {
  try {
    return [[id, await gateway.getCalendar(id)]];
  } catch (error) {
    if (error instanceof NotExistsError) return [];
    throw error;
  }
}

/** No gateway, or a key that it does not know. */
function isSilence(error: unknown): boolean {
  return (
    error instanceof UnavailableError || (error instanceof EscapementError && error.code === 'Unauthorized')
  );
}

function readDefinition(subject: string, input: unknown, nowMs: number): ScheduleDefinition {
  const parsed = parseSchedule(input, nowMs);
  if (!parsed.ok) throw new InvalidInputError(subject, parsed.issues);
  return parsed.definition;
}

function emptyCalendars({ exclude }: ScheduleSpec): CalendarContents {
  return Object.fromEntries((exclude?.calendars ?? []).map((id) => [id, { dates: [] }]));
}
