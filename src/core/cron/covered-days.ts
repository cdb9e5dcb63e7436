/**
 * Days on which exclusions cover all that a schedule names, told by comparing wall times with wall times: no zone data is
 * read, and years go by in a millisecond. Called by union.ts, to pass over long stretches and to refuse what never fires.
 * It answers too early rather than too late: exclusions of other zones are left to the union. Pure.
 */
import { DAY_MS } from './civil.ts';
import type { Exclusion } from './exclusion.ts';
import type { Source } from './source.ts';
import type { DayTimes } from './wall-times.ts';
import { HORIZON_MS } from './zone.ts';

/** A wall day begins at most this long before or after the UTC day of the same date; a change of the clock included. */
const EDGE_MS = 40 * 3_600_000;

/** What some combination of exclusions leaves of a day is remembered this often. */
const COMBINATIONS_MAX = 1_000;

/**
 * A function from an instant to the first one, equal or later, at which a time may be allowed; `Infinity` where all that
 * is still to come is covered.
 */
export function coveredUntil(
  sources: readonly Source[],
  exclusions: readonly Exclusion[],
): (atMs: number) => number {
  const zones = new Set(exclusions.map(({ zone }) => zone.name));
  const searches = sources.map(({ wall }) =>
    // A fixed rate may be due in any second of any zone.
    [...zones]
      .filter((zone) => wall === undefined || wall.zone.name === zone)
      .map((zone) => {
        const same = exclusions.filter((exclusion) => exclusion.zone.name === zone);
        return openDays(wall?.dayTimes ?? ANY_TIME, same);
      }),
  );
  return (atMs) => {
    const fromDay = Math.floor((atMs - EDGE_MS) / DAY_MS);
    let firstMs = Infinity;
    for (const ofSource of searches) {
      const openMs = ofSource.map((nextOpenDay) => (nextOpenDay(fromDay) ?? Infinity) * DAY_MS - EDGE_MS);
      firstMs = Math.min(firstMs, Math.max(atMs, ...openMs));
      if (firstMs === atMs) return atMs;
    }
    return firstMs;
  };
}

const ALL = Array<boolean>(60).fill(true);
const DAYS_END = HORIZON_MS / DAY_MS;

const ANY_TIME: DayTimes = {
  days: { next: (day) => (day < DAYS_END ? day : undefined), has: (day) => day < DAYS_END },
  hours: ALL.slice(0, 24),
  minutes: ALL,
  seconds: ALL,
};

/** The first day from one on of which the exclusions leave something. */
function openDays(named: DayTimes, exclusions: readonly Exclusion[]) {
  const coveredBy = new Map<string, boolean>();

  function isCovered(day: number): boolean {
    let matching = '';
    for (const { dayTimes } of exclusions) matching += dayTimes.days.has(day) ? '1' : '0';
    const known = coveredBy.get(matching);
    if (known !== undefined) return known;
    const covered = covers(
      exclusions.filter((_, index) => matching[index] === '1'),
      named,
    );
    if (coveredBy.size < COMBINATIONS_MAX) coveredBy.set(matching, covered);
    return covered;
  }

  return (fromDay: number): number | undefined => {
    let day = named.days.next(Math.max(0, fromDay));
    while (day !== undefined && isCovered(day)) day = named.days.next(day + 1);
    return day;
  };
}

/** Every second of a day that is named is covered by one of the exclusions. */
function covers(exclusions: readonly Exclusion[], named: DayTimes): boolean {
  for (const [hour, hourNamed] of named.hours.entries()) {
    if (!hourNamed) continue;
    const ofHour = exclusions.filter(({ dayTimes }) => dayTimes.hours[hour] === true);
    if (ofHour.length === 0) return false;
    for (const [minute, minuteNamed] of named.minutes.entries()) {
      if (!minuteNamed) continue;
      const ofMinute = ofHour.filter(({ dayTimes }) => dayTimes.minutes[minute] === true);
      const open = (isNamed: boolean, second: number) =>
        isNamed && !ofMinute.some(({ dayTimes }) => dayTimes.seconds[second] === true);
      if (named.seconds.some(open)) return false;
    }
  }
  return true;
}
