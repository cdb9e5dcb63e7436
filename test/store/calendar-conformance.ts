/** What every store must do with named calendars; run on PGlite and on real PostgreSQL (`*.test.ts` beside it). */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import type { OpenForTest } from './stage.ts';

export function calendarConformance(name: string, open: OpenForTest): void {
  describe(`calendars on ${name}`, () => {
    let store: Store;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, close } = await open());
    });
    afterAll(() => close());
    const fresh = () => `calendar-${randomUUID()}`;

    test('is put, read back, and changed with a revision that grows', async () => {
      const id = fresh();
      const made = await store.putCalendar(id, { dates: ['2026-12-25'] });
      expect(made).toMatchObject({ id, revision: 1, dates: ['2026-12-25'] });
      const changed = await store.putCalendar(id, {
        dates: ['--12-25'],
        expressions: ['* * * * sun'],
        timeZone: 'Europe/Berlin',
      });
      expect(changed.revision).toBe(2);
      expect(await store.getCalendar(id)).toEqual(changed);
      expect(changed).toMatchObject({ expressions: ['* * * * sun'], timeZone: 'Europe/Berlin' });
    });

    test('what is there already is left as it is, whatever revision is asked for', async () => {
      const id = fresh();
      const made = await store.putCalendar(id, { dates: ['--12-25'], timeZone: 'UTC' }, { revision: 0 });
      const again = { timeZone: 'UTC', expressions: [], dates: ['--12-25'] };
      expect(await store.putCalendar(id, again, { revision: 0 })).toEqual(made);
    });

    test('a revision that is out of date is a conflict that tells the present one', async () => {
      const id = fresh();
      await expect(store.putCalendar(id, { dates: [] }, { revision: 3 })).rejects.toMatchObject({
        code: 'RevisionConflict',
        details: { calendarId: id, revision: 0 },
      });
      await store.putCalendar(id, { dates: [] });
      await store.putCalendar(id, { dates: ['2026-01-01'] }, { revision: 1 });
      await expect(store.putCalendar(id, { dates: ['2026-01-02'] }, { revision: 1 })).rejects.toMatchObject({
        code: 'RevisionConflict',
        details: { revision: 2 },
      });
    });

    test('of those who put at once with the same revision one wins', async () => {
      const id = fresh();
      for (const revision of [0, 1]) {
        const puts = [1, 2, 3, 4].map((day) =>
          store.putCalendar(id, { dates: [`202${revision}-01-0${day}`] }, { revision }),
        );
        const settled = await Promise.allSettled(puts);
        expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        expect((await store.getCalendar(id)).revision).toBe(revision + 1);
      }
    });

    test('several are read at once, those that are missing left out, and listed by pages', async () => {
      const ids = [fresh(), fresh()].sort();
      for (const id of ids) await store.putCalendar(id, { dates: [] });
      const found = await store.getCalendars([...ids, fresh()]);
      expect(found.map(({ id }) => id)).toEqual(ids);
      expect(await store.getCalendars([])).toEqual([]);
      const first = await store.listCalendars({ limit: 1 });
      expect(first.items).toHaveLength(1);
      const second = await store.listCalendars({ cursor: first.nextCursor ?? '' });
      expect(second.items.map(({ id }) => id)).not.toContain(first.items[0]?.id);
      await expect(store.getCalendar(fresh())).rejects.toMatchObject({ code: 'CalendarNotExists' });
    });

    test.each(['a\u0000', 'a\ud800'])('the id %j is refused, wherever it is given', async (id) => {
      const refused = { code: 'InvalidInput', issues: [{ path: 'id' }] };
      const put = () => store.putCalendar(id, { dates: [] });
      const all = () => store.getCalendars([fresh(), id]);
      const [get, remove, users] = [store.getCalendar, store.deleteCalendar, store.listCalendarUsers];
      for (const ask of [put, all, get, remove, users]) await expect(ask(id)).rejects.toMatchObject(refused);
    });

    test('one that schedules use is deleted only by force, and its users stay known', async () => {
      const id = fresh();
      const [one, two] = [fresh(), fresh()].sort();
      await store.putCalendar(id, { dates: [] });
      for (const schedule of [one, two]) await store.setCalendarUses(schedule ?? '', [id, 'other']);
      await expect(store.deleteCalendar(id)).rejects.toMatchObject({
        code: 'CalendarInUse',
        details: { scheduleIds: [one, two] },
      });
      await store.setCalendarUses(one ?? '', ['other']);
      expect((await store.listCalendarUsers(id)).items).toEqual([two]);
      await store.deleteCalendar(id, { force: true });
      await expect(store.getCalendar(id)).rejects.toMatchObject({ code: 'CalendarNotExists' });
      expect((await store.listCalendarUsers(id)).items).toEqual([two]);
      await store.deleteCalendar(id);
    });

    test('once nobody uses it any more it goes', async () => {
      const [id, schedule] = [fresh(), fresh()];
      await store.putCalendar(id, { dates: [] });
      await store.setCalendarUses(schedule, [id, id]);
      await store.setCalendarUses(schedule, []);
      await store.deleteCalendar(id);
      await expect(store.getCalendar(id)).rejects.toMatchObject({ code: 'CalendarNotExists' });
    });

    test('what it cannot hold is refused with every date and expression at fault', async () => {
      const wrong = { dates: ['2026-02-30', '--12-25', 'soon'], expressions: ['every 5m'] };
      await expect(store.putCalendar(fresh(), wrong)).rejects.toMatchObject({
        code: 'InvalidInput',
        issues: [{ path: 'dates[0]' }, { path: 'dates[2]' }, { path: 'expressions[0]' }],
      });
      const many = { dates: Array<string>(10_001).fill('2026-01-01') };
      await expect(store.putCalendar('a/b', many)).rejects.toMatchObject({
        issues: [{ path: 'id' }, { path: 'dates' }],
      });
    });
  });
}
