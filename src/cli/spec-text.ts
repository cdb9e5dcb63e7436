/** Parts of a definition as one line for a person. Used by `schedule describe` and the dry run. */
import { isoInstant } from '../contract/ids.ts';
import type { RunPolicy, ScheduleSpec } from '../contract/schedule.ts';
import { formatDuration } from '../core/duration.ts';

/** Its expressions, and how they are read. */
export function whenText(spec: ScheduleSpec): string {
  const settings = [
    spec.timeZone,
    spec.phaseMs !== undefined && `shifted by ${formatDuration(spec.phaseMs)}`,
    spec.anchorMs !== undefined && `counted from ${isoInstant(spec.anchorMs)}`,
    spec.startAtMs !== undefined && `from ${isoInstant(spec.startAtMs)}`,
    spec.endAtMs !== undefined && `until ${isoInstant(spec.endAtMs)}`,
    spec.dstGap !== undefined && `gap ${spec.dstGap}`,
    spec.dstRepeat !== undefined && `repeat ${spec.dstRepeat}`,
  ];
  return `${spec.expressions.join(' | ')} (${settings.filter(Boolean).join(', ')})`;
}

/** What it leaves out; undefined where that is nothing. */
export function exceptText({ exclude }: ScheduleSpec): string | undefined {
  if (exclude === undefined) return undefined;
  const calendars = exclude.calendars.map((id) => `calendar "${id}"`);
  return [...exclude.expressions, ...calendars].join(' | ');
}

export function jitterText({ jitterMs }: ScheduleSpec): string | undefined {
  return jitterMs === undefined ? undefined : `less than ${formatDuration(jitterMs)}`;
}

/** What runs, and where. */
export function whatText({ target, pool, size, priority }: RunPolicy): string {
  const where = size === 0 ? ', without capacity' : ` on pool ${pool}, size ${size}`;
  return `${target.name}${where}${priority === 0 ? '' : `, priority ${priority}`}`;
}
