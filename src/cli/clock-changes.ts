/** Clock changes that concern a schedule, as lines for a person. Used by `schedule describe` and the dry run. */
import type { AffectedDate } from '../core/cron/spec.ts';

const SHOWN_MAX = 6;

export function clockChangeLines(dates: readonly AffectedDate[]): readonly string[] {
  const lines = dates.slice(0, SHOWN_MAX).map((date) => {
    const [first = ''] = date.wallTimes;
    const does = date.kind === 'lost' ? 'is left out' : 'comes twice';
    const more = date.count > 1 ? `, ${date.count} times in all` : '';
    return `${first} (${date.timeZone}) ${does}${more}: ${date.becomes}`;
  });
  if (dates.length > SHOWN_MAX) lines.push(`and ${dates.length - SHOWN_MAX} more`);
  return lines;
}
