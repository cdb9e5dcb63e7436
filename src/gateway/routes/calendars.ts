/**
 * Named calendars over REST: put, read, list, delete, and who uses them. Registered by `app.ts`; all rules are the
 * store's. Promise: whoever uses a calendar is told before the answer to its change is given; the answer names those who
 * could not be told, and putting it again tells them.
 */
import { createRoute, z } from '@hono/zod-openapi';
import {
  calendarSchema,
  calendarUserSchema,
  deleteCalendarAnswerSchema,
  putCalendarAnswerSchema,
  putCalendarSchema,
} from '../../contract/calendar-schemas.ts';
import { idSchema, pageSchema } from '../../contract/gateway.ts';
import type { Store } from '../../store/store.ts';
import {
  type GatewayApp,
  json,
  jsonBody,
  needs,
  pageOf,
  pageQuery,
  present,
  problemAnswer,
} from '../routing.ts';

/** How the schedules that use calendars are reached. */
export interface CalendarUsers {
  /** Tells each that the calendar has changed. `gone`: there is no such schedule; `failed`: it could not be told. */
  tell(
    change: { readonly calendarId: string; readonly revision: number },
    scheduleIds: readonly string[],
  ): Promise<{ readonly gone: readonly string[]; readonly failed: readonly string[] }>;
  /** Those that are no more. */
  gone(scheduleIds: readonly string[]): Promise<readonly string[]>;
}

interface CalendarDeps {
  readonly store: Store;
  /** Absent: nobody is told. */
  readonly calendarUsers?: CalendarUsers | undefined;
}

const params = z.object({ calendarId: idSchema('calendar') });
const page = z.strictObject(pageQuery);
const forced = z.strictObject({
  force: z
    .enum(['true', 'false'])
    .optional()
    .openapi({ description: 'Also where schedules use it: they go on as if it were empty.' }),
});

const listCalendars = createRoute({
  method: 'get',
  path: '/v1/calendars',
  operationId: 'listCalendars',
  middleware: needs('read'),
  request: { query: page },
  responses: { 200: json(pageSchema(calendarSchema), 'Calendars by id.'), default: problemAnswer },
});

const getCalendar = createRoute({
  method: 'get',
  path: '/v1/calendars/{calendarId}',
  operationId: 'getCalendar',
  middleware: needs('read'),
  request: { params },
  responses: { 200: json(calendarSchema, 'The calendar.'), default: problemAnswer },
});

const putCalendar = createRoute({
  method: 'put',
  path: '/v1/calendars/{calendarId}',
  operationId: 'putCalendar',
  description: 'Makes or changes it, and tells the schedules that use it.',
  middleware: needs('operate'),
  request: { params, body: jsonBody(putCalendarSchema) },
  responses: { 200: json(putCalendarAnswerSchema, 'The calendar as it is now.'), default: problemAnswer },
});

const deleteCalendar = createRoute({
  method: 'delete',
  path: '/v1/calendars/{calendarId}',
  operationId: 'deleteCalendar',
  description: 'Refused while schedules use it, unless forced. An absent calendar is a success.',
  middleware: needs('operate'),
  request: { params, query: forced },
  responses: { 200: json(deleteCalendarAnswerSchema, 'It is gone.'), default: problemAnswer },
});

const listCalendarUsers = createRoute({
  method: 'get',
  path: '/v1/calendars/{calendarId}/schedules',
  operationId: 'listCalendarUsers',
  middleware: needs('read'),
  request: { params, query: page },
  responses: {
    200: json(pageSchema(calendarUserSchema), 'The schedules that leave it out.'),
    default: problemAnswer,
  },
});

export function addCalendarRoutes(app: GatewayApp, deps: CalendarDeps): void {
  const { store } = deps;
  app.openapi(listCalendars, async (c) =>
    c.json(await store.listCalendars(pageOf(c.req.valid('query'))), 200),
  );
  app.openapi(getCalendar, async (c) =>
    c.json(await store.getCalendar(c.req.valid('param').calendarId), 200),
  );
  app.openapi(putCalendar, async (c) => {
    const { revision, ...content } = c.req.valid('json');
    const { calendarId } = c.req.valid('param');
    const options = revision === undefined ? {} : { revision };
    const calendar = await store.putCalendar(calendarId, present(content), options);
    return c.json({ ...calendar, ...(await tellUsers(deps, calendarId, calendar.revision)) }, 200);
  });
  app.openapi(deleteCalendar, async (c) => {
    const { calendarId } = c.req.valid('param');
    const force = c.req.valid('query').force === 'true';
    if (!force) await forgetGone(deps, calendarId);
    await store.deleteCalendar(calendarId, { force });
    // Without it they have other times; 0 is no revision that a calendar ever has.
    return c.json(await tellUsers(deps, calendarId, 0), 200);
  });
  app.openapi(listCalendarUsers, async (c) => {
    const { calendarId } = c.req.valid('param');
    const { items, ...more } = await store.listCalendarUsers(calendarId, pageOf(c.req.valid('query')));
    return c.json({ items: items.map((scheduleId) => ({ scheduleId })), ...more }, 200);
  });
}

async function tellUsers({ store, calendarUsers }: CalendarDeps, calendarId: string, revision: number) {
  let told = 0;
  const untold: string[] = [];
  for await (const scheduleIds of usersOf(store, calendarId)) {
    const nobody = { gone: [], failed: scheduleIds };
    const { gone, failed } = (await calendarUsers?.tell({ calendarId, revision }, scheduleIds)) ?? nobody;
    for (const scheduleId of gone) await store.setCalendarUses(scheduleId, []);
    told += scheduleIds.length - gone.length - failed.length;
    untold.push(...failed);
  }
  return { told, untold };
}

/** Nobody says when a schedule is deleted, so that is looked up where it matters. */
async function forgetGone({ store, calendarUsers }: CalendarDeps, calendarId: string): Promise<void> {
  for await (const scheduleIds of usersOf(store, calendarId)) {
    const gone = (await calendarUsers?.gone(scheduleIds)) ?? [];
    for (const scheduleId of gone) await store.setCalendarUses(scheduleId, []);
  }
}

/** Pages of users; a use that is removed meanwhile changes nothing, as pages go by key. */
async function* usersOf(store: Store, calendarId: string): AsyncGenerator<readonly string[]> {
  let cursor: string | undefined;
  do {
    const { items, nextCursor } = await store.listCalendarUsers(calendarId, pageOf({ cursor }));
    if (items.length > 0) yield items;
    cursor = nextCursor;
  } while (cursor !== undefined);
}
