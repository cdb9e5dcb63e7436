/** Which worker, which pool, and what nobody can ask for; told for every store. */
import { describe, expect, test } from 'vitest';
import type { EvalRequest } from '../../src/contract/pools.ts';
import { DATASETS_PER_WORKER_MAX } from '../../src/core/limits.ts';
import { type Get, ids, type Stage } from './stage.ts';

export function placing(store: Get, stage: Stage): void {
  test('the best fit is taken, and in a pool that spreads the widest', async () => {
    const packs = await stage();
    const spreads = await stage({ strategy: 'spread' });
    for (const { worker } of [packs, spreads]) {
      await worker('large', 9);
      await worker('small', 2);
    }
    expect(await packs.granted('f-1')).toMatchObject({ workerId: 'small' });
    expect(await spreads.granted('f-1')).toMatchObject({ workerId: 'large' });
    expect((await store().getPool(spreads.poolId)).settings.strategy).toBe('spread');
  });

  test('only a worker that offers the target is taken; another one waits for it', async () => {
    const { worker, granted, allocate } = await stage();
    await worker('sings', 9, { targets: ['sing'] });
    await worker('resizes', 1);
    expect(await granted('t-1')).toMatchObject({ workerId: 'resizes' });
    expect(await allocate('t-2')).toMatchObject({ reason: { kind: 'no-free-capacity' } });
    // It registers again with one target more.
    const { grants } = await worker('sings', 9, { targets: ['sing', 'resize'] });
    expect(grants).toMatchObject([{ id: 't-2', workerId: 'sings' }]);
  });

  test('a drained pool grants nothing, lets what runs finish, and goes on when that is taken back', async () => {
    const { worker, granted, allocate, finish, poolId, waiting } = await stage();
    await worker('w', 2);
    const running = await granted('p-1');
    await store().drainPool(poolId);
    await store().drainPool(poolId);
    expect((await store().getPool(poolId)).state).toBe('draining');
    expect(await allocate('p-2')).toMatchObject({ kind: 'waiting', reason: { kind: 'draining' } });
    expect(await finish(running)).toEqual({ accepted: true, grants: [] });
    expect(ids((await worker('w2', 2)).grants)).toEqual([]);
    expect(await store().explainEval('p-2')).toMatchObject({
      waiting: { reason: { kind: 'draining' }, estimate: { why: 'nobody-could' } },
    });
    expect(ids((await store().drainPool(poolId, { off: true })).grants)).toEqual(['p-2']);
    expect(await waiting()).toEqual([]);
  });

  test('a pool that is not there, or is disbanded, is not drained', async () => {
    const { poolId } = await stage();
    await expect(store().drainPool('never-was')).rejects.toMatchObject({ code: 'PoolNotExists' });
    await store().disbandPool(poolId);
    await expect(store().drainPool(poolId)).rejects.toMatchObject({ code: 'PoolDisbanded' });
    await expect(store().drainPool(poolId, { off: true })).rejects.toMatchObject({ code: 'PoolDisbanded' });
  });

  test('the sweep names who waits for a disbanded pool until they have withdrawn', async () => {
    const { allocate, poolId, sweep } = await stage();
    await allocate('s-1');
    expect((await sweep()).refused).toEqual([]);
    await store().disbandPool(poolId);
    expect(ids((await sweep()).refused)).toEqual(['s-1']);
    await store().finish({ poolId, evalId: 's-1', release: 'withdrawn' });
    expect((await sweep()).refused).toEqual([]);
  });

  test('the sweep has those looked up that were not heard of, in turn and a few at a time', async () => {
    const { allocate, sweep } = await stage();
    const all = Array.from({ length: 30 }, (_, n) => `u-${n}`);
    for (const id of all) await allocate(id);
    expect((await sweep()).unheard).toEqual([]);
    await store().shiftClock(5_000);
    const first = (await sweep()).unheard;
    const second = (await sweep()).unheard;
    expect([first.length, second.length]).toEqual([20, 10]);
    expect(ids([...first, ...second]).sort()).toEqual(all.toSorted());
    expect((await sweep()).unheard).toEqual([]);
    await store().shiftClock(5_000);
    expect(ids((await sweep()).unheard)).toHaveLength(20);
  });
}

export function poolInput(store: Get, stage: Stage): void {
  const maps = { id: 'maps', mode: 'preferred', warmWaitMs: 1_000 } as const;
  describe('what cannot be asked for is refused with its field, and changes nothing', () => {
    test.each<[string, Partial<EvalRequest>, string]>([
      ['a size of 0', { size: 0 }, 'size'],
      ['a negative size', { size: -1 }, 'size'],
      ['half a unit', { size: 1.5 }, 'size'],
      ['a size that is no number', { size: Number.NaN }, 'size'],
      ['a size beyond all bounds', { size: 1e9 }, 'size'],
      ['a priority beyond all bounds', { priority: 1e12 }, 'priority'],
      ['a negative retry', { retry: -1 }, 'retry'],
      ['no target', { target: '' }, 'target'],
      ['a negative wait', { dataset: { id: 'd', mode: 'preferred', warmWaitMs: -1 } }, 'dataset.warmWaitMs'],
      [
        'a way to want it that there is not',
        { dataset: { ...maps, mode: 'bogus' as never } },
        'dataset.mode',
      ],
      ['no way to want it', { dataset: { ...maps, mode: undefined as never } }, 'dataset.mode'],
      ['a dataset without a name', { dataset: { id: '', mode: 'required', warmWaitMs: 0 } }, 'dataset.id'],
    ])('%s', async (_what, wrong, path) => {
      const { worker, allocate, waiting, free } = await stage();
      await worker('w', 3);
      const message = expect.stringMatching(/must|character/);
      await expect(allocate('x', wrong)).rejects.toMatchObject({
        code: 'InvalidInput',
        issues: [{ path, message }],
      });
      expect(await waiting()).toEqual([]);
      expect(await free('w')).toBe(3);
    });

    test.each([-1, 1.5, Number.NaN, 1e9])('a capacity of %d', async (capacity) => {
      const { worker, free } = await stage();
      await worker('w', 3);
      await expect(worker('w', capacity)).rejects.toMatchObject({ issues: [{ path: 'capacity' }] });
      expect(await free('w')).toBe(3);
    });

    test('a thousand datasets are held, one more is too many', async () => {
      const { worker, granted, poolId } = await stage();
      const datasets = Array.from({ length: DATASETS_PER_WORKER_MAX }, (_, n) => `d${n}`);
      await worker('w', 3, { datasets });
      const last = { id: `d${DATASETS_PER_WORKER_MAX - 1}`, mode: 'required' as const, warmWaitMs: 0 };
      expect(await granted('d-1', { dataset: last })).toMatchObject({ warm: true });
      await expect(worker('w', 3, { datasets: [...datasets, 'more'] })).rejects.toMatchObject({
        issues: [{ path: 'datasets', message: expect.stringContaining('at most 1000') }],
      });
      expect((await store().listWorkers(poolId)).items[0]?.datasets).toHaveLength(DATASETS_PER_WORKER_MAX);
    });

    test('a strategy that there is not', async () => {
      const wrong = { strategy: 'sideways' as 'spread' };
      await expect(store().createPool('sideways', wrong)).rejects.toMatchObject({
        issues: [{ path: 'strategy' }],
      });
      await expect(store().getPool('sideways')).rejects.toMatchObject({ code: 'PoolNotExists' });
    });

    test.each(['a\u0000', 'a\ud800', 'a/b', ''])('the pool id %j, wherever it is given', async (id) => {
      const refused = { code: 'InvalidInput', issues: [{ path: 'id' }] };
      const { createPool, getPool, disbandPool, drainPool, sweepPool, ...others } = store();
      const { listWorkers, listAllocs, listWaiting, explainQueue } = others;
      const taken = [createPool, getPool, disbandPool, drainPool, sweepPool];
      for (const ask of [...taken, listWorkers, listAllocs, listWaiting, explainQueue])
        await expect(ask(id)).rejects.toMatchObject(refused);
    });

    test('a cursor that holds what no page has ended with', async () => {
      const cursor = Buffer.from(JSON.stringify(['a\u0000'])).toString('base64url');
      const refused = { code: 'InvalidInput', issues: [{ path: 'cursor' }] };
      await expect(store().listPools({ cursor })).rejects.toMatchObject(refused);
    });

    test.each(['\u0000', 'half\ud800', 'a/b', ' lead', '', 'x'.repeat(201), 'new\nline'])(
      'the worker id %j',
      async (id) => {
        const { worker, poolId } = await stage();
        const refused = { code: 'InvalidInput', issues: [{ path: 'workerId' }] };
        await expect(worker(id, 1, { incarnation: 'i', taskQueue: 'q' })).rejects.toMatchObject(refused);
        await expect(store().renewWorker(poolId, id, 'i', [])).rejects.toMatchObject(refused);
        await expect(store().drainWorker(poolId, id)).rejects.toMatchObject(refused);
        await expect(store().removeWorker(poolId, id)).rejects.toMatchObject(refused);
      },
    );
  });

  test.each(["o'clock; DROP TABLE", '100% größe 計算', '#1.0', '{"a":1}', '$1', '..'])(
    'the odd but possible id %j names a worker, a dataset and an eval',
    async (odd) => {
      const { worker, granted, finish, poolId } = await stage();
      await worker(odd, 1, { datasets: [odd], targets: [odd] });
      const dataset = { id: odd, mode: 'required' as const, warmWaitMs: 0 };
      const alloc = await granted(`job/${odd}#1.0`, { target: odd, dataset, invocationId: `job/${odd}` });
      expect(alloc).toMatchObject({ workerId: odd, dataset: odd, warm: true });
      expect(ids((await store().listAllocs(poolId)).items)).toEqual([alloc.id]);
      await finish(alloc);
      expect((await store().explainInvocation(`job/${odd}`)).at(-1)).toMatchObject({ workerId: odd });
    },
  );

  test('renewing what expired says that it is not there, and what to do', async () => {
    const { worker, renew, poolId } = await stage({ workerTtlMs: 5_000 });
    await worker('w', 1);
    await store().shiftClock(5_000);
    const told = expect.stringMatching(/"w" of pool .* has expired .*: register it again/);
    await expect(renew('w')).rejects.toMatchObject({ code: 'WorkerNotExists', message: told });
    expect((await store().listWorkers(poolId)).items).toEqual([]);
    await worker('w', 1);
    expect(await renew('w')).toMatchObject({ lease: { state: 'active' } });
  });

  test('a worker of another pool is not there, and what runs elsewhere is not its own', async () => {
    const [here, there] = [await stage(), await stage()];
    await here.worker('w', 1);
    await there.worker('v', 1);
    const alloc = await there.granted('o-1');
    await expect(there.renew('w')).rejects.toMatchObject({ code: 'WorkerNotExists' });
    await expect(store().drainWorker(there.poolId, 'w')).rejects.toMatchObject({ code: 'WorkerNotExists' });
    expect(await store().removeWorker(there.poolId, 'w')).toEqual({ grants: [] });
    expect((await here.renew('w', [alloc])).lease.held).toEqual([]);
    expect(await here.finish(alloc)).toMatchObject({ accepted: false });
    expect((await there.renew('v', [alloc])).lease.held).toHaveLength(1);
    const wrong = [{ ...alloc, epoch: 1.5 }];
    await expect(there.renew('v', wrong)).rejects.toMatchObject({ issues: [{ path: 'running[0].epoch' }] });
  });
}
