/** How a pool that nobody uses comes to its end, and what keeps it; told for every store. */
import { expect, test } from 'vitest';
import { type Get, ids, type Stage } from './stage.ts';

const TTL_MS = 60_000;
const DAY_MS = 24 * 3_600_000;

export function poolTtl(store: Get, stage: Stage): void {
  test('a pool that no worker joins for its TTL is disbanded by the sweep, and who waits is told', async () => {
    const { allocate, worker, poolId, sweep } = await stage({ poolTtlMs: TTL_MS });
    await allocate('x-1');
    const first = await sweep();
    expect(first).toMatchObject({ poolExpired: false, poolExpiresAtMs: first.nowMs + TTL_MS, refused: [] });
    expect(await store().getPool(poolId)).toMatchObject({
      ...{ state: 'active', expiresAtMs: first.poolExpiresAtMs, settings: { poolTtlMs: TTL_MS } },
    });
    await store().shiftClock(TTL_MS / 2);
    expect((await sweep()).poolExpired).toBe(false);
    await store().shiftClock(TTL_MS / 2);
    const last = await sweep();
    expect(last).toMatchObject({ poolExpired: true, refused: [{ id: 'x-1' }] });
    expect(last.poolExpiresAtMs).toBeUndefined();
    expect(await allocate('x-1')).toEqual({ kind: 'refused', code: 'PoolDisbanded' });
    expect(await allocate('x-2')).toEqual({ kind: 'refused', code: 'PoolDisbanded' });
    await expect(worker('late', 1)).rejects.toMatchObject({ code: 'PoolDisbanded' });
    await expect(store().createPool(poolId)).rejects.toMatchObject({ code: 'PoolExists' });
    const again = await sweep();
    expect([again.poolExpired, ids(again.refused)]).toEqual([false, ['x-1']]);
  });

  test('when a pool expired stays known, and is not moved by what comes after', async () => {
    const { poolId, sweep } = await stage({ poolTtlMs: TTL_MS });
    const { poolExpiresAtMs } = await sweep();
    await store().shiftClock(TTL_MS);
    await sweep();
    await store().shiftClock(DAY_MS, { outage: true });
    await sweep();
    await store().disbandPool(poolId);
    expect(await store().getPool(poolId)).toMatchObject({ state: 'disbanded', expiresAtMs: poolExpiresAtMs });
  });

  test('a pool that is disbanded before its time has not expired', async () => {
    const { poolId, sweep } = await stage({ poolTtlMs: TTL_MS });
    await sweep();
    await store().disbandPool(poolId);
    await store().shiftClock(2 * TTL_MS);
    expect((await sweep()).poolExpired).toBe(false);
    expect((await store().getPool(poolId)).expiresAtMs).toBeUndefined();
  });

  test('a pool with a live worker never expires; its time begins when the last has gone', async () => {
    const { worker, renew, poolId, sweep } = await stage({ poolTtlMs: TTL_MS, workerTtlMs: TTL_MS / 2 });
    await worker('w', 1);
    for (let n = 0; n < 10; n += 1) {
      await store().shiftClock(TTL_MS / 6);
      await renew('w');
      const swept = await sweep();
      expect([swept.poolExpired, swept.poolExpiresAtMs]).toEqual([false, undefined]);
    }
    await store().removeWorker(poolId, 'w');
    const left = await sweep();
    expect(left.poolExpiresAtMs).toBe(left.nowMs + TTL_MS);
    await worker('w', 1);
    await store().shiftClock(TTL_MS / 6);
    expect((await sweep()).poolExpiresAtMs).toBeUndefined();
    // It dies without a word: its own TTL comes first.
    await store().shiftClock(TTL_MS);
    const died = await sweep();
    expect(died).toMatchObject({ expiredWorkers: ['w'], poolExpired: false });
    await store().shiftClock(TTL_MS);
    expect((await sweep()).poolExpired).toBe(true);
  });

  test('a worker that comes and goes between two sweeps keeps the pool like another', async () => {
    const { worker, poolId, sweep } = await stage({ poolTtlMs: TTL_MS });
    await sweep();
    await store().shiftClock(TTL_MS - 10_000);
    await worker('brief', 1);
    await store().removeWorker(poolId, 'brief');
    await store().shiftClock(10_000);
    expect((await sweep()).poolExpired).toBe(false);
  });

  test('a drained pool expires like another', async () => {
    const { poolId, sweep } = await stage({ poolTtlMs: TTL_MS });
    await store().drainPool(poolId);
    await sweep();
    await store().shiftClock(TTL_MS);
    expect((await sweep()).poolExpired).toBe(true);
  });

  test('a pool that is created again is refused as one that exists, and has all its time before it', async () => {
    const { poolId, sweep } = await stage({ poolTtlMs: TTL_MS });
    await sweep();
    await store().shiftClock(TTL_MS - 10_000);
    await expect(store().createPool(poolId, { poolTtlMs: 1_000 })).rejects.toMatchObject({
      code: 'PoolExists',
    });
    await store().shiftClock(20_000);
    const swept = await sweep();
    expect(swept).toMatchObject({ poolExpired: false, poolExpiresAtMs: swept.nowMs + TTL_MS });
    await store().shiftClock(TTL_MS);
    expect((await sweep()).poolExpired).toBe(true);
  });

  test('a pool without a TTL, which is the default, never expires', async () => {
    const { poolId, sweep } = await stage();
    expect((await store().getPool(poolId)).settings.poolTtlMs).toBe(0);
    for (let n = 0; n < 3; n += 1) {
      await store().shiftClock(20 * DAY_MS);
      const swept = await sweep();
      expect([swept.poolExpired, swept.poolExpiresAtMs]).toEqual([false, undefined]);
    }
  });

  test('an outage expires no pool: what it had left is left', async () => {
    const [counting, fresh] = [await stage({ poolTtlMs: TTL_MS }), await stage({ poolTtlMs: TTL_MS })];
    await counting.sweep();
    await store().shiftClock(DAY_MS, { outage: true });
    const late = await counting.sweep();
    expect(late.extendedByMs).toBeGreaterThanOrEqual(DAY_MS);
    expect(late.poolExpired).toBe(false);
    expect((late.poolExpiresAtMs ?? 0) - late.nowMs).toBeGreaterThan(TTL_MS / 2);
    expect((late.poolExpiresAtMs ?? Infinity) - late.nowMs).toBeLessThanOrEqual(TTL_MS);
    // Made before, and never swept until it was over.
    expect((await fresh.sweep()).poolExpired).toBe(false);
    await store().shiftClock(TTL_MS);
    expect([(await counting.sweep()).poolExpired, (await fresh.sweep()).poolExpired]).toEqual([true, true]);
  });

  test('a TTL of less than a second, or of more than a year, is refused', async () => {
    for (const poolTtlMs of [-1, 1, 999, 0.5, 366 * DAY_MS]) {
      await expect(store().createPool('p-ttl', { poolTtlMs })).rejects.toMatchObject({
        issues: [{ path: 'poolTtlMs' }],
      });
    }
  });
}
