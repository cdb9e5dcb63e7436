/**
 * What every store must do, told once and run on PGlite and on real PostgreSQL (`*.test.ts` beside it): pools,
 * granting and the queue here, how allocs and workers end in `ending-conformance.ts`. All stories share one
 * database. Time is moved by the database's clock (`shiftClock`), never by waiting.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PoolSettings } from '../../src/contract/pools.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { contents } from './content-conformance.ts';
import { badInput, finishing, renewing, sweeping } from './ending-conformance.ts';
import { explaining } from './explain-conformance.ts';
import { expressing } from './express-conformance.ts';
import { placing, poolInput } from './placing-conformance.ts';
import { poolTtl } from './pool-ttl-conformance.ts';
import { createStage, freshPoolId, type Get, ids, type OpenForTest, type Stage, stageOn } from './stage.ts';

export function conformance(name: string, open: OpenForTest): void {
  describe(`store on ${name}`, () => {
    let store: DatabaseStore;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, close } = await open());
    });
    afterAll(() => close());
    const stage = (settings?: Partial<PoolSettings>) => createStage(store, settings);
    pools(() => store, stage);
    granting(() => store, stage);
    queueing(stage);
    finishing(() => store, stage);
    renewing(() => store, stage);
    sweeping(() => store, stage);
    badInput(() => store, stage);
    explaining(() => store);
    placing(() => store, stage);
    poolInput(() => store, stage);
    poolTtl(() => store, stage);
    contents(() => store, stage);
    expressing(() => store, stage);
  });
}

function pools(store: Get, stage: Stage): void {
  test('a pool is created once, read, listed, and not found where nobody made it', async () => {
    const { poolId } = await stage({ workerTtlMs: 4_000 });
    expect(await store().getPool(poolId)).toMatchObject({
      state: 'active',
      settings: { workerTtlMs: 4_000, replicaTtlMs: 60_000, allocTtlMs: 30_000, retryMax: 5 },
    });
    await expect(store().createPool(poolId)).rejects.toMatchObject({ code: 'PoolExists' });
    await expect(store().getPool('nowhere')).rejects.toMatchObject({ code: 'PoolNotExists' });
    expect(ids((await store().listPools()).items)).toContain(poolId);
  });

  test('evals may come before their pool and its workers, and are served when those come', async () => {
    const { allocate, worker, poolId } = stageOn(store(), freshPoolId());
    expect(await allocate(`${poolId}-early`)).toMatchObject({
      kind: 'waiting',
      reason: { kind: 'no-pool' },
      position: 1,
    });
    await expect(store().getPool(poolId)).rejects.toMatchObject({ code: 'PoolNotExists' });
    await expect(worker('w', 1)).rejects.toMatchObject({ code: 'PoolNotExists' });
    await store().createPool(poolId);
    expect(ids((await worker('w', 1)).grants)).toEqual([`${poolId}-early`]);
  });

  test('a disbanded pool refuses, names who waited until they withdraw, and lets running ones finish', async () => {
    const { allocate, granted, finish, worker, poolId } = await stage();
    await worker('w', 1);
    const running = await granted('d-running');
    await allocate('d-waits');
    for (const _ of ['once', 'and again after a lost reply']) {
      expect(ids((await store().disbandPool(poolId)).refused)).toEqual(['d-waits']);
    }
    expect(await allocate('d-late')).toEqual({ kind: 'refused', code: 'PoolDisbanded' });
    expect(await allocate('d-waits')).toEqual({ kind: 'refused', code: 'PoolDisbanded' });
    expect(await finish(running)).toEqual({ accepted: true, grants: [] });
    await store().finish({ poolId, evalId: 'd-waits', release: 'withdrawn' });
    expect((await store().disbandPool(poolId)).refused).toEqual([]);
    await expect(worker('w2', 1)).rejects.toMatchObject({ code: 'PoolDisbanded' });
    expect((await store().disbandPool('never-made')).refused).toEqual([]);
  });

  test('listings are paged by key and hold at most 100', async () => {
    const { worker, poolId } = await stage();
    for (const n of [3, 1, 2]) await worker(`w${n}`, 1, { datasets: ['b', 'a'] });
    const first = await store().listWorkers(poolId, { limit: 2 });
    expect(ids(first.items)).toEqual(['w1', 'w2']);
    expect(first.items[0]?.datasets).toEqual(['a', 'b']);
    const second = await store().listWorkers(poolId, { limit: 2, cursor: first.nextCursor ?? '' });
    expect(ids(second.items)).toEqual(['w3']);
    expect(second.nextCursor).toBeUndefined();
    await expect(store().listWorkers(poolId, { limit: 101 })).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(store().listWorkers(poolId, { cursor: 'nonsense' })).rejects.toMatchObject({
      code: 'InvalidInput',
    });
  });
}

function granting(store: Get, stage: Stage): void {
  test('a grant names worker, queue, incarnation and epoch; asking again gives the same one', async () => {
    const { granted, worker, poolId, free } = await stage();
    await worker('w', 3);
    const first = await granted('g-1', { size: 2 });
    expect(first).toMatchObject({ poolId, workerId: 'w', incarnation: 'w-first', size: 2, target: 'resize' });
    expect(first).toMatchObject({ taskQueue: `pool/${poolId}/w`, invocationId: 'job/g-1' });
    expect(first.expiresAtMs - first.grantedAtMs).toBe(30_000);
    expect(await granted('g-1', { size: 2 })).toEqual(first);
    expect(await free('w')).toBe(1);
    expect((await granted('g-2')).epoch).toBeGreaterThan(first.epoch);
    expect((await store().listAllocs(poolId)).items[0]).toEqual(first);
  });

  test('requests made together share the capacity, and twins get one alloc', async () => {
    const { allocate, worker, free } = await stage();
    await worker('w', 2);
    const answers = await Promise.all(['t-a', 't-a', 't-b', 't-c'].map((id) => allocate(id)));
    expect(answers.map((answer) => answer.kind)).toEqual(['granted', 'granted', 'granted', 'waiting']);
    expect(answers[0]).toEqual(answers[1]);
    expect(await free('w')).toBe(0);
  });

  test('a required dataset is found only where it is; a preferred one is waited for, then done without', async () => {
    const { allocate, granted, worker, sweep } = await stage();
    await worker('cold', 1);
    const films = { id: 'films', mode: 'required', warmWaitMs: 0 } as const;
    const maps = { id: 'maps', mode: 'preferred', warmWaitMs: 5_000 } as const;
    expect(await allocate('s-1', { dataset: films })).toMatchObject({
      reason: { kind: 'no-worker-with-dataset', dataset: 'films' },
    });
    expect(await allocate('s-2', { dataset: maps })).toMatchObject({
      reason: { kind: 'warming', dataset: 'maps' },
    });
    expect(ids((await worker('warm', 1, { datasets: ['films'] })).grants)).toEqual(['s-1']);
    await store().shiftClock(5_000);
    const told = (await sweep()).grants.find((grant) => grant.id === 's-2');
    expect(told).toMatchObject({ workerId: 'cold', dataset: 'maps', warm: false });
    expect(await granted('s-1', { dataset: films })).toMatchObject({
      workerId: 'warm',
      dataset: 'films',
      warm: true,
    });
  });

  test('a request that lost more workers than the pool allows is refused, each time, and is not queued', async () => {
    const { allocate, granted, worker, waiting, free, poolId } = await stage({ retryMax: 2 });
    await worker('w', 2);
    await granted('m-1', { retry: 2 });
    for (const _ of ['once', 'and again after a lost reply']) {
      expect(await allocate('m-2', { retry: 3 })).toEqual({ kind: 'refused', code: 'TooManyLost' });
    }
    expect([await waiting(), await free('w')]).toEqual([[], 1]);
    await store().finish({ poolId, evalId: 'm-2', release: 'withdrawn' });
    expect(await allocate('m-2', { retry: 3 })).toEqual({ kind: 'refused', code: 'TooManyLost' });
    const [refused, beside] = await Promise.all([allocate('m-3', { retry: 9 }), allocate('m-4')]);
    expect([refused.kind, beside.kind]).toEqual(['refused', 'granted']);
  });

  test('a pool that nobody has made allows the default of lost workers', async () => {
    const { allocate, waiting, poolId } = stageOn(store(), freshPoolId());
    expect(await allocate(`${poolId}-5`, { retry: 5 })).toMatchObject({ kind: 'waiting' });
    expect(await allocate(`${poolId}-6`, { retry: 6 })).toEqual({ kind: 'refused', code: 'TooManyLost' });
    expect(await waiting()).toEqual([`${poolId}-5`]);
  });

  test('the worker whose capacity was lowered takes nothing until it fits', async () => {
    const { granted, allocate, finish, worker, free } = await stage();
    await worker('w', 3);
    const [a, b] = [await granted('c-1'), await granted('c-2')];
    await worker('w', 1);
    expect(await free('w')).toBe(-1);
    expect(await allocate('c-3')).toMatchObject({ kind: 'waiting' });
    expect((await finish(a)).grants).toEqual([]);
    expect(ids((await finish(b)).grants)).toEqual(['c-3']);
  });
}

function queueing(stage: Stage): void {
  test('the queue is served by priority, then age, and tells reason and position', async () => {
    const { granted, allocate, finish, worker, waiting } = await stage();
    await worker('w', 1);
    const running = await granted('q-0');
    expect(await allocate('q-1')).toEqual({
      kind: 'waiting',
      reason: { kind: 'no-free-capacity', largestFree: 0 },
      position: 1,
    });
    expect(await allocate('q-2')).toMatchObject({ position: 2 });
    expect(await allocate('q-3', { priority: 9 })).toMatchObject({ position: 1 });
    expect(await allocate('q-2')).toMatchObject({ kind: 'waiting', position: 3 });
    expect(await waiting()).toEqual(['q-3', 'q-1', 'q-2']);
    const { grants } = await finish(running);
    expect(ids(grants)).toEqual(['q-3']);
  });

  test('a request that can never fit blocks nobody and says why', async () => {
    const { allocate, granted, worker } = await stage();
    await worker('w', 2);
    expect(await allocate('n-1', { size: 3, priority: 9 })).toMatchObject({
      reason: { kind: 'larger-than-any-worker', largest: 2 },
    });
    expect(await allocate('n-2', { target: 'sing', priority: 9 })).toMatchObject({
      reason: { kind: 'no-worker-with-target', target: 'sing' },
    });
    expect(await granted('n-3')).toMatchObject({ workerId: 'w' });
  });

  test('small ones pass a big one, but only until it has waited long enough', async () => {
    const { allocate, granted, finish, worker } = await stage({ reserveAfterMs: 0 });
    await worker('w', 2);
    const running = await granted('r-1');
    expect(await allocate('r-big', { size: 2 })).toMatchObject({ kind: 'waiting' });
    expect(await allocate('r-small')).toMatchObject({ reason: { kind: 'reserved', forEval: 'r-big' } });
    expect(ids((await finish(running)).grants)).toEqual(['r-big']);
  });
}
