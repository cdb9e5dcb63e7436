/** What a schedule's next run is told of those before it: what every store must keep of successes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScheduleRef } from '../../src/contract/invocation.ts';
import type { RunRecord } from '../../src/contract/ledger.ts';
import { LAST_RESULT_BYTES_MAX } from '../../src/core/limits.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createStage, type OpenForTest, runRecord } from './stage.ts';

export function windowsConformance(name: string, open: OpenForTest): void {
  describe(`the window contract on ${name}`, () => {
    let opened: Awaited<ReturnType<OpenForTest>>;
    let store: DatabaseStore;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(() => opened?.close());

    let count = 0;
    const fresh = (): ScheduleRef => ({ scheduleId: `s${++count}`, creation: 'first' });
    /** A run of it that took no capacity and succeeded. */
    const succeed = (schedule: ScheduleRef, windowToMs: number | undefined, run: Partial<RunRecord> = {}) =>
      store.finish({
        poolId: 'default',
        release: 'finished',
        run: runRecord(`schedule/${schedule.scheduleId}/${++count}`, run),
        succeeded: { ...schedule, ...(windowToMs !== undefined && { windowToMs }) },
      });

    test('of a schedule without a success nothing is known', async () => {
      expect(await store.readPast(fresh())).toEqual({});
    });

    test('the end of the window only grows, in whatever order runs end', async () => {
      const schedule = fresh();
      for (const [toMs, furthest] of [
        [200, 200],
        [100, 200],
        [300, 300],
      ] as const) {
        await succeed(schedule, toMs);
        expect((await store.readPast(schedule)).windowToMs).toBe(furthest);
      }
    });

    test('a success that moves no window leaves its result, and the window where it is', async () => {
      const schedule = fresh();
      await succeed(schedule, undefined, { result: 'by hand' });
      const { windowToMs, lastResult } = await store.readPast(schedule);
      expect([windowToMs, lastResult?.result]).toEqual([undefined, 'by hand']);
      await succeed(schedule, 100, { result: 'planned' });
      await succeed(schedule, undefined, { result: 'by hand again' });
      expect(await store.readPast(schedule)).toMatchObject({
        windowToMs: 100,
        lastResult: { result: 'by hand again' },
      });
    });

    test('the result kept is that of the run that ended last', async () => {
      const schedule = fresh();
      await succeed(schedule, 100, { result: { n: 1 }, endedAtMs: 5_000 });
      await succeed(schedule, 200, { result: { n: 2 }, endedAtMs: 4_000 });
      expect(await store.readPast(schedule)).toMatchObject({
        windowToMs: 200,
        lastResult: { result: { n: 1 }, endedAtMs: 5_000 },
      });
      await succeed(schedule, 300, { endedAtMs: 6_000 });
      const { lastResult } = await store.readPast(schedule);
      expect(lastResult).toEqual({ invocationId: lastResult?.invocationId, endedAtMs: 6_000 });
    });

    test('a result too large to be handed on is told to be so; one that is just small enough is kept', async () => {
      const schedule = fresh();
      const fits = 'x'.repeat(LAST_RESULT_BYTES_MAX - 2);
      await succeed(schedule, 100, { result: fits });
      expect((await store.readPast(schedule)).lastResult).toMatchObject({ result: fits });
      await succeed(schedule, 200, { result: `${fits}x` });
      const { lastResult } = await store.readPast(schedule);
      expect(lastResult).toMatchObject({ tooLarge: true });
      expect(lastResult).not.toHaveProperty('result');
    });

    test('another creation of the same schedule begins anew', async () => {
      const schedule = fresh();
      await succeed(schedule, 100);
      expect(await store.readPast({ ...schedule, creation: 'second' })).toEqual({});
    });

    test('only a result that counts moves it: a stale holder does not, nor does a repeated finish', async () => {
      const schedule = fresh();
      const { granted, worker, finish } = await createStage(store);
      await worker('w', 1);
      const alloc = await granted(`${schedule.scheduleId}-e`);
      const run = runRecord(`schedule/${schedule.scheduleId}/x`);
      const ended = (windowToMs: number) => ({ run, succeeded: { ...schedule, windowToMs } });
      expect(await finish({ ...alloc, epoch: alloc.epoch - 1 }, ended(900))).toMatchObject({
        accepted: false,
      });
      expect(await store.readPast(schedule)).toEqual({});
      expect(await finish(alloc, ended(100))).toMatchObject({ accepted: true });
      expect(await finish(alloc, ended(800))).toMatchObject({ accepted: true });
      expect((await store.readPast(schedule)).windowToMs).toBe(100);
    });

    test('many that end in one batch are each counted', async () => {
      const [a, b] = [fresh(), fresh()];
      const { granted, worker, finish } = await createStage(store);
      await worker('w', 20);
      const allocs = await Promise.all(
        Array.from({ length: 20 }, (_, n) => granted(`${a.scheduleId}-batch-${n}`)),
      );
      await Promise.all(
        allocs.map((alloc, n) => {
          const schedule = n % 2 === 0 ? a : b;
          const run = runRecord(`schedule/${schedule.scheduleId}/batch-${n}`, {
            endedAtMs: 1_000 + n,
            result: n,
          });
          return finish(alloc, { run, succeeded: { ...schedule, windowToMs: 100 + n } });
        }),
      );
      expect(await store.readPast(a)).toMatchObject({ windowToMs: 118, lastResult: { result: 18 } });
      expect(await store.readPast(b)).toMatchObject({ windowToMs: 119, lastResult: { result: 19 } });
    });
  });
}
