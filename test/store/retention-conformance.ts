/**
 * The retention rule's part of what every store must do; run beside `conformance.ts`, on a store of its own, as time passes
 * here by months.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScheduleRef } from '../../src/contract/invocation.ts';
import type { LedgerRow } from '../../src/contract/ledger.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createStage, type OpenForTest, runRecord } from './stage.ts';

const DAY_MS = 24 * 3_600_000;
const KEPT_MS = 90 * DAY_MS;

export function retentionConformance(name: string, open: OpenForTest): void {
  describe(`retention on ${name}`, () => {
    let store: DatabaseStore;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, close } = await open());
    });
    afterAll(() => close());

    /** Both clocks: a row's due time is the scheduler's, its recording the database's. */
    let nowMs = Date.now();
    async function daysPass(days: number): Promise<void> {
      nowMs += days * DAY_MS;
      await store.shiftClock(days * DAY_MS);
    }
    const row = (key: string, dueAtMs = nowMs): LedgerRow => ({
      ...{ scheduleId: 'kept', creation: '1', key, kind: 'fire', outcome: 'started' },
      ...{ fromMs: dueAtMs, toMs: dueAtMs, count: 1, decidedAtMs: nowMs },
    });
    const ends = (invocationId: string) =>
      store.finish({
        ...{ poolId: 'default', release: 'finished' },
        run: runRecord(invocationId, { scheduleId: 'kept', endedAtMs: nowMs }),
        deadLetter: { invocationId, reason: 'gave up', attempts: 1, input: null, atMs: nowMs },
      });
    const keys = async () =>
      (await store.listFires({ scheduleId: 'kept' })).items.map((fire) => fire.key).sort();
    const runs = async () => (await store.listRuns({ scheduleId: 'kept' })).items.map((r) => r.invocationId);

    test('rows and runs go when their time is over and not before; dead letters stay', async () => {
      await store.writeLedger([row('old')]);
      await ends('old-run');
      await daysPass(60);
      // Due long ago, as of a backfill, but recorded today.
      await store.writeLedger([row('new'), row('backfilled', nowMs - 300 * DAY_MS)]);
      await ends('new-run');
      await daysPass(29);
      expect(await store.removeExpired(KEPT_MS)).toEqual({ fires: 0, runs: 0, more: false });
      await daysPass(2);
      expect(await store.removeExpired(KEPT_MS)).toEqual({ fires: 1, runs: 1, more: false });
      expect(await keys()).toEqual(['backfilled', 'new']);
      expect(await runs()).toEqual(['new-run']);
      await daysPass(60);
      expect(await store.removeExpired(KEPT_MS)).toEqual({ fires: 2, runs: 1, more: false });
      expect(await keys()).toEqual([]);
      const letters = (await store.listDeadLetters()).items.map((letter) => letter.invocationId);
      expect(letters).toEqual(['new-run', 'old-run']);
    });

    test('how long runs took is forgotten with the last of them, and only then', async () => {
      const stage = await createStage(store);
      await stage.worker('w1', 10, { targets: ['old', 'alive'] });
      const run = async (target: string, id: string) => stage.finish(await stage.granted(id, { target }));
      const targets = async () => {
        const { db, t } = store.database;
        const { rows } = await sql<{ target: string }>`
          SELECT DISTINCT target FROM ${t.run_times} WHERE pool_id = ${stage.poolId} ORDER BY 1`.execute(db);
        return rows.map(({ target }) => target);
      };
      await run('old', 'a');
      await run('alive', 'b');
      expect(await targets()).toEqual(['alive', 'old']);
      for (const week of Array.from({ length: 14 }, (_, n) => n)) {
        await store.removeExpired(KEPT_MS);
        await daysPass(7);
        await stage.worker(`w-${week}`, 10, { targets: ['old', 'alive'] });
        await run('alive', `of-week-${week}`);
      }
      await store.removeExpired(KEPT_MS);
      expect(await targets()).toEqual(['alive']);
    });

    test('what the next run is told stays while its schedule does, and goes with it once it is past its time', async () => {
      const refs = ['a', 'b', 'c'].map((scheduleId) => ({ scheduleId, creation: '1' }));
      const [a, b, c] = refs as [ScheduleRef, ScheduleRef, ScheduleRef];
      const succeeds = (schedule: ScheduleRef, id: string) =>
        store.finish({
          ...{ poolId: 'default', release: 'finished', succeeded: { ...schedule, windowToMs: nowMs } },
          run: runRecord(id, { scheduleId: schedule.scheduleId, endedAtMs: nowMs, result: id }),
        });
      for (const schedule of refs) await succeeds(schedule, `first of ${schedule.scheduleId}`);
      await daysPass(89);
      expect((await store.listQuietSchedules(KEPT_MS)).items).toEqual([]);
      expect(await store.forgetSchedules(refs, KEPT_MS)).toBe(0);
      await daysPass(2);
      await store.removeExpired(KEPT_MS);
      const first = await store.listQuietSchedules(KEPT_MS, { limit: 2 });
      expect(first.items).toEqual([a, b]);
      const cursor = first.nextCursor ?? '';
      expect((await store.listQuietSchedules(KEPT_MS, { limit: 2, cursor })).items).toEqual([c]);
      // One that runs again meanwhile is not forgotten.
      await succeeds(c, 'second of c');
      expect(await store.forgetSchedules([a, c, { ...b, creation: '2' }], KEPT_MS)).toBe(1);
      expect(await store.readPast(a)).toEqual({});
      expect((await store.readPast(b)).lastResult).toMatchObject({ result: 'first of b' });
      expect((await store.readPast(c)).lastResult).toMatchObject({ result: 'second of c' });
    });

    test('a great many go in batches, and callers side by side remove each row once', async () => {
      const many = Array.from({ length: 2_300 }, (_, n) => row(`many-${n}`, nowMs + n));
      await store.writeLedger(many);
      await daysPass(91);
      expect(await store.removeExpired(KEPT_MS)).toMatchObject({ fires: 1_000, more: true });
      const both = await Promise.all([store.removeExpired(KEPT_MS), store.removeExpired(KEPT_MS)]);
      const removed = both.reduce((sum, { fires }) => sum + fires, 0);
      for (let left = 1_300 - removed; left > 0; ) left -= (await store.removeExpired(KEPT_MS)).fires;
      expect(await keys()).toEqual([]);
    });
  });
}
