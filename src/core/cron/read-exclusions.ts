/**
 * What a spec leaves out, from its own expressions and from named calendars, as one list of exclusions.
 * Called by spec.ts. Pure; issues name the field as a person writes it, such as `exclude.calendars[0]`.
 */
import {
  CALENDARS_PER_SCHEDULE_MAX,
  CALENDAR_EXPRESSIONS_MAX,
  type CalendarContent,
} from '../../contract/calendars.ts';
import type { InputIssue } from '../../contract/errors.ts';
import type { ScheduleSpec } from '../../contract/schedule.ts';
import { type Exclusion, parseExclusion, readCalendar } from './exclusion.ts';
import type { Zone } from './zone.ts';

export interface ExclusionOptions {
  /** The named calendars that the spec leaves out, by their ids; more may be given. */
  readonly calendars?: Readonly<Record<string, CalendarContent>>;
  /**
   * What becomes of a spec that names a calendar which is not given: refused (default), or read as if that calendar were
   * empty, for a schedule that was accepted when it was still there; a note then says so.
   */
  readonly missingCalendars?: 'refuse' | 'ignore';
}

export interface Exclusions {
  readonly exclusions: readonly Exclusion[];
  readonly notes: readonly string[];
  /** Some zone's data matters to them. */
  readonly zoned: boolean;
}

/** Reads what a spec leaves out; adds an issue for each that cannot be read. */
export function readExclusions(
  { exclude }: ScheduleSpec,
  zone: Zone,
  { calendars = {}, missingCalendars = 'refuse' }: ExclusionOptions,
  issues: InputIssue[],
): Exclusions {
  const exclusions: Exclusion[] = [];
  const notes: string[] = [];
  exclude?.expressions.forEach((expression, index) => {
    const result = parseExclusion(expression, zone);
    const path = `exclude.expressions[${index}]`;
    if (result.ok) exclusions.push(result.exclusion);
    else for (const message of result.messages) issues.push({ path, message });
  });
  exclude?.calendars.forEach((id, index) => {
    const path = `exclude.calendars[${index}]`;
    const content = Object.hasOwn(calendars, id) ? calendars[id] : undefined;
    if (content === undefined) {
      const missing = `there is no calendar "${id}"`;
      if (missingCalendars === 'ignore') notes.push(`${missing} any more: it leaves nothing out`);
      else issues.push({ path, message: `${missing}: put it first (escapement calendar put), or remove it` });
      return;
    }
    const result = readCalendar(content, zone);
    if (result.ok) exclusions.push(...result.exclusions);
    else for (const issue of result.issues) issues.push({ path, message: `${issue.path}: ${issue.message}` });
  });
  return { exclusions, notes, zoned: exclusions.some((exclusion) => exclusion.zoned) };
}

/** Refuses more than can be asked for every next time. */
export function exclusionBounds({ exclude }: ScheduleSpec): InputIssue[] {
  const bounds = [
    ['expressions', CALENDAR_EXPRESSIONS_MAX],
    ['calendars', CALENDARS_PER_SCHEDULE_MAX],
  ] as const;
  return bounds.flatMap(([name, max]) => {
    const given = exclude?.[name].length ?? 0;
    if (given <= max) return [];
    const message = `there are ${given}, at most ${max}: put dates into one calendar, or use lists and ranges`;
    return [{ path: `exclude.${name}`, message }];
  });
}
