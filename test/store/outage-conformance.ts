/**
 * What an outage of the gateways means for every store: nobody dies of a silence that was not theirs. On a database of
 * its own, as the gateways' sign of life is there for all pools. Called by the store's `*.test.ts`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SweepResult } from '../../src/store/store.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createStage, type OpenForTest } from './stage.ts';

const HOUR_MS = 3_600_000;
/** A third of the shortest TTL by default: how often the pool is swept. */
const PERIOD_MS = 5_000;

export function outageConformance(name: string, open: OpenForTest): void {
  describe(`gateways and the store on ${name}`, () => {
    let store: DatabaseStore;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, close } = await open());
    });
    afterAll(() => close());

    /** Sweeps go on for so long while no gateway lives. */
    async function silence(sweep: () => Promise<SweepResult>, forMs: number): Promise<SweepResult[]> {
      const all: SweepResult[] = [];
      for (let ms = 0; ms < forMs; ms += PERIOD_MS) {
        await store.shiftClock(PERIOD_MS, { gatewaysSilent: true });
        all.push(await sweep());
      }
      return all;
    }

    /** Sweeps until the worker has expired, each right after a gateway's sign of life. Answers how many it took. */
    async function sweepsUntilGone(sweep: () => Promise<SweepResult>, worker: string): Promise<number> {
      for (let n = 1; n <= 100; n += 1) {
        await store.shiftClock(PERIOD_MS);
        await store.gatewayAlive();
        if ((await sweep()).expiredWorkers.includes(worker)) return n;
      }
      throw new Error(`worker ${worker} never expired`);
    }

    // The first story: afterwards one has been seen.
    test('where no gateway has ever been seen, its absence is no outage', async () => {
      const { worker, sweep } = await createStage(store);
      await worker('w', 1);
      const swept = await silence(sweep, 4 * PERIOD_MS);
      expect(swept.flatMap((one) => one.expiredWorkers)).toEqual(['w']);
      expect(swept.map((one) => one.extendedByMs)).toEqual([0, 0, 0, 0]);
    });

    test('a pool of one worker that is swept all the time outlives an outage of the gateways', async () => {
      const { granted, renew, worker, sweep } = await createStage(store);
      await store.gatewayAlive();
      await worker('only', 1, { datasets: ['maps'] });
      const alloc = await granted('ga-1');
      await renew('only', [alloc]);
      await sweep();
      const swept = await silence(sweep, 120_000);
      expect(swept.flatMap((one) => [...one.expiredWorkers, ...one.expiredAllocs])).toEqual([]);
      expect(swept.every((one) => one.extendedByMs >= PERIOD_MS)).toBe(true);
      await store.gatewayAlive();
      expect((await renew('only', [alloc])).lease.held).toEqual([{ id: 'ga-1', epoch: alloc.epoch }]);
      expect((await store.listWorkers(alloc.poolId)).items).toMatchObject([{ datasets: ['maps'] }]);
    });

    test('what the gateways missed is given once, and to pools that were not swept meanwhile too', async () => {
      const [swept, unswept] = [await createStage(store), await createStage(store)];
      await store.gatewayAlive();
      for (const pool of [swept, unswept]) {
        await pool.worker('w', 1);
        await pool.sweep();
      }
      await silence(swept.sweep, 60_000);
      await store.gatewayAlive();
      // The gateway is back and its sign of life is not old: only what was kept of the silence tells of it.
      await unswept.renew('w');
      expect((await unswept.sweep()).extendedByMs).toBeGreaterThanOrEqual(60_000);
      await store.gatewayAlive();
      await swept.sweep();
      expect((await swept.sweep()).extendedByMs).toBeLessThan(60_000);
      expect((await unswept.sweep()).extendedByMs).toBeLessThan(60_000);
    });

    test('workers that are dead expire while a gateway lives, all of them as well as one', async () => {
      const { worker, sweep } = await createStage(store);
      await store.gatewayAlive();
      await worker('a', 1);
      await worker('b', 1);
      expect(await sweepsUntilGone(sweep, 'a')).toBeGreaterThanOrEqual(3);
      expect((await sweep()).workers).toBe(0);
    });

    test('a pool that expires does not while no gateway lives to create it again or bring a worker', async () => {
      const { poolId, sweep } = await createStage(store, { poolTtlMs: 60_000 });
      await store.gatewayAlive();
      await sweep();
      const swept = await silence(sweep, 180_000);
      const leftMs = swept.map((one) => (one.poolExpiresAtMs ?? 0) - one.nowMs);
      expect(Math.min(...leftMs)).toBeGreaterThan(0);
      expect(Math.max(...leftMs)).toBeLessThanOrEqual(60_000);
      await store.gatewayAlive();
      await store.shiftClock(120_000);
      await store.gatewayAlive();
      await sweep();
      expect((await store.getPool(poolId)).state).toBe('disbanded');
    });

    test('a worker that died in the outage has the time it had left once a gateway is back, and no more', async () => {
      const { worker, sweep } = await createStage(store);
      await store.gatewayAlive();
      await worker('w', 1);
      await sweep();
      await silence(sweep, HOUR_MS / 10);
      await store.gatewayAlive();
      expect(await sweepsUntilGone(sweep, 'w')).toBeGreaterThan(1);
    });

    test('an outage that was over before the pool was made is not its own', async () => {
      const { sweep: other } = await createStage(store);
      await store.gatewayAlive();
      await silence(other, 60_000);
      await store.gatewayAlive();
      const { worker, sweep } = await createStage(store);
      await worker('w', 1);
      await store.gatewayAlive();
      expect((await sweep()).extendedByMs).toBeLessThan(60_000);
    });

    test('several gateways sign at once; one that is left is enough', async () => {
      const { worker, sweep } = await createStage(store);
      await Promise.all(Array.from({ length: 8 }, () => store.gatewayAlive()));
      await worker('w', 1);
      expect(await sweepsUntilGone(sweep, 'w')).toBeGreaterThanOrEqual(3);
    });
  });
}
