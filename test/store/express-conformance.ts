/**
 * Batches that are sent without waiting for answers in between (`src/store/express.ts`): they must come to the same as
 * those that read first, and whatever they cannot know must send them the usual way. Run by `conformance.ts`.
 */
import { expect, test } from 'vitest';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { type Get, ids, runRecord, type Stage } from './stage.ts';

/** How many express batches went through, and how many came to nothing. */
export function countExpress({ database }: DatabaseStore) {
  const counts = { through: 0, inVain: 0 };
  const { atOnce } = database;
  const counted: typeof atOnce = async (line, statements) => {
    try {
      const rows = await atOnce(line, statements);
      counts.through += 1;
      return rows;
    } catch (error) {
      counts.inVain += 1;
      throw error;
    }
  };
  Object.assign(database, { atOnce: counted });
  return { counts, stop: () => void Object.assign(database, { atOnce }) };
}

export function expressing(store: Get, stage: Stage): void {
  /** A pool whose last two batches found it unchanged, so that the next may be sent on trust. */
  async function trusted(capacities: readonly number[], settings: Parameters<Stage>[0] = {}) {
    const on = await stage(settings);
    for (const [n, capacity] of capacities.entries()) await on.worker(`w${n}`, capacity);
    for (const id of ['first', 'second', 'third']) await on.finish(await on.granted(id));
    return { ...on, ...countExpress(store()) };
  }

  test('one after the other, requests and releases go through at once and leave what the usual way leaves', async () => {
    const { counts, stop, ...on } = await trusted([2, 4]);
    const alloc = await on.granted('e1', { size: 2, priority: 3 });
    expect(alloc).toMatchObject({
      workerId: 'w0',
      size: 2,
      invocationId: 'job/e1',
      taskQueue: `pool/${on.poolId}/w0`,
    });
    expect((await store().listAllocs(on.poolId)).items).toEqual([alloc]);
    expect(await store().explainEval('e1')).toMatchObject({
      state: 'granted',
      story: { placement: { left: 0, lost: { 'less-good-fit': 1 } } },
    });
    const run = runRecord('job/e1', { poolId: on.poolId });
    expect(await on.finish(alloc, { run })).toEqual({ accepted: true, grants: [] });
    expect(await store().explainEval('e1')).toMatchObject({
      state: 'ended',
      story: { release: 'finished', workerId: 'w0', grantedAtMs: alloc.grantedAtMs },
    });
    expect(await store().getRun('job/e1')).toEqual(run);
    expect(counts).toEqual({ through: 2, inVain: 0 });
    expect([await on.free('w0'), await on.free('w1')]).toEqual([2, 4]);
    stop();
  });

  test('a crowd larger than the room gets all of it and no more, and the rest as it is given back', async () => {
    const { counts, stop, ...on } = await trusted([3, 5]);
    const names = Array.from({ length: 12 }, (_, n) => `c${n}`);
    const answers = await Promise.all(names.map((id) => on.allocate(id)));
    const allocs = answers.flatMap((answer) => (answer.kind === 'granted' ? [answer.alloc] : []));
    expect(allocs).toHaveLength(8);
    expect(await on.waiting()).toHaveLength(4);
    const given = (await Promise.all(allocs.map((alloc) => on.finish(alloc)))).flatMap(
      ({ grants }) => grants,
    );
    expect(given).toHaveLength(4);
    expect([...ids(allocs), ...ids(given)].sort()).toEqual([...names].sort());
    await Promise.all(given.map((alloc) => on.finish(alloc)));
    expect([await on.free('w0'), await on.free('w1')]).toEqual([3, 5]);
    // What the batch that read first could not place was not tried on trust.
    expect(counts.inVain).toBe(0);
    stop();
  });

  test('what is asked a second time is answered as the first time, and has no second effect', async () => {
    const { counts, stop, ...on } = await trusted([4]);
    const alloc = await on.granted('again');
    expect(await on.granted('again')).toEqual(alloc);
    expect(await on.free('w0')).toBe(3);
    expect(await on.finish(alloc)).toMatchObject({ accepted: true });
    expect(await on.finish(alloc)).toMatchObject({ accepted: true });
    expect(await on.allocate('again')).toEqual({ kind: 'refused', code: 'EvalEnded' });
    expect(await on.finish({ ...alloc, epoch: alloc.epoch + 1 })).toMatchObject({ accepted: false });
    expect(await on.free('w0')).toBe(4);
    expect(counts.inVain).toBeGreaterThan(0);
    stop();
  });

  test('what is asked for again with another content is refused, and nothing of the first is changed', async () => {
    const { stop, ...on } = await trusted([4]);
    const alloc = await on.granted('content');
    await expect(on.allocate('content', { size: 2 })).rejects.toMatchObject({ code: 'AllocExists' });
    expect(await on.granted('content')).toEqual(alloc);
    expect(await on.free('w0')).toBe(3);
    stop();
  });

  test('twins in one batch are one', async () => {
    const { stop, ...on } = await trusted([4]);
    const [one, other] = await Promise.all([on.granted('twin'), on.granted('twin')]);
    expect(other).toEqual(one);
    await Promise.all([on.finish(one), on.finish(one)]);
    expect(await on.free('w0')).toBe(4);
    stop();
  });

  test('a worker that has expired by the database clock gets nothing, however live it was known to be', async () => {
    const { counts, stop, ...on } = await trusted([4], { workerTtlMs: 5_000 });
    await store().shiftClock(6_000);
    expect(await on.allocate('late')).toMatchObject({ kind: 'waiting', reason: { kind: 'no-workers' } });
    expect(counts).toEqual({ through: 0, inVain: 1 });
    expect((await store().listAllocs(on.poolId)).items).toEqual([]);
    stop();
  });

  test('texts that arrays must quote are read back the same', async () => {
    const { stop, ...on } = await trusted([4]);
    const id = 'odd "quoted" \\ {a,b} NULL é\u0007#1.0';
    const alloc = await on.granted(id);
    expect((await store().listAllocs(on.poolId)).items).toEqual([alloc]);
    expect(await on.finish(alloc)).toMatchObject({ accepted: true });
    stop();
  });
}
