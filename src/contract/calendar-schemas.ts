/**
 * Calendars over REST as zod schemas: what the gateway accepts and answers. Beside `gateway.ts`, whose rules hold here:
 * requests are strict, answers are not; workflows never import it.
 */
import { z } from 'zod';
import { CALENDAR_DATES_MAX, CALENDAR_EXPRESSIONS_MAX } from './calendars.ts';

const DATE_TEXT_MAX = 100;
const EXPRESSION_TEXT_MAX = 1_000;

const content = {
  dates: z
    .array(z.string().max(DATE_TEXT_MAX))
    .max(CALENDAR_DATES_MAX)
    .readonly()
    .describe('`2026-12-25`, `2026-12-24/2027-01-06` (both ends within) or `--12-25` (every year).'),
  expressions: z
    .array(z.string().max(EXPRESSION_TEXT_MAX))
    .max(CALENDAR_EXPRESSIONS_MAX)
    .readonly()
    .optional()
    .describe('Cron expressions; one without a field of seconds covers whole minutes.'),
  timeZone: z.string().optional().describe('IANA name. Default: that of each schedule.'),
};

export const putCalendarSchema = z
  .strictObject({
    ...content,
    dates: content.dates.default([]),
    revision: z.int().min(0).optional().describe('Refused unless it is at it; 0: unless there is none.'),
  })
  .meta({ id: 'PutCalendar' });

export const calendarSchema = z
  .object({ id: z.string(), ...content, revision: z.number(), changedAtMs: z.number() })
  .meta({ id: 'Calendar' });

const told = {
  told: z.number().describe('Schedules that use it and were told.'),
  untold: z
    .array(z.string())
    .readonly()
    .describe('Ids of those that could not be told now: put it again, or they read it within a week.'),
};

export const putCalendarAnswerSchema = calendarSchema.extend(told).meta({ id: 'CalendarPut' });

export const deleteCalendarAnswerSchema = z.object(told).meta({ id: 'CalendarDeleted' });

export const calendarUserSchema = z.object({ scheduleId: z.string() }).meta({ id: 'CalendarUser' });
