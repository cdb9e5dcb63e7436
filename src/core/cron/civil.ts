/**
 * The Gregorian calendar as integer arithmetic: days since 1970-01-01 to year, month, day and back, and
 * wall times as seconds since 1970-01-01T00:00:00 of a clock on the wall (no zone attached).
 * Used by the other files of this folder. Pure, no `Date`: next times are asked for tens of thousands of times a second.
 */

/** Cron years end here (as in Quartz): a search never goes further. */
export const YEAR_MIN = 1970;
export const YEAR_MAX = 2099;
export const DAY_S = 86_400;
export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;

export interface CivilDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Days of a month (1-12). */
export function monthLength(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function yearStart(year: number): number {
  const y = year - 1;
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return 365 * (year - 1970) + leapDays - 477;
}

/** Days from 1970-01-01 to the date; the day may lie outside its month. */
export function dayNumber(year: number, month: number, day: number): number {
  const leap = month > 2 && isLeapYear(year) ? 1 : 0;
  return yearStart(year) + (DAYS_BEFORE_MONTH[month - 1] ?? 0) + leap + day - 1;
}

/** The date of a day number. */
export function civilDate(days: number): CivilDate {
  // The guess by mean length is off by one year at most, whichever side of a leap year the day lies.
  let year = 1970 + Math.floor(days / 365.2425);
  if (yearStart(year) > days) year -= 1;
  else if (yearStart(year + 1) <= days) year += 1;
  const inYear = days - yearStart(year);
  const leap = isLeapYear(year) ? 1 : 0;
  let month = Math.min(12, Math.floor(inYear / 29) + 1);
  while (inYear < (DAYS_BEFORE_MONTH[month - 1] ?? 0) + (month > 2 ? leap : 0)) month -= 1;
  return { year, month, day: inYear - (DAYS_BEFORE_MONTH[month - 1] ?? 0) - (month > 2 ? leap : 0) + 1 };
}

/** 0 = Sunday. 1970-01-01 was a Thursday. */
export function weekday(days: number): number {
  return (((days + 4) % 7) + 7) % 7;
}

/** `2026-03-08T02:30:00` of a wall time. */
export function wallText(wallS: number): string {
  const days = Math.floor(wallS / DAY_S);
  const { year, month, day } = civilDate(days);
  const inDay = wallS - days * DAY_S;
  const two = (n: number) => String(n).padStart(2, '0');
  const time = [Math.floor(inDay / 3_600), Math.floor(inDay / 60) % 60, inDay % 60].map(two).join(':');
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${time}`;
}

/**
 * Reads `2026-03-08T02:30:00` (also `2026-03-08T02:30` and `2026-03-08`) as a wall time in seconds.
 * Undefined where the text has another form, a date that does not exist, or a year outside 1970-2099.
 */
export function parseWall(text: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12) return undefined;
  if (day < 1 || day > monthLength(year, month) || hour > 23 || minute > 59 || second > 59) return undefined;
  return dayNumber(year, month, day) * DAY_S + hour * 3_600 + minute * 60 + second;
}
