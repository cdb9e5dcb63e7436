/** Explanations, told for every store: why one waits and until when, why it went where it went, and what is kept of it. */
import { describe, expect, test } from 'vitest';
import { createStage, type Get, ids, runRecord, stageOn } from './stage.ts';

export function explaining(store: Get): void {
  const stage = (settings = {}) => createStage(store(), settings);

  describe('an eval', () => {
    test('that was granted tells why its worker, and still does when it is over', async () => {
      const { worker, granted, finish, poolId } = await stage();
      await worker('large', 9);
      await worker('small', 3);
      await worker('tiny', 1);
      await worker('other', 9, { targets: ['sing'] });
      const alloc = await granted(`job/${poolId}#1.0`, { size: 2 });
      const placement = {
        left: 1,
        lost: { 'less-good-fit': 1, 'too-small': 1, 'no-target': 1 },
        nearest: [
          { workerId: 'large', by: 'less-good-fit', free: 9 },
          { workerId: 'tiny', by: 'too-small', free: 1 },
          { workerId: 'other', by: 'no-target', free: 9 },
        ],
      };
      const story = { workerId: 'small', waited: [], placement, grantedAtMs: alloc.grantedAtMs };
      expect(await store().explainEval(alloc.id)).toMatchObject({ state: 'granted', alloc, story });
      await finish(alloc);
      expect(await store().explainEval(alloc.id)).toMatchObject({
        state: 'ended',
        story: { ...story, release: 'finished', poolId },
      });
    });

    test('that waits tells its place, the reason of now and of before, and why not each worker', async () => {
      const { worker, allocate, granted, poolId } = await stage();
      const [first, second] = [`job/${poolId}-a#1.0`, `job/${poolId}-b#1.0`];
      await allocate(first, { size: 2 });
      await allocate(second, { size: 2, priority: 1 });
      await worker('w', 3);
      await worker('drained', 9);
      await store().drainWorker(poolId, 'drained');
      expect(await store().explainEval(second)).toMatchObject({ state: 'granted' });
      // One of higher priority came before it, and then there was room on the other worker.
      const found = await store().explainEval(first);
      const waited = [
        { reason: { kind: 'no-workers' } },
        { reason: { kind: 'no-free-capacity', largestFree: 1 } },
      ];
      expect(found).toMatchObject({ state: 'granted', story: { workerId: 'drained', waited } });
      const third = `job/${poolId}-c#1.0`;
      await granted(`job/${poolId}-d#1.0`);
      await allocate(third, { size: 3 });
      expect(await store().explainEval(third)).toMatchObject({
        state: 'waiting',
        waiting: {
          position: 1,
          reason: { kind: 'no-free-capacity', largestFree: 0 },
          estimate: { kind: 'unknown', why: 'no-past-runs', targets: ['resize'] },
        },
        lost: { full: 1, draining: 1 },
      });
    });

    test('that nobody knows is told so', async () => {
      for (const id of ['job/nobody#1.0', 'job/0#1.0', "job/'; DROP TABLE evals#1.0", 'x']) {
        await expect(store().explainEval(id)).rejects.toMatchObject({ code: 'EvalNotExists' });
      }
    });
  });

  test('a queue is told with places, and with estimates once runs have ended', async () => {
    const { worker, allocate, granted, finish, poolId } = await stage();
    await worker('w', 1);
    for (const n of [1, 2, 3]) {
      const alloc = await granted(`job/${poolId}-past${n}#1.0`);
      await store().shiftClock(1_000);
      await finish(alloc);
      await stageOn(store(), poolId).renew('w');
    }
    await granted(`job/${poolId}-runs#1.0`);
    await allocate(`job/${poolId}-b#1.0`);
    await allocate(`job/${poolId}-a#1.0`, { priority: 5 });
    const queue = await store().explainQueue(poolId);
    expect(ids(queue)).toEqual([`job/${poolId}-a#1.0`, `job/${poolId}-b#1.0`]);
    expect(queue.map(({ position }) => position)).toEqual([1, 2]);
    const [first, second] = queue.map(({ estimate }) => estimate);
    if (first?.kind !== 'estimate' || second?.kind !== 'estimate') throw new Error('no estimate');
    expect(first).toMatchObject({ runs: 3, withoutRuns: [] });
    expect(second.medianAtMs).toBeGreaterThan(first.medianAtMs);
    await expect(store().explainQueue('nowhere')).rejects.toMatchObject({ code: 'PoolNotExists' });
  });

  describe('an invocation', () => {
    test('is told by its evals, lost ones too, for as long as its record is kept', async () => {
      const { worker, granted, finish, renew, allocate, poolId, sweep } = await stage({ allocTtlMs: 10_000 });
      await worker('w', 2);
      const invocationId = `job/${poolId}`;
      const lost = await granted(`${invocationId}#1.0`);
      await finish(lost, { release: 'lost' });
      await renew('w');
      const expired = await granted(`${invocationId}#1.1`);
      await renew('w', [expired]);
      await store().shiftClock(10_000);
      await renew('w');
      await sweep();
      const last = await granted(`${invocationId}#2.0`);
      // The same beginning, another invocation.
      await allocate(`${invocationId}#9#1.0`, { size: 2 });
      const stories = await store().explainInvocation(invocationId);
      expect(stories.map(({ evalId, state, release }) => [evalId, state, release])).toEqual([
        [`${invocationId}#1.0`, 'ended', 'lost'],
        [`${invocationId}#1.1`, 'ended', 'expired'],
        [`${invocationId}#2.0`, 'granted', undefined],
      ]);
      await finish(last, { run: runRecord(invocationId, { poolId }) });
      // A day later only the record is left.
      await store().shiftClock(25 * 3_600_000);
      await worker('w', 2);
      await sweep();
      const kept = await store().explainInvocation(invocationId);
      expect(kept.map(({ release, workerId }) => [release, workerId])).toEqual([
        ['lost', 'w'],
        ['expired', 'w'],
        ['finished', 'w'],
      ]);
      expect(kept[2]).toMatchObject({ placement: { left: 1 }, grantedAtMs: last.grantedAtMs });
      expect(await store().explainEval(`${invocationId}#1.1`)).toMatchObject({
        state: 'ended',
        story: kept[1],
      });
      expect(await store().explainInvocation(`${invocationId}-of-nobody`)).toEqual([]);
    });

    test('whose alloc expired may ask again under the same name; a stale holder is refused all the same', async () => {
      const { worker, granted, finish, renew, poolId, sweep } = await stage({ allocTtlMs: 10_000 });
      await worker('w', 1);
      const id = `job/${poolId}#1.0`;
      const first = await granted(id);
      await renew('w', [first]);
      await store().shiftClock(10_000);
      await renew('w');
      await sweep();
      expect(await finish(first)).toMatchObject({ accepted: false });
      const second = await granted(id);
      expect(second.epoch).toBeGreaterThan(first.epoch);
      expect(await finish(second)).toMatchObject({ accepted: true });
      expect(await finish(second)).toMatchObject({ accepted: true });
      expect(await finish(first)).toMatchObject({ accepted: false });
    });
  });

  test('the lengths of runs are counted, and the older ones weigh less in the end', async () => {
    const { worker, granted, finish, poolId, sweep } = await stage();
    await worker('w', 1);
    const { db } = store().database;
    const times = () =>
      db.selectFrom('run_times').select(['target', 'bucket', 'runs']).where('pool_id', '=', poolId).execute();
    const alloc = await granted(`job/${poolId}#1.0`);
    await store().shiftClock(1_024);
    await finish(alloc);
    const [counted] = await times();
    expect(counted).toMatchObject({ target: 'resize', runs: 1 });
    // 2^10 ms, or a little later.
    expect(counted?.bucket).toBeGreaterThanOrEqual(40);
    expect(counted?.bucket).toBeLessThanOrEqual(48);
    await finish(await granted(`job/${poolId}#1.1`), { release: 'cancelled' });
    expect(await times()).toHaveLength(1);
    await db.updateTable('run_times').set({ runs: 2_001 }).where('pool_id', '=', poolId).execute();
    await sweep();
    expect(await times()).toMatchObject([{ runs: 1_000 }]);
  });
}
