/**
 * Wall times as sets: which seconds of a clock on the wall a cron expression (or a single `at`) names, no zone attached.
 * Called by wall-source.ts, which lays them over a zone's spans. Pure arithmetic on seconds since 1970-01-01T00:00:00;
 * every search ends at the last day of 2099.
 */
import { DAY_S, YEAR_MAX, YEAR_MIN, civilDate, dayNumber, monthLength, weekday } from './civil.ts';
import type { Field } from './fields.ts';

/** Days, and in each of them the same product of hours, minutes and seconds. */
export interface DayTimes {
  readonly days: {
    /** Days since 1970-01-01; undefined where none is left up to the end of 2099. */
    next(fromDay: number): number | undefined;
    has(day: number): boolean;
  };
  /** 24, 60 and 60 of them, true where named. */
  readonly hours: readonly boolean[];
  readonly minutes: readonly boolean[];
  readonly seconds: readonly boolean[];
}

export interface WallTimes {
  readonly dayTimes: DayTimes;
  /** The first named second at or after `fromS`; undefined where there is none up to the end of 2099. */
  next(fromS: number): number | undefined;
  /** How many named seconds lie in [fromS, toS). */
  count(fromS: number, toS: number): number;
  /** Text equal for two days (since 1970-01-01) exactly when both name the same seconds of the day. */
  dayPattern(day: number): string;
  /** The same for two hours, counted from 1970-01-01T00. */
  hourPattern(hour: number): string;
}

export interface CronFields {
  readonly second: Field;
  readonly minute: Field;
  readonly hour: Field;
  readonly dayOfMonth: Field;
  readonly month: Field;
  readonly dayOfWeek: Field;
  readonly year: Field;
}

/** The days and times that cron fields name. */
export function cronDayTimes(fields: CronFields): DayTimes {
  const days = matchingDays(fields);
  return {
    days: { next: days.next, has: (day) => days.next(day) === day },
    hours: flags(fields.hour.values, 24),
    minutes: flags(fields.minute.values, 60),
    seconds: flags(fields.second.values, 60),
  };
}

function flags(values: readonly number[], length: number): boolean[] {
  const named = new Set(values);
  return Array.from({ length }, (_, value) => named.has(value));
}

/** One wall time. */
export function singleWallTime(atS: number): WallTimes {
  const onlyDay = Math.floor(atS / DAY_S);
  const inDay = atS - onlyDay * DAY_S;
  return {
    dayTimes: {
      days: { next: (day) => (day <= onlyDay ? onlyDay : undefined), has: (day) => day === onlyDay },
      hours: flags([Math.floor(inDay / 3_600)], 24),
      minutes: flags([Math.floor(inDay / 60) % 60], 60),
      seconds: flags([inDay % 60], 60),
    },
    next: (fromS) => (fromS <= atS ? atS : undefined),
    count: (fromS, toS) => (fromS <= atS && atS < toS ? 1 : 0),
    dayPattern: (day) => (Math.floor(atS / DAY_S) === day ? '1' : '0'),
    hourPattern: (hour) => (Math.floor(atS / 3_600) === hour ? '1' : '0'),
  };
}

/** The wall times of a cron expression. */
export function cronWallTimes(fields: CronFields): WallTimes {
  const days = matchingDays(fields);
  const times = timesOfDay(fields);
  return {
    dayTimes: cronDayTimes(fields),
    next(fromS) {
      const startS = Math.max(fromS, 0);
      const today = Math.floor(startS / DAY_S);
      const day = days.next(today);
      if (day === undefined) return undefined;
      if (day > today) return day * DAY_S + times.first;
      const inDay = times.next(startS - today * DAY_S);
      if (inDay !== undefined) return today * DAY_S + inDay;
      const later = days.next(today + 1);
      return later === undefined ? undefined : later * DAY_S + times.first;
    },
    count(fromS, toS) {
      if (toS <= fromS) return 0;
      return countBefore(toS) - countBefore(fromS);
    },
    dayPattern: (day) => (days.next(day) === day ? '1' : '0'),
    hourPattern(hour) {
      const day = Math.floor(hour / 24);
      return times.hasHour(hour - day * 24) && days.next(day) === day ? '1' : '0';
    },
  };

  /** Named seconds in [1970, atS). */
  function countBefore(atS: number): number {
    const day = Math.floor(Math.max(atS, 0) / DAY_S);
    const whole = days.countBefore(day) * times.perDay;
    return days.next(day) === day ? whole + times.countBefore(Math.max(atS, 0) - day * DAY_S) : whole;
  }
}

/** For each unit the smallest named value at or above an index, and how many lie below it. */
interface Lookup {
  readonly size: number;
  /** `atOrAbove[i]` is -1 where there is none. */
  readonly atOrAbove: Int16Array;
  readonly below: Int16Array;
}

function lookup(values: readonly number[], length: number): Lookup {
  const atOrAbove = new Int16Array(length + 1).fill(-1);
  const below = new Int16Array(length + 1);
  const named = new Set(values);
  for (let i = length - 1; i >= 0; i -= 1) atOrAbove[i] = named.has(i) ? i : (atOrAbove[i + 1] ?? -1);
  for (let i = 1; i <= length; i += 1) below[i] = (below[i - 1] ?? 0) + (named.has(i - 1) ? 1 : 0);
  return { size: named.size, atOrAbove, below };
}

/** The seconds of a day: the product of three fields, searched field by field. */
function timesOfDay(fields: CronFields) {
  const hours = lookup(fields.hour.values, 24);
  const minutes = lookup(fields.minute.values, 60);
  const seconds = lookup(fields.second.values, 60);
  const firstMinute = minutes.atOrAbove[0] ?? 0;
  const firstSecond = seconds.atOrAbove[0] ?? 0;
  const firstInHour = firstMinute * 60 + firstSecond;
  const perHour = minutes.size * seconds.size;
  return {
    first: (hours.atOrAbove[0] ?? 0) * 3_600 + firstInHour,
    perDay: hours.size * perHour,
    hasHour: (hour: number) => hours.atOrAbove[hour] === hour,
    /** First named second of the day at or after `fromS`. */
    next(fromS: number): number | undefined {
      const hour = Math.floor(fromS / 3_600);
      const minute = Math.floor(fromS / 60) % 60;
      if (hours.atOrAbove[hour] === hour) {
        if (minutes.atOrAbove[minute] === minute) {
          const second = seconds.atOrAbove[fromS % 60] ?? -1;
          if (second >= 0) return hour * 3_600 + minute * 60 + second;
        }
        const nextMinute = minutes.atOrAbove[minute + 1] ?? -1;
        if (nextMinute >= 0) return hour * 3_600 + nextMinute * 60 + firstSecond;
      }
      const nextHour = hours.atOrAbove[hour + 1] ?? -1;
      return nextHour < 0 ? undefined : nextHour * 3_600 + firstInHour;
    },
    /** Named seconds of the day before `atS`. */
    countBefore(atS: number): number {
      const hour = Math.floor(atS / 3_600);
      const minute = Math.floor(atS / 60) % 60;
      let count = (hours.below[hour] ?? 0) * perHour;
      if (hours.atOrAbove[hour] !== hour) return count;
      count += (minutes.below[minute] ?? 0) * seconds.size;
      if (minutes.atOrAbove[minute] === minute) count += seconds.below[atS % 60] ?? 0;
      return count;
    },
  };
}

/** The days that year, month, day of month and day of week name together. */
function matchingDays(fields: CronFields) {
  const years = new Set(fields.year.values);
  const months = new Set(fields.month.values);
  // A memo of the month in hand: a search mostly asks for the same month again.
  let memoKey = -1;
  let memoMask = 0;

  function monthMask(year: number, month: number): number {
    const key = year * 16 + month;
    if (key !== memoKey) {
      memoKey = key;
      memoMask = years.has(year) && months.has(month) ? dayMask(fields, year, month) : 0;
    }
    return memoMask;
  }

  return {
    /** The first matching day at or after `fromDay`. At most 1,560 months are looked at. */
    next(fromDay: number): number | undefined {
      const from = civilDate(fromDay);
      let mask = monthMask(from.year, from.month) & (-1 << (from.day - 1));
      for (let { year, month } = from; year <= YEAR_MAX; ) {
        // The lowest bit set is the first day.
        if (mask !== 0) return dayNumber(year, month, 32 - Math.clz32(mask & -mask));
        month += 1;
        if (month > 12) {
          month = 1;
          year += 1;
        }
        mask = monthMask(year, month);
      }
      return undefined;
    },
    /** Matching days in [1970-01-01, day). */
    countBefore(day: number): number {
      const end = civilDate(day);
      let count = 0;
      for (let year = YEAR_MIN; year <= Math.min(end.year, YEAR_MAX); year += 1) {
        if (!years.has(year)) continue;
        const lastMonth = year === end.year ? end.month : 12;
        for (let month = 1; month <= lastMonth; month += 1) {
          const whole = year < end.year || month < end.month;
          const mask = monthMask(year, month);
          count += bitCount(whole ? mask : mask & ~(-1 << (end.day - 1)));
        }
      }
      return count;
    },
  };
}

/** Bit d-1 is set where day d of the month matches: both day fields restricted -> either is enough. */
function dayMask(fields: CronFields, year: number, month: number): number {
  const length = monthLength(year, month);
  const all = length === 31 ? 0x7fffffff : (1 << length) - 1;
  const firstDay = weekday(dayNumber(year, month, 1));
  const { dayOfMonth, dayOfWeek } = fields;
  if (dayOfMonth.any && dayOfWeek.any) return all;
  const byDate = dayOfMonth.any ? 0 : dateMask(dayOfMonth, length, firstDay);
  const byWeekday = dayOfWeek.any ? 0 : weekdayMask(dayOfWeek, length, firstDay);
  return (byDate | byWeekday) & all;
}

function dateMask(field: Field, length: number, firstDay: number): number {
  let mask = 0;
  for (const day of field.values) mask |= 1 << (day - 1);
  if (field.lastDay) mask |= 1 << (length - 1);
  if (field.lastWeekday) mask |= 1 << (nearestWeekday(length, length, firstDay) - 1);
  for (const day of field.nearestWeekdays) {
    // A month without that day has none near it either: 31W names seven months, as 31 does.
    if (day <= length) mask |= 1 << (nearestWeekday(day, length, firstDay) - 1);
  }
  return mask;
}

/** The Monday-to-Friday day nearest to `day` that does not leave the month. */
function nearestWeekday(day: number, length: number, firstDay: number): number {
  const of = (firstDay + day - 1) % 7;
  if (of === 6) return day > 1 ? day - 1 : day + 2;
  if (of === 0) return day < length ? day + 1 : day - 2;
  return day;
}

function weekdayMask(field: Field, length: number, firstDay: number): number {
  let mask = 0;
  const firstOf = (day: number) => ((day - firstDay + 7) % 7) + 1;
  for (const day of field.values) {
    for (let date = firstOf(day); date <= length; date += 7) mask |= 1 << (date - 1);
  }
  for (const day of field.lastOfMonth) {
    mask |= 1 << (firstOf(day) + 7 * Math.floor((length - firstOf(day)) / 7) - 1);
  }
  for (const { weekday: day, nth } of field.nthOfMonth) {
    const date = firstOf(day) + 7 * (nth - 1);
    if (date <= length) mask |= 1 << (date - 1);
  }
  return mask;
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
