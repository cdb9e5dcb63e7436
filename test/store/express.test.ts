/**
 * Express batches of one process while another changes the same pool: what the first knew is not true any more, and
 * none of it may be acted upon. On PostgreSQL, as only there two processes can have one database.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createPostgresStore } from '../../src/store/postgres.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { freshDatabase } from '../support/shared.ts';
import { countExpress } from './express-conformance.ts';
import { createStage, ids, stageOn } from './stage.ts';

let database: TestDatabase;
let first: DatabaseStore;
let second: DatabaseStore;
beforeAll(async () => {
  database = await freshDatabase();
  const open = () => createPostgresStore({ url: database.url, schema: 'escapement' });
  [first, second] = await Promise.all([open(), open()]);
});
afterAll(async () => {
  await Promise.all([first.close(), second.close()]);
  await database.drop();
});

/** A pool that the first process trusts to be as it knows it, seen by both. */
async function shared(capacities: readonly number[]) {
  const one = await createStage(first);
  for (const [n, capacity] of capacities.entries()) await one.worker(`w${n}`, capacity);
  for (const id of ['a', 'b', 'c']) await one.finish(await one.granted(id));
  return { one, other: stageOn(second, one.poolId), ...countExpress(first) };
}

test('a worker that another process drains or removes gets nothing more', async () => {
  const { one, counts, stop } = await shared([1, 2, 3]);
  await second.drainWorker(one.poolId, 'w0');
  expect((await one.granted('d1')).workerId).toBe('w1');
  await second.removeWorker(one.poolId, 'w1');
  expect((await one.granted('d2')).workerId).toBe('w2');
  expect(counts.inVain).toBeGreaterThan(0);
  stop();
});

test('capacity that another process has given out is not given out again', async () => {
  const { one, other, stop } = await shared([2]);
  await other.granted('theirs', { size: 2 });
  expect(await one.allocate('ours')).toMatchObject({ kind: 'waiting', reason: { kind: 'no-free-capacity' } });
  stop();
});

test('what waits by way of another process comes before what is asked later, and gets what is freed', async () => {
  const { one, other, stop } = await shared([2]);
  const held = await one.granted('held', { size: 2 });
  expect(await other.allocate('waits', { size: 2 })).toMatchObject({ kind: 'waiting' });
  const { grants } = await one.finish(held);
  expect(ids(grants)).toEqual(['waits']);
  stop();
});

test('a pool that another process disbands refuses', async () => {
  const { one, stop } = await shared([2]);
  await second.disbandPool(one.poolId);
  expect(await one.allocate('late')).toEqual({ kind: 'refused', code: 'PoolDisbanded' });
  stop();
});

test('an eval that another process has granted or ended is known to be', async () => {
  const { one, other, stop } = await shared([4]);
  const theirs = await other.granted('e1');
  expect(await one.granted('e1')).toEqual(theirs);
  await other.finish(theirs);
  expect(await one.allocate('e1')).toEqual({ kind: 'refused', code: 'EvalEnded' });
  expect(await one.free('w0')).toBe(4);
  stop();
});

test('batches close behind one that comes to nothing are done all the same, each request once', async () => {
  const { one, other, counts, stop } = await shared([8, 8, 8, 8]);
  let inVain = 0;
  for (let round = 0; round < 10; round += 1) {
    for (const id of ['a', 'b', 'c']) await one.finish(await one.granted(`${round}-${id}`));
    const before = counts.inVain;
    const theirs = await other.granted(`${round}-theirs`);
    const names = Array.from({ length: 16 }, (_, n) => `${round}-${n}`);
    const asked: ReturnType<typeof one.granted>[] = [];
    for (const name of names) {
      asked.push(one.granted(name));
      // Each in a turn of its own, so that several batches are on their way.
      if (asked.length % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const allocs = await Promise.all(asked);
    expect(new Set(allocs.map(({ epoch }) => epoch)).size).toBe(names.length);
    expect(ids((await first.listAllocs(one.poolId)).items).sort()).toEqual([...names, theirs.id].sort());
    await Promise.all([...allocs.map((alloc) => one.finish(alloc)), other.finish(theirs)]);
    inVain += counts.inVain - before;
  }
  expect(inVain).toBeGreaterThan(0);
  expect(counts.through).toBeGreaterThan(0);
  const workers = (await first.listWorkers(one.poolId)).items;
  expect(workers.map(({ free }) => free)).toEqual([8, 8, 8, 8]);
  stop();
});

test('connections cut under way fail what was on them, and the next request uses a new one', async () => {
  const { one, stop } = await shared([8]);
  const cut = sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'escapement%' AND pid <> pg_backend_pid()`;
  const asked = Array.from({ length: 20 }, (_, n) =>
    one.allocate(`cut-${n}`).catch((error: unknown) => error),
  );
  await cut.execute(second.database.db);
  await Promise.all(asked);
  // Whatever became of each, asking again settles it.
  const settled = await Promise.all(Array.from({ length: 8 }, (_, n) => one.allocate(`cut-${n}`)));
  expect(settled.every(({ kind }) => kind === 'granted' || kind === 'waiting')).toBe(true);
  const held = (await first.listAllocs(one.poolId)).items;
  expect(held.reduce((sum, { size }) => sum + size, 0)).toBe(8);
  stop();
});
