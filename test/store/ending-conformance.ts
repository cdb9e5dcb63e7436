/**
 * The second half of what every store must do: finishing, renewing, leaving, sweeping, and bad input.
 * Called by `conformance.ts`.
 */
import { expect, test } from 'vitest';
import { type Get, ids, runRecord, type Stage } from './stage.ts';

export function finishing(store: Get, stage: Stage): void {
  test('a finish gives back once, however often its answer is lost', async () => {
    const { granted, finish, worker, free } = await stage();
    await worker('w', 2);
    for (const release of ['finished', 'retrying', 'cancelled'] as const) {
      const alloc = await granted(`f-${release}`);
      const run = runRecord(`job/f-${release}`);
      expect(await finish(alloc, { release, run })).toEqual({ accepted: true, grants: [] });
      expect(await finish(alloc, { release, run })).toEqual({ accepted: true, grants: [] });
      expect(await store().getRun(`job/f-${release}`)).toEqual(run);
    }
    expect(await free('w')).toBe(2);
  });

  test('a stale holder is refused, and its result is not recorded', async () => {
    const { granted, finish, worker } = await stage();
    await worker('w', 2);
    const alloc = await granted('st-1');
    const stale = { ...alloc, epoch: alloc.epoch - 1 };
    expect(await finish(stale, { run: runRecord('job/st-1') })).toEqual({ accepted: false, grants: [] });
    await expect(store().getRun('job/st-1')).rejects.toMatchObject({ code: 'InvocationNotExists' });
    expect(await finish(alloc)).toMatchObject({ accepted: true });
  });

  test('withdrawing takes a waiting eval away for good, and whatever it was granted', async () => {
    const { granted, allocate, worker, waiting, free, poolId } = await stage();
    await worker('w', 1);
    await granted('wd-1');
    await allocate('wd-2');
    const withdraw = (evalId: string) => store().finish({ poolId, evalId, release: 'withdrawn' });
    expect(await withdraw('wd-2')).toEqual({ accepted: true, grants: [] });
    expect(await waiting()).toEqual([]);
    expect(await allocate('wd-2')).toEqual({ kind: 'refused', code: 'EvalEnded' });
    expect(await withdraw('wd-1')).toMatchObject({ accepted: true });
    expect(await withdraw('wd-1')).toMatchObject({ accepted: true });
    expect(await free('w')).toBe(1);
  });

  test('an end without an eval is only recorded; dead letters are listed newest first', async () => {
    const letter = (n: number) => ({
      invocationId: `job/dl-${n}`,
      reason: 'out of tries',
      attempts: 6,
      input: { n },
      atMs: 5_000_000_000_000 + n,
    });
    for (const n of [1, 2]) {
      const run = runRecord(`job/dl-${n}`, { status: 'dead-lettered' });
      await store().finish({ poolId: 'default', release: 'finished', run, deadLetter: letter(n) });
    }
    expect((await store().listDeadLetters({ limit: 2 })).items).toEqual([letter(2), letter(1)]);
  });

  test('results with text that PostgreSQL cannot keep are kept as well as may be', async () => {
    const run = runRecord('job/odd', {
      result: { 'a\u0000': 'b\u0000c', half: '\ud800', whole: '\u{1f600}' },
    });
    await store().finish({ poolId: 'default', release: 'finished', run });
    expect((await store().getRun('job/odd')).result).toEqual({
      'a\ufffd': 'b\ufffdc',
      half: '\ufffd',
      whole: '\u{1f600}',
    });
  });
}

export function renewing(store: Get, stage: Stage): void {
  test('a renewal answers which allocs still hold, and keeps those alive', async () => {
    const { granted, renew, worker, sweep, poolId } = await stage();
    await worker('w', 3);
    const [a, b] = [await granted('rn-1'), await granted('rn-2')];
    const stale = { ...b, epoch: b.epoch - 1 };
    for (let n = 0; n < 5; n += 1) {
      const { lease } = await renew('w', [a, stale]);
      expect(lease).toMatchObject({
        held: [{ id: 'rn-1', epoch: a.epoch }],
        workerTtlMs: 15_000,
        state: 'active',
      });
      expect(lease.expiresAtMs - lease.nowMs).toBe(15_000);
      await store().shiftClock(6_000);
    }
    const { grants } = await sweep();
    expect(ids((await store().listAllocs(poolId)).items)).toEqual(['rn-1', 'rn-2']);
    expect(grants).toMatchObject([
      { id: 'rn-2', epoch: expect.toSatisfy((epoch: number) => epoch > b.epoch) },
    ]);
  });

  test('an expired worker, another incarnation and an unknown one are refused', async () => {
    const { renew, worker, poolId } = await stage();
    await worker('w', 1);
    await expect(renew('nobody')).rejects.toMatchObject({ code: 'WorkerNotExists' });
    await expect(store().renewWorker(poolId, 'w', 'other', [])).rejects.toMatchObject({
      code: 'WorkerNotExists',
    });
    await store().shiftClock(15_000);
    await expect(renew('w')).rejects.toMatchObject({ code: 'WorkerNotExists' });
  });

  test('a name belongs to a live process; replacing it ends what the old one ran', async () => {
    const { granted, renew, finish, worker, free } = await stage();
    await worker('w', 2);
    const [running, unheard] = [await granted('i-1'), await granted('i-2')];
    await renew('w', [running]);
    await expect(worker('w', 2, { incarnation: 'second' })).rejects.toMatchObject({ code: 'WorkerExists' });
    const { grants } = await store().registerWorker(
      {
        poolId: running.poolId,
        workerId: 'w',
        incarnation: 'second',
        capacity: 1,
        targets: ['resize'],
        datasets: [],
        taskQueue: 'q',
      },
      { replace: true },
    );
    expect(grants).toMatchObject([{ id: 'i-2', incarnation: 'second' }]);
    expect(await finish(running)).toMatchObject({ accepted: false });
    expect(await finish(unheard)).toMatchObject({ accepted: false });
    expect(await free('w')).toBe(0);
  });

  test('registering again under the same incarnation keeps what runs', async () => {
    const { granted, worker, free, renew } = await stage();
    await worker('w', 2);
    const alloc = await granted('re-1');
    await worker('w', 4, { datasets: ['new'] });
    expect(await free('w')).toBe(3);
    expect((await renew('w', [alloc])).lease.held).toEqual([{ id: 're-1', epoch: alloc.epoch }]);
  });

  test('a lost worker is cordoned until it renews, and its capacity is back once it confirms', async () => {
    const { granted, allocate, finish, renew, worker, free } = await stage();
    await worker('w', 2);
    const lost = await granted('l-1');
    const release = { release: 'lost' } as const;
    expect(await finish(lost, release)).toEqual({ accepted: true, grants: [] });
    expect(await finish(lost, release)).toEqual({ accepted: true, grants: [] });
    expect(await free('w')).toBe(1);
    expect(await allocate('l-2')).toMatchObject({ kind: 'waiting', reason: { kind: 'draining' } });
    expect(await allocate('l-3')).toMatchObject({ kind: 'waiting' });
    const still = await renew('w', [lost]);
    expect([still.lease.held, ids(still.grants)]).toEqual([[], ['l-2']]);
    const confirmed = await renew('w', []);
    expect(ids(confirmed.grants)).toEqual(['l-3']);
    expect(await free('w')).toBe(0);
  });

  test('what may still run counts as used until its worker lists it no more, and cordons nobody', async () => {
    const { granted, allocate, finish, renew, worker, free } = await stage();
    await worker('w', 2);
    const overdue = await granted('sr-1');
    const timedOut = { release: 'retrying', stillRuns: true } as const;
    expect(await finish(overdue, timedOut)).toEqual({ accepted: true, grants: [] });
    expect(await finish(overdue, timedOut)).toEqual({ accepted: true, grants: [] });
    expect(await free('w')).toBe(1);
    expect(await allocate('sr-2')).toMatchObject({ kind: 'granted' });
    expect(await allocate('sr-3')).toMatchObject({ reason: { kind: 'no-free-capacity' } });
    const still = await renew('w', [overdue]);
    const ref = { id: overdue.id, epoch: overdue.epoch };
    expect(still).toMatchObject({ grants: [], lease: { held: [], lost: [ref], used: 2 } });
    expect(ids((await renew('w', [])).grants)).toEqual(['sr-3']);
  });

  test('a lost alloc counts as used for as long as its worker lists it, beyond the TTL', async () => {
    const { granted, finish, renew, worker, sweep, free } = await stage();
    await worker('w', 1);
    const lost = await granted('ll-1');
    await sweep();
    await finish(lost, { release: 'lost' });
    for (let passedMs = 0; passedMs < 45_000; passedMs += 5_000) {
      await store().shiftClock(5_000);
      expect((await renew('w', [lost])).lease).toMatchObject({ held: [], used: 1 });
      expect((await sweep()).expiredAllocs).toEqual([]);
      expect(await free('w')).toBe(0);
    }
    expect((await renew('w', [])).lease.used).toBe(0);
    expect(await free('w')).toBe(1);
  });

  test('of a renewal in parts only the last one ends lost allocs: those that no part has listed', async () => {
    const { granted, finish, renew, worker, free } = await stage();
    await worker('w', 4);
    const [a, b, c, kept] = [
      await granted('pa'),
      await granted('pb'),
      await granted('pc'),
      await granted('pk'),
    ];
    for (const alloc of [a, b, c]) await finish(alloc, { release: 'lost' });
    // As if the listing took a while.
    await store().shiftClock(1_000);
    const first = await renew('w', [a, kept], { last: false });
    expect(first.lease.held).toEqual([{ id: 'pk', epoch: kept.epoch }]);
    expect(await free('w')).toBe(0);
    await store().shiftClock(1_000);
    expect((await renew('w', [b], { last: true, sinceMs: first.lease.nowMs })).lease.used).toBe(3);
    expect(await free('w')).toBe(1);
    expect((await renew('w', [kept])).lease.used).toBe(1);
  });

  test('an alloc that has expired is not renewed, even before the sweep has found it', async () => {
    const { granted, renew, worker, sweep, poolId } = await stage({ workerTtlMs: 60_000 });
    await worker('w', 1);
    const forgotten = await granted('ex-1');
    await sweep();
    await store().shiftClock(30_000);
    expect((await renew('w', [forgotten])).lease).toMatchObject({ held: [], lost: [] });
    expect((await store().listAllocs(poolId)).items[0]?.expiresAtMs).toBe(forgotten.expiresAtMs);
  });

  test('a draining worker finishes what runs and takes nothing new; a removed one leaves the rest to others', async () => {
    const { granted, allocate, finish, renew, worker, poolId, free } = await stage();
    await worker('w', 2);
    const [a, b] = [await granted('dr-1'), await granted('dr-2')];
    await store().drainWorker(poolId, 'w');
    await expect(store().drainWorker(poolId, 'nobody')).rejects.toMatchObject({ code: 'WorkerNotExists' });
    expect((await renew('w', [a])).lease.state).toBe('draining');
    expect(await finish(a)).toEqual({ accepted: true, grants: [] });
    expect(await allocate('dr-3')).toMatchObject({ reason: { kind: 'draining' } });
    expect(ids((await worker('x', 5)).grants)).toEqual(['dr-3']);
    const { grants } = await store().removeWorker(poolId, 'w', 'w-first');
    expect(grants).toMatchObject([{ id: 'dr-2', workerId: 'x' }]);
    expect(await finish(b)).toMatchObject({ accepted: false });
    expect(await store().removeWorker(poolId, 'w')).toEqual({ grants: [] });
    expect(await free('x')).toBe(3);
  });
}

export function sweeping(store: Get, stage: Stage): void {
  test('an expired worker goes, what it ran is named, what it never took up is granted elsewhere', async () => {
    const { granted, renew, finish, worker, sweep, free } = await stage();
    await worker('w', 2);
    const [running, unheard] = [await granted('sw-1'), await granted('sw-2')];
    await renew('w', [running]);
    await sweep();
    await store().shiftClock(14_000);
    await worker('x', 5);
    await store().shiftClock(1_000);
    const swept = await sweep();
    expect(swept).toMatchObject({
      expiredWorkers: ['w'],
      extendedByMs: 0,
      workers: 1,
      waiting: 0,
      allocs: 1,
    });
    expect(swept.expiredAllocs).toEqual([expect.objectContaining({ id: 'sw-1', epoch: running.epoch })]);
    expect(swept.grants).toMatchObject([{ id: 'sw-2', workerId: 'x' }]);
    expect(swept.shortestTtlMs).toBe(15_000);
    expect(await finish(unheard)).toMatchObject({ accepted: false });
    expect(await free('x')).toBe(4);
  });

  test('a grant to one who waited is told again until its worker confirms it', async () => {
    const { granted, allocate, finish, renew, worker, sweep } = await stage();
    await worker('w', 1);
    const first = await granted('tk-1');
    await allocate('tk-2');
    const { grants } = await finish(first);
    await store().shiftClock(3_000);
    expect((await sweep()).grants).toEqual(grants);
    await renew('w', grants);
    expect((await sweep()).grants).toEqual([]);
  });

  test('an alloc its worker stopped confirming is given back', async () => {
    const { granted, allocate, renew, worker, sweep } = await stage();
    await worker('w', 1);
    const alloc = await granted('ex-1');
    await renew('w', [alloc]);
    await allocate('ex-2');
    for (let n = 0; n < 3; n += 1) {
      await store().shiftClock(10_000);
      await renew('w');
    }
    const swept = await sweep();
    expect([ids(swept.expiredAllocs), ids(swept.grants)]).toEqual([['ex-1'], ['ex-2']]);
  });

  test('after an outage every TTL is extended by the gap, and nobody dies of silence', async () => {
    const { granted, renew, worker, sweep } = await stage();
    await worker('w', 1);
    const alloc = await granted('ou-1');
    await sweep();
    await store().shiftClock(3_600_000, { outage: true });
    const swept = await sweep();
    expect(swept.extendedByMs).toBeGreaterThanOrEqual(3_600_000);
    expect(swept).toMatchObject({ expiredWorkers: [], expiredAllocs: [], workers: 1, allocs: 1 });
    expect((await renew('w', [alloc])).lease.held).toHaveLength(1);
    await store().shiftClock(15_000);
    expect((await sweep()).expiredWorkers).toEqual(['w']);
  });

  test('a renewal that comes before the first sweep after an outage is accepted, and the sweep tells of it', async () => {
    const { renew, worker, sweep } = await stage();
    await worker('w', 1);
    await sweep();
    await store().shiftClock(60_000, { outage: true });
    await renew('w');
    expect((await sweep()).extendedByMs).toBeGreaterThanOrEqual(60_000);
    expect((await sweep()).extendedByMs).toBe(0);
  });
}

export function badInput(store: Get, stage: Stage): void {
  test('a bad request is refused with every field at fault, and those beside it are served', async () => {
    const { allocate, worker } = await stage();
    await worker('w', 5);
    const [good, bad, alsoGood] = await Promise.allSettled([
      allocate('b-1'),
      allocate('b-2', { size: 1.5, priority: Number.NaN, target: 'nul\u0000' }),
      allocate('b-3'),
    ]);
    expect([good.status, bad.status, alsoGood.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(bad).toMatchObject({
      reason: { code: 'InvalidInput', issues: [{ path: 'target' }, { path: 'size' }, { path: 'priority' }] },
    });
    await expect(worker('a/b', -1)).rejects.toMatchObject({
      issues: [{ path: 'workerId' }, { path: 'capacity' }],
    });
    await expect(store().createPool('p', { workerTtlMs: 10 })).rejects.toMatchObject({
      code: 'InvalidInput',
    });
    await expect(store().createPool('')).rejects.toMatchObject({ code: 'InvalidInput' });
  });
}
