/** Calendars over REST, in process and on a real store: what is refused, who is told, and what the client makes of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import { createGateway } from '../../src/gateway/app.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';

let store: Store;
let client: GatewayClient;
let id: string;
let told: { calendarId: string; revision: number; scheduleIds: readonly string[] }[];
/** Schedules that are no more, and those that cannot be reached. */
let gone: Set<string>;
let silent: Set<string>;

beforeAll(async () => {
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(() => store.close());
beforeEach(() => {
  [told, gone, silent] = [[], new Set(), new Set()];
  id = `calendar-${randomUUID()}`;
  const { app } = createGateway({
    store,
    onGrants: () => {},
    onWorkerRegistered: () => {},
    calendarUsers: {
      async tell(change, scheduleIds) {
        told.push({ ...change, scheduleIds });
        return {
          gone: scheduleIds.filter((schedule) => gone.has(schedule)),
          failed: scheduleIds.filter((schedule) => silent.has(schedule)),
        };
      },
      gone: async (scheduleIds) => scheduleIds.filter((schedule) => gone.has(schedule)),
    },
  });
  client = new GatewayClient({ url: 'http://127.0.0.1:1', fetch: (request) => app.fetch(request) });
});

test('a calendar is put, changed by revision, read, listed and deleted', async () => {
  const made = await client.putCalendar(id, { dates: ['--12-25'] }, { revision: 0 });
  expect(made).toMatchObject({ id, revision: 1, dates: ['--12-25'], told: 0, untold: [] });
  const content = { dates: [], expressions: ['* * * * sun'], timeZone: 'Europe/Berlin' };
  expect(await client.putCalendar(id, content, { revision: 1 })).toMatchObject({ revision: 2, ...content });
  await expect(client.putCalendar(id, { dates: [] }, { revision: 1 })).rejects.toMatchObject({
    code: 'RevisionConflict',
    details: { revision: 2 },
  });
  expect(await client.getCalendar(id)).toMatchObject({ id, revision: 2, ...content });
  expect((await client.listCalendars()).items.map((calendar) => calendar.id)).toContain(id);
  await client.deleteCalendar(id);
  await client.deleteCalendar(id);
  await expect(client.getCalendar(id)).rejects.toMatchObject({
    code: 'CalendarNotExists',
    name: 'NotExistsError',
  });
});

test('every date at fault is named', async () => {
  await expect(client.putCalendar(id, { dates: ['2026-02-30', 'soon'] })).rejects.toMatchObject({
    code: 'InvalidInput',
    issues: [{ path: 'dates[0]' }, { path: 'dates[1]' }],
  });
  await expect(
    client.putCalendar(id, { dates: [], timeZone: 'Mars/Olympus', expressions: ['every 5m'] }),
  ).rejects.toMatchObject({ issues: [{ path: 'timeZone' }] });
});

test('those who use it are told; who is gone is forgotten, who cannot be reached is named', async () => {
  await client.putCalendar(id, { dates: [] });
  for (const schedule of ['a', 'b', 'c']) await store.setCalendarUses(`${id}-${schedule}`, [id]);
  gone.add(`${id}-b`);
  silent.add(`${id}-c`);
  const put = await client.putCalendar(id, { dates: ['2026-12-25'] });
  expect(put).toMatchObject({ revision: 2, told: 1, untold: [`${id}-c`] });
  expect(told.at(-1)).toEqual({
    calendarId: id,
    revision: 2,
    scheduleIds: ['a', 'b', 'c'].map((schedule) => `${id}-${schedule}`),
  });
  // Once more tells them once more, and changes nothing.
  silent.clear();
  expect(await client.putCalendar(id, { dates: ['2026-12-25'] })).toMatchObject({ revision: 2, told: 2 });
  const users = await client.listCalendarUsers(id);
  expect(users.items).toEqual([{ scheduleId: `${id}-a` }, { scheduleId: `${id}-c` }]);
});

test('one in use is deleted only by force, and its users are told; those that are gone do not hold it', async () => {
  await client.putCalendar(id, { dates: [] });
  for (const schedule of ['a', 'b']) await store.setCalendarUses(`${id}-${schedule}`, [id]);
  gone.add(`${id}-b`);
  await expect(client.deleteCalendar(id)).rejects.toMatchObject({
    code: 'CalendarInUse',
    details: { scheduleIds: [`${id}-a`] },
  });
  expect(await client.deleteCalendar(id, { force: true })).toEqual({ told: 1, untold: [] });
  expect(told.at(-1)).toEqual({ calendarId: id, revision: 0, scheduleIds: [`${id}-a`] });
});
