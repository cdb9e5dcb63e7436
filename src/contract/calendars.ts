/**
 * Named calendars: days and times that many schedules leave out, kept in one place and changed there. Types only, but for
 * their bounds, so that workflows may import it.
 */

/** What a person writes of a calendar, and what the core reads. */
export interface CalendarContent {
  /** `2026-12-25`, `2026-12-24/2027-01-06` (both ends within), `--12-25` (every year); each covers whole days. */
  readonly dates: readonly string[];
  /** Cron expressions; one without a field of seconds covers whole minutes. */
  readonly expressions?: readonly string[];
  /** The clock that dates and expressions are read on. Default: that of each schedule. */
  readonly timeZone?: string;
}

export interface Calendar extends CalendarContent {
  readonly id: string;
  /** 1 at first, one more with each change. */
  readonly revision: number;
  readonly changedAtMs: number;
}

/** Who of the schedules that use a calendar knows of its change. */
export interface CalendarTold {
  readonly told: number;
  /** Ids; putting the calendar again tells them. */
  readonly untold: readonly string[];
}

/** Dates of one calendar: 130 KB as JSON, which one request to the gateway holds. */
export const CALENDAR_DATES_MAX = 10_000;
/** Expressions of one calendar; each is asked for every next time of every schedule that uses it. */
export const CALENDAR_EXPRESSIONS_MAX = 50;
/** Calendars that one schedule leaves out. */
export const CALENDARS_PER_SCHEDULE_MAX = 20;
