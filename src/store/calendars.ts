/**
 * Named calendars, and which schedules leave them out. Called by `create-store.ts`.
 * Promise: a calendar's revision grows by one with every change, putting what is there already changes nothing, and one
 * that is used goes only where that is asked for.
 */
import { sql, type Transaction } from 'kysely';
import {
  CALENDAR_DATES_MAX,
  CALENDAR_EXPRESSIONS_MAX,
  type Calendar,
  type CalendarContent,
} from '../contract/calendars.ts';
import { EscapementError, InvalidInputError, type InputIssue, NotExistsError } from '../contract/errors.ts';
import { idProblem } from '../contract/ids.ts';
import { readCalendar } from '../core/cron/exclusion.ts';
import { findZone } from '../core/cron/zone.ts';
import { PAGE_LIMIT_MAX } from '../core/limits.ts';
import { checkCalendarIds } from './check.ts';
import { limitOf, pageOf, readCursor } from './cursor.ts';
import type { Database } from './database.ts';
import { json } from './rows.ts';
import type { Page, PageRequest } from './store.ts';
import type { CalendarRow, Tables } from './tables.ts';

/** The part of the store that holds calendars. */
export interface CalendarStore {
  /**
   * Makes or changes a calendar. What is there already, word for word, is left as it is, so that calling again is safe.
   * @param options.revision refused unless the calendar is at it; 0: unless there is none
   * @throws InvalidInputError; EscapementError `RevisionConflict` with the present revision in its details
   */
  putCalendar(
    id: string,
    content: CalendarContent,
    options?: { readonly revision?: number },
  ): Promise<Calendar>;
  /** @throws NotExistsError (CalendarNotExists) */
  getCalendar(id: string): Promise<Calendar>;
  /** Those of the ids that are there. */
  getCalendars(ids: readonly string[]): Promise<readonly Calendar[]>;
  listCalendars(page?: PageRequest): Promise<Page<Calendar>>;
  /**
   * Absent succeeds.
   * @param options.force also where schedules use it: they go on as if it were empty
   * @throws EscapementError `CalendarInUse` with the first `scheduleIds` in its details
   */
  deleteCalendar(id: string, options?: { readonly force?: boolean }): Promise<void>;
  /** Ids of the schedules that leave it out, in their order. */
  listCalendarUsers(id: string, page?: PageRequest): Promise<Page<string>>;
  /** Notes which calendars a schedule leaves out, in place of what was noted before. */
  setCalendarUses(scheduleId: string, calendarIds: readonly string[]): Promise<void>;
}

export function calendarMethods(database: Database): CalendarStore {
  return {
    putCalendar: (id, content, options) => putCalendar(database, id, content, options),
    async getCalendar(id) {
      checkCalendarIds(id);
      return getCalendar(database, id);
    },
    async getCalendars(ids) {
      checkCalendarIds(...ids);
      return getCalendars(database, ids);
    },
    listCalendars: (page) => listCalendars(database, page),
    async deleteCalendar(id, options) {
      checkCalendarIds(id);
      return deleteCalendar(database, id, options);
    },
    async listCalendarUsers(id, page) {
      checkCalendarIds(id);
      return listCalendarUsers(database, id, page);
    },
    setCalendarUses: (scheduleId, calendarIds) => setCalendarUses(database, scheduleId, calendarIds),
  };
}

async function putCalendar(
  database: Database,
  id: string,
  given: CalendarContent,
  { revision }: { readonly revision?: number } = {},
): Promise<Calendar> {
  const content = checked(id, given);
  const put = () =>
    database.transaction(async (trx) => {
      const present = await lockedRow(trx, id);
      if (present !== undefined && json(present.content) === json(content)) return present;
      if (revision !== undefined && revision !== (present?.revision ?? 0)) {
        throw conflict(id, revision, present?.revision ?? 0);
      }
      const changed_at_ms = sql<number>`${database.t.now}`;
      if (present === undefined) {
        return trx
          .insertInto('calendars')
          .values({ id, revision: 1, content: json(content), changed_at_ms })
          .onConflict((on) => on.doNothing())
          .returningAll()
          .executeTakeFirst();
      }
      return trx
        .updateTable('calendars')
        .set({ revision: present.revision + 1, content: json(content), changed_at_ms })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirst();
    });
  // Another may have made it between the look and the insertion: then there is a row to lock.
  return calendarOf((await put()) ?? (await put()) ?? unreachable(id));
}

function unreachable(id: string): never {
  throw new Error(`calendar "${id}" is neither there nor absent`);
}

function lockedRow(trx: Transaction<Tables>, id: string): Promise<CalendarRow | undefined> {
  return trx.selectFrom('calendars').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
}

async function getCalendar({ db }: Database, id: string): Promise<Calendar> {
  const row = await db.selectFrom('calendars').selectAll().where('id', '=', id).executeTakeFirst();
  if (row !== undefined) return calendarOf(row);
  throw new NotExistsError('CalendarNotExists', `calendar "${id}" does not exist: put it first`, {
    calendarId: id,
  });
}

async function getCalendars({ db }: Database, ids: readonly string[]): Promise<readonly Calendar[]> {
  if (ids.length === 0) return [];
  const rows = await db.selectFrom('calendars').selectAll().where('id', 'in', ids).orderBy('id').execute();
  return rows.map(calendarOf);
}

async function listCalendars({ db }: Database, page?: PageRequest): Promise<Page<Calendar>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['string']);
  let query = db.selectFrom('calendars').selectAll();
  if (after !== undefined) query = query.where('id', '>', after[0]);
  const rows = await query
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, calendarOf, (row) => [row.id]);
}

async function deleteCalendar(
  database: Database,
  id: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<void> {
  await database.transaction(async (trx) => {
    if ((await lockedRow(trx, id)) === undefined) return;
    const users = await trx
      .selectFrom('calendar_uses')
      .select('schedule_id')
      .where('calendar_id', '=', id)
      .orderBy('schedule_id')
      .limit(PAGE_LIMIT_MAX + 1)
      .execute();
    const scheduleIds = users.map((user) => user.schedule_id);
    if (scheduleIds.length > 0 && !force) throw inUse(id, scheduleIds);
    await trx.deleteFrom('calendars').where('id', '=', id).execute();
  });
}

async function listCalendarUsers({ db }: Database, id: string, page?: PageRequest): Promise<Page<string>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['string']);
  let query = db.selectFrom('calendar_uses').select('schedule_id').where('calendar_id', '=', id);
  if (after !== undefined) query = query.where('schedule_id', '>', after[0]);
  const rows = await query
    .orderBy('schedule_id')
    .limit(limit + 1)
    .execute();
  return pageOf(
    rows,
    limit,
    (row) => row.schedule_id,
    (row) => [row.schedule_id],
  );
}

async function setCalendarUses(
  database: Database,
  scheduleId: string,
  calendarIds: readonly string[],
): Promise<void> {
  const ids = [...new Set(calendarIds)].sort();
  await database.transaction(async (trx) => {
    let others = trx.deleteFrom('calendar_uses').where('schedule_id', '=', scheduleId);
    if (ids.length > 0) others = others.where('calendar_id', 'not in', ids);
    await others.execute();
    if (ids.length === 0) return;
    await trx
      .insertInto('calendar_uses')
      .values(ids.map((id) => ({ calendar_id: id, schedule_id: scheduleId })))
      .onConflict((on) => on.doNothing())
      .execute();
  });
}

function calendarOf({ id, revision, content, changed_at_ms: changedAtMs }: CalendarRow): Calendar {
  return { id, revision, changedAtMs, ...contentOf(content) };
}

/** Always the same fields in the same order, so that two contents can be compared as text. */
function contentOf({ dates, expressions = [], timeZone }: CalendarContent): CalendarContent {
  return {
    dates,
    ...(expressions.length > 0 && { expressions }),
    ...(timeZone !== undefined && { timeZone }),
  };
}

/** @throws InvalidInputError that names every date and expression at fault */
function checked(id: string, content: CalendarContent): CalendarContent {
  const issues: InputIssue[] = [];
  const problem = idProblem('calendar', id);
  if (problem !== undefined) issues.push({ path: 'id', message: problem });
  const bounds = { dates: CALENDAR_DATES_MAX, expressions: CALENDAR_EXPRESSIONS_MAX };
  for (const path of ['dates', 'expressions'] as const) {
    const given = content[path]?.length ?? 0;
    if (given <= bounds[path]) continue;
    issues.push({ path, message: `there are ${given}, at most ${bounds[path]}: use stretches and ranges` });
  }
  const zone = findZone('UTC');
  const read = issues.length > 0 || zone === undefined ? undefined : readCalendar(content, zone);
  if (read?.ok === false) issues.push(...read.issues);
  if (issues.length > 0) throw new InvalidInputError(`calendar "${id}"`, issues);
  return contentOf(content);
}

function conflict(id: string, wanted: number, revision: number): EscapementError {
  const present = revision === 0 ? 'there is none' : `it is at revision ${revision}`;
  return new EscapementError(
    'RevisionConflict',
    `calendar "${id}" is not at revision ${wanted}: ${present}; look at it and decide again`,
    { calendarId: id, revision },
  );
}

function inUse(id: string, users: readonly string[]): EscapementError {
  const scheduleIds = users.slice(0, PAGE_LIMIT_MAX);
  const more = users.length > scheduleIds.length ? ' and more' : '';
  return new EscapementError(
    'CalendarInUse',
    `calendar "${id}" is used by the schedules ${scheduleIds.map((user) => `"${user}"`).join(', ')}${more}: change them first, or force it`,
    { calendarId: id, scheduleIds },
  );
}
