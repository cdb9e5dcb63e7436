/** `escapement calendar put|list|describe|delete`: speaks to the gateway only. */
import type { Calendar, CalendarContent, CalendarTold } from '../contract/calendars.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { isRecord } from '../contract/message-shape.ts';
import { card, print, section, shortInstant, table, warn } from './output.ts';
import { defined } from './run-flags.ts';
import { collect, type GlobalOptions, openGateway } from './session.ts';
import { readDocument } from './system-file.ts';

export type PutCalendarOptions = GlobalOptions & {
  readonly file?: string;
  readonly dates?: readonly string[];
  readonly cron?: readonly string[];
  readonly timeZone?: string;
  readonly revision?: number;
};

/** Calendars and schedules shown: more is for the REST interface. */
const SHOWN_MAX = 1_000;
const DATES_SHOWN_MAX = 20;

export async function putCalendar(id: string, options: PutCalendarOptions): Promise<void> {
  const content = contentOf(id, options);
  const gateway = await openGateway(options);
  const calendar = await gateway.putCalendar(id, content, { revision: options.revision });
  warnOfUntold(id, calendar);
  const text = `calendar "${id}" is at revision ${calendar.revision}; ${toldText(calendar)}`;
  print({ json: calendar, text }, options);
}

export async function listCalendars(options: GlobalOptions): Promise<void> {
  const gateway = await openGateway(options);
  const calendars = await collect((page) => gateway.listCalendars(page), SHOWN_MAX);
  const rows = calendars.map(({ id, revision, dates, expressions = [], timeZone, changedAtMs }) => [
    id,
    revision,
    dates.length,
    expressions.length,
    timeZone ?? "the schedule's",
    shortInstant(changedAtMs),
  ]);
  const head = ['calendar', 'revision', 'dates', 'expressions', 'zone', 'changed (UTC)'];
  print({ json: calendars, text: await table(head, rows, 'no calendars') }, options);
}

export async function describeCalendar(id: string, options: GlobalOptions): Promise<void> {
  const gateway = await openGateway(options);
  const calendar = await gateway.getCalendar(id);
  const users = await collect((page) => gateway.listCalendarUsers(id, page), SHOWN_MAX);
  const scheduleIds = users.map(({ scheduleId }) => scheduleId);
  print({ json: { ...calendar, scheduleIds }, text: calendarText(calendar, scheduleIds) }, options);
}

export async function deleteCalendar(
  id: string,
  options: GlobalOptions & { readonly force?: boolean },
): Promise<void> {
  const gateway = await openGateway(options);
  const answer = await gateway.deleteCalendar(id, { force: options.force });
  warnOfUntold(id, answer);
  const told = answer.told > 0 ? `; ${toldText(answer)}` : '';
  print({ json: { id, ...answer }, text: `calendar "${id}" deleted${told}` }, options);
}

function toldText({ told }: CalendarTold): string {
  if (told === 0) return 'no schedule uses it';
  return `${told} ${told === 1 ? 'schedule that uses it was' : 'schedules that use it were'} told`;
}

function warnOfUntold(id: string, { untold }: CalendarTold): void {
  if (untold.length === 0) return;
  const names = untold.map((scheduleId) => `"${scheduleId}"`).join(', ');
  warn('warning', [
    `these schedules use calendar "${id}" and could not be told: ${names}; put it again to tell them`,
  ]);
}

/** A file says the whole of it, or flags do. @throws InvalidInputError */
function contentOf(id: string, options: PutCalendarOptions): CalendarContent {
  const subject = `calendar "${id}"`;
  const { file, dates, cron, timeZone } = options;
  const flags = defined({ dates, expressions: cron, timeZone });
  if (file === undefined) {
    if (dates !== undefined || cron !== undefined) return { dates: [], ...flags };
    const message =
      'is missing: say which days, such as --dates 2026-12-25 --dates=--01-01, or give a --file';
    throw new InvalidInputError(subject, [{ path: '--dates', message }]);
  }
  if (flags !== undefined) {
    const message = 'says the whole calendar: write dates, expressions and timeZone into it';
    throw new InvalidInputError(subject, [{ path: '--file', message }]);
  }
  const document = readDocument(file);
  // The gateway checks it; a list alone is its dates.
  if (Array.isArray(document)) return { dates: document as readonly string[] };
  if (isRecord(document)) return document as unknown as CalendarContent;
  const message = 'must hold a list of dates, or dates, expressions and timeZone';
  throw new InvalidInputError(file, [{ path: '', message }]);
}

function calendarText(calendar: Calendar, scheduleIds: readonly string[]): string {
  const { id, revision, dates, expressions = [], timeZone, changedAtMs } = calendar;
  const shown = dates.slice(0, DATES_SHOWN_MAX);
  if (dates.length > shown.length) shown.push(`and ${dates.length - shown.length} more`);
  const entries: readonly (readonly [string, string])[] = [
    ['zone', timeZone ?? "the schedule's"],
    ['changed', shortInstant(changedAtMs)],
  ];
  return [
    `calendar "${id}" is at revision ${revision}\n\n${card(entries)}`,
    section('dates', shown),
    section('expressions', expressions),
    section('schedules that leave it out', scheduleIds.length === 0 ? ['none'] : scheduleIds),
  ].join('');
}
