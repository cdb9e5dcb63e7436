/**
 * Exclusions: wall times at which a schedule is not due, whatever its expressions say. A nominal time is excluded where
 * the clock of the exclusion's zone shows a time that it names. Called by spec.ts. Pure; a problem is returned as text.
 */
import type { CalendarContent } from '../../contract/calendars.ts';
import { DAY_S, HOUR_MS } from './civil.ts';
import { type DaySet, readDates } from './calendar-dates.ts';
import { parseCron, parseEventBridgeCron } from './cron.ts';
import { EXPRESSION_LENGTH_MAX, zoneProblem } from './recurrence.ts';
import type { Kinds } from './source.ts';
import { wallKind } from './wall-source.ts';
import { type DayTimes, cronDayTimes } from './wall-times.ts';
import { type Zone, findZone, spanIndexAt } from './zone.ts';

export interface Exclusion extends Kinds {
  /** The first instant at or after `atMs` that it does not cover: `atMs` itself where it does not cover that. */
  freeFrom(atMs: number): number;
  /** What it covers depends on zone data. */
  readonly zoned: boolean;
  readonly zone: Zone;
  readonly dayTimes: Covered;
  /** It names that second of the clock of a zone, shown or not. */
  names(zone: Zone, wallS: number): boolean;
}

export type ExclusionResult =
  | { readonly ok: true; readonly exclusion: Exclusion }
  | { readonly ok: false; readonly messages: readonly string[] };

/** A named calendar's exclusions, or what is wrong with it; `path` is that of the field within the calendar. */
export type CalendarResult =
  | { readonly ok: true; readonly exclusions: readonly Exclusion[] }
  | { readonly ok: false; readonly issues: readonly { readonly path: string; readonly message: string }[] };

/**
 * Reads one exclusion: a cron expression of 5, 6 or 7 fields, an alias, or `cron(...)`. Without a field of seconds it
 * covers the whole minutes that it names: `* * 25 12 *` is all of December 25. `zone` gives way to a `TZ=` prefix.
 */
export function parseExclusion(expression: string, zone: Zone): ExclusionResult {
  if (expression.length > EXPRESSION_LENGTH_MAX) {
    return refuse(`has ${expression.length} characters, at most ${EXPRESSION_LENGTH_MAX} are read: split it`);
  }
  const text = expression.trim().replaceAll(/\s+/g, ' ');
  const [, name, written = text] = /^(?:cron_)?tz=(\S*) ?(.*)$/i.exec(text) ?? [];
  const body = written.toLowerCase();
  const own = name === undefined ? zone : findZone(name);
  if (own === undefined) return refuse(zoneProblem(name ?? ''));
  const inside = /^cron ?\( ?(.*?) ?\)$/.exec(body)?.[1];
  if (inside === undefined && /^(?:@every|every|with|rate|at|triggered|continuously)\b/.test(body)) {
    return refuse(`"${expression}" is no cron expression: exclude wall times, for example "* * 25 12 *"`);
  }
  const result = inside === undefined ? parseCron(body) : parseEventBridgeCron(inside);
  if (!result.ok) return result;
  const withSeconds = inside === undefined && body.split(' ').length === 7;
  const named = cronDayTimes(result.fields);
  const covered = withSeconds ? named : { ...named, seconds: ALL };
  return { ok: true, exclusion: wallExclusion(covered, own) };
}

/** Reads a named calendar: its dates as whole days, its expressions as exclusions. `zone` is the schedule's. */
export function readCalendar(content: CalendarContent, zone: Zone): CalendarResult {
  const own = content.timeZone === undefined ? zone : findZone(content.timeZone);
  if (own === undefined) {
    return { ok: false, issues: [{ path: 'timeZone', message: zoneProblem(content.timeZone ?? '') }] };
  }
  const dates = readDates(content.dates);
  const issues = dates.ok ? [] : [...dates.issues];
  const exclusions: Exclusion[] = [];
  if (dates.ok && content.dates.length > 0) exclusions.push(wallExclusion(wholeDays(dates.days), own));
  (content.expressions ?? []).forEach((expression, index) => {
    const result = parseExclusion(expression, own);
    if (result.ok) exclusions.push(result.exclusion);
    else issues.push(...result.messages.map((message) => ({ path: `expressions[${index}]`, message })));
  });
  return issues.length > 0 ? { ok: false, issues } : { ok: true, exclusions };
}

type Covered = Omit<DayTimes, 'days'> & { readonly days: DaySet };

const ALL = Array<boolean>(60).fill(true);

function wholeDays(days: DaySet): Covered {
  return { days, hours: ALL.slice(0, 24), minutes: ALL, seconds: ALL };
}

function wallExclusion(covered: Covered, zone: Zone): Exclusion {
  const freeWall = freeWallOf(covered);
  const { days, hours } = covered;
  const patterns = {
    dayPattern: (day: number) => (days.has(day) ? '1' : '0'),
    hourPattern(hour: number) {
      const day = Math.floor(hour / 24);
      return hours[hour - day * 24] === true && days.has(day) ? '1' : '0';
    },
  };
  return {
    zone,
    zoned: zone.name !== 'UTC',
    dayTimes: covered,
    names: (other, wallS) => other.name === zone.name && freeWall(wallS) !== wallS,
    freeFrom(atMs) {
      let freeMs = atMs;
      for (let index = spanIndexAt(zone, atMs); ; index += 1) {
        const span = zone.spans[index];
        if (span === undefined) return freeMs;
        const wallS = Math.floor((freeMs + span.offsetMs) / 1_000);
        const freeS = freeWall(wallS);
        if (freeS === wallS) return freeMs;
        freeMs = freeS * 1_000 - span.offsetMs;
        if (freeMs < span.toMs) return freeMs;
        // The clock changes before the end of what is covered: the new one is asked again.
        freeMs = span.toMs;
      }
    },
    kindOf(startMs, lengthMs) {
      const span = zone.spans[spanIndexAt(zone, startMs)];
      if (span === undefined || startMs + lengthMs > span.toMs) return undefined;
      return wallKind(patterns, startMs + span.offsetMs, lengthMs);
    },
  };
}

/**
 * The first second at or after a wall time that is not covered. It goes on by the largest unit that is covered whole, so
 * that even a calendar of all days is left after one step for each day up to 2099.
 */
function freeWallOf({ days, hours, minutes, seconds }: Covered): (wallS: number) => number {
  const isAll = (set: readonly boolean[]) => !set.includes(false);
  const wholeMinute = isAll(seconds);
  const wholeHour = wholeMinute && isAll(minutes);
  const wholeDay = wholeHour && isAll(hours);
  const hourS = HOUR_MS / 1_000;
  return (wallS) => {
    for (let atS = wallS; ; ) {
      const day = Math.floor(atS / DAY_S);
      const inDay = atS - day * DAY_S;
      if (!days.has(day)) return atS;
      if (wholeDay) atS = (day + 1) * DAY_S;
      else if (hours[Math.floor(inDay / hourS)] !== true) return atS;
      else if (wholeHour) atS += hourS - (inDay % hourS);
      else if (minutes[Math.floor(inDay / 60) % 60] !== true) return atS;
      else if (wholeMinute) atS += 60 - (inDay % 60);
      else if (seconds[inDay % 60] !== true) return atS;
      else atS += 1;
    }
  };
}

function refuse(message: string): ExclusionResult {
  return { ok: false, messages: [message] };
}
