/** Parts of a spec as one line for a person. Used by `schedule describe` and the dry run. */
import type { ScheduleSpec } from '../contract/schedule.ts';

/** What it leaves out; undefined where that is nothing. */
export function exceptText({ exclude }: ScheduleSpec): string | undefined {
  if (exclude === undefined) return undefined;
  const calendars = exclude.calendars.map((id) => `calendar "${id}"`);
  return [...exclude.expressions, ...calendars].join(' | ');
}
