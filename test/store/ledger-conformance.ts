/**
 * The ledger's and runs' part of what every store must do; run beside `conformance.ts`.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LedgerRow } from '../../src/contract/ledger.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { type OpenForTest, runRecord } from './stage.ts';

const row = (scheduleId: string, atMs: number, more: Partial<LedgerRow> = {}): LedgerRow => ({
  scheduleId,
  creation: '1',
  key: new Date(atMs).toISOString(),
  kind: 'fire',
  outcome: 'started',
  fromMs: atMs,
  toMs: atMs,
  count: 1,
  decidedAtMs: atMs + 5,
  ...more,
});

export function ledgerConformance(name: string, open: OpenForTest): void {
  describe(`ledger on ${name}`, () => {
    let store: DatabaseStore;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, close } = await open());
    });
    afterAll(() => close());

    test('a row is written once and stays as it was', async () => {
      const first = row('nightly', 1_000, { reason: 'on time' });
      expect(await store.writeLedger([first, row('nightly', 2_000)])).toBe(2);
      expect(await store.writeLedger([{ ...first, reason: 'rewritten' }, row('nightly', 3_000)])).toBe(1);
      expect(await store.writeLedger([])).toBe(0);
      const { items } = await store.listFires({ scheduleId: 'nightly' });
      expect(items.map((fire) => fire.fromMs)).toEqual([3_000, 2_000, 1_000]);
      expect(items[2]).toEqual({ ...first, recordedAtMs: expect.any(Number) });
    });

    test('what was skipped by a try that was lost has started after all; never the other way round', async () => {
      const skipped = row('retried', 1_000, {
        outcome: 'skipped-overlap',
        blockedBy: 'b',
        reason: 'it goes',
      });
      const started = row('retried', 1_000, { invocationId: 'i', decidedAtMs: 1_500 });
      await store.writeLedger([skipped]);
      expect(await store.writeLedger([started, skipped])).toBe(1);
      expect(await store.writeLedger([skipped])).toBe(0);
      const { items } = await store.listFires({ scheduleId: 'retried' });
      expect(items).toEqual([{ ...started, recordedAtMs: expect.any(Number) }]);
    });

    test('a re-created schedule has rows of its own', async () => {
      const old = row('reborn', 1_000);
      expect(await store.writeLedger([old, { ...old, creation: '2' }])).toBe(2);
    });

    test('fires carry the record of their run once it is over', async () => {
      const invocationId = 'schedule/joined/1970-01-01T00:00:01Z';
      await store.writeLedger([row('joined', 1_000, { invocationId })]);
      expect((await store.listFires({ scheduleId: 'joined' })).items[0]?.run).toBeUndefined();
      const run = runRecord(invocationId, { scheduleId: 'joined', result: { files: 3 } });
      await store.finish({ poolId: 'default', release: 'finished', run });
      expect((await store.listFires({ scheduleId: 'joined' })).items[0]?.run).toEqual(run);
      expect((await store.listRuns({ scheduleId: 'joined' })).items).toEqual([run]);
      expect((await store.listRuns({ scheduleId: 'joined', status: 'failed' })).items).toEqual([]);
    });

    test('fires are filtered and paged, newest first, without gap or repetition', async () => {
      const rows = Array.from({ length: 250 }, (_, n) =>
        row('paged', 1_000 * Math.floor(n / 2), {
          key: `k${n}`,
          outcome: n % 5 === 0 ? 'missed' : 'started',
        }),
      );
      expect(await store.writeLedger(rows)).toBe(250);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.listFires({ scheduleId: 'paged' }, cursor === undefined ? {} : { cursor });
        expect(page.items.length).toBeLessThanOrEqual(100);
        seen.push(...page.items.map((fire) => fire.key));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      expect(seen).toHaveLength(250);
      expect(new Set(seen)).toEqual(new Set(rows.map((r) => r.key)));
      const some = await store.listFires({
        scheduleId: 'paged',
        fromMs: 10_000,
        untilMs: 20_000,
        outcome: 'missed',
      });
      expect(some.items.map((fire) => fire.key)).toEqual(['k35', 'k30', 'k25', 'k20']);
    });

    test('an outcome is looked for over all schedules by an index that started rows cost nothing', async () => {
      await store.writeLedger([
        row('rare', 1_000),
        row('rare', 2_000, { outcome: 'dropped', reason: 'too many' }),
        row('rarer', 3_000, { outcome: 'dropped' }),
      ]);
      const { items } = await store.listFires({ outcome: 'dropped' });
      expect(items.map((fire) => fire.scheduleId)).toEqual(['rarer', 'rare']);
      const plan = await sql<{ 'QUERY PLAN': string }>`
        EXPLAIN SELECT * FROM ${store.database.t.ledger} WHERE outcome = ${sql.lit('dropped')}
        ORDER BY to_ms DESC, schedule_id, creation, key LIMIT 100`.execute(store.database.db);
      expect(plan.rows.map((line) => line['QUERY PLAN']).join('\n')).toMatch(/ledger_of_outcome/);
    });

    test('runs are paged by their ends, newest first', async () => {
      for (const n of [1, 2, 3]) {
        const run = runRecord(`job/page-${n}`, { jobId: 'page', endedAtMs: 1_000 * Math.ceil(n / 2) });
        await store.finish({ poolId: 'default', release: 'finished', run });
      }
      const first = await store.listRuns({ jobId: 'page' }, { limit: 2 });
      expect(first.items.map((run) => run.invocationId)).toEqual(['job/page-3', 'job/page-1']);
      const second = await store.listRuns({ jobId: 'page' }, { limit: 2, cursor: first.nextCursor ?? '' });
      expect(second.items.map((run) => run.invocationId)).toEqual(['job/page-2']);
      expect(second.nextCursor).toBeUndefined();
    });

    test('it is healthy', async () => {
      expect(await store.healthy()).toBe(true);
    });
  });
}
