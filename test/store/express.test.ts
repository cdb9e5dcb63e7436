/**
 * Express batches of one process while another changes the same pool: what the first knew is not true any more, and
 * none of it may be acted upon. On PostgreSQL, as only there two processes can have one database. A witness in that
 * looks at every grant as it is committed, so that none is missed for having been made in between.
 */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Alloc } from '../../src/contract/pools.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createPostgresStore } from '../../src/store/postgres.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { openLine } from '../faults/line.ts';
import { freshDatabase } from '../support/shared.ts';
import { happening } from '../workflows/eventually.ts';
import { countExpress } from './express-conformance.ts';
import { createStage, ids, runRecord, stageOn } from './stage.ts';
import { complaintsOf, watchGrants } from './witness.ts';

let database: TestDatabase;
let first: DatabaseStore;
let second: DatabaseStore;
beforeAll(async () => {
  database = await freshDatabase();
  const open = () => createPostgresStore({ url: database.url, schema: 'escapement' });
  [first, second] = await Promise.all([open(), open()]);
  await watchGrants(first);
});
afterEach(async () => {
  expect(await complaintsOf(first)).toEqual([]);
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

test('a release whose connection is cut between commit and reply is accepted when asked again, and counts once', async () => {
  const { hostname, port } = new URL(database.url);
  const line = await openLine({ host: hostname, port: Number(port) });
  const url = new URL(database.url);
  url.port = String(line.port);
  const cutOff = await createPostgresStore({ url: url.href, schema: 'escapement' });
  const one = await createStage(cutOff);
  await one.worker('w0', 4);
  for (const id of ['a', 'b', 'c']) await one.finish(await one.granted(id));
  const alloc = await one.granted('cut#1.0', { invocationId: 'job/cut', size: 2 });
  await one.granted('beside');
  const run = runRecord('job/cut', { poolId: one.poolId });

  const { counts, stop } = countExpress(cutOff);
  const caught = line.catch({
    ...{ fate: 'unanswered', pieces: [[alloc.id, '"succeeded"', 'commit']], reply: /COMMIT\0/ },
  });
  const asked = one.finish(alloc, { run }).catch((error: unknown) => error);
  (await caught).cut();
  expect(await asked).toMatchObject({ code: 'Unavailable' });
  expect(counts).toEqual({ through: 0, inVain: 1 });
  // It was committed: only its answer is missing.
  expect(await first.getRun('job/cut')).toEqual(run);

  expect(await one.finish(alloc, { run })).toEqual({ accepted: true, grants: [] });
  expect(await one.finish(alloc, { run })).toEqual({ accepted: true, grants: [] });
  expect((await first.listRuns({})).items.filter(({ invocationId }) => invocationId === 'job/cut')).toEqual([
    run,
  ]);
  expect(await one.free('w0')).toBe(3);
  expect(ids((await first.listAllocs(one.poolId)).items)).toEqual(['beside']);
  stop();
  await cutOff.close();
  await line.close();
});

type Shared = Awaited<ReturnType<typeof shared>>;

/** Requests at a time. */
const CALLERS = 8;

/** What another process does to w0, and who may have what is granted after that. */
const CHANGES: readonly (readonly [
  what: string,
  change: (on: Shared, poolId: string) => Promise<unknown>,
  isFit: (alloc: Alloc) => boolean,
])[] = [
  ['lowers a capacity', ({ other }) => other.worker('w0', 2), () => true],
  [
    'changes the targets of a worker',
    ({ other }) => other.worker('w0', CALLERS, { targets: ['other'] }),
    ({ workerId }) => workerId === 'w1',
  ],
  [
    'gives a run up as lost, and with that cordons its worker',
    async ({ one, other }) => other.finish(await one.granted('held'), { release: 'lost' }),
    ({ workerId }) => workerId === 'w1',
  ],
  [
    'puts a new incarnation in the place of a worker',
    ({ one: { poolId } }) =>
      second.registerWorker(
        {
          ...{ poolId, workerId: 'w0', incarnation: 'w0-second', capacity: CALLERS, targets: ['resize'] },
          ...{ datasets: [], taskQueue: `pool/${poolId}/w0` },
        },
        { replace: true },
      ),
    ({ workerId, incarnation }) => incarnation === (workerId === 'w0' ? 'w0-second' : 'w1-first'),
  ],
  ['drains a worker', (_, poolId) => second.drainWorker(poolId, 'w0'), ({ workerId }) => workerId === 'w1'],
  ['removes a worker', (_, poolId) => second.removeWorker(poolId, 'w0'), ({ workerId }) => workerId === 'w1'],
];

/** The first worker is the better fit for as long as it is one at all. */
const preferring = () => shared([CALLERS + 1, 4 * CALLERS]);

test.each(CHANGES)(
  'another process %s: batches sent on trust after that come to nothing',
  async (_what, change, isFit) => {
    const on = await preferring();
    await change(on, on.one.poolId);
    const asked: Promise<Alloc>[] = [];
    // The second batch is sent before the first one has come to nothing, as none gets at the pool until all have been asked for.
    await whileLocked(on.one.poolId, async () => {
      for (let n = 0; n < CALLERS; n += 1) {
        asked.push(on.one.granted(`after-${n}`));
        if (n % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const granted = await Promise.all(asked);
    expect(granted.filter((alloc) => !isFit(alloc))).toEqual([]);
    expect(on.counts.inVain).toBeGreaterThan(0);
    on.stop();
  },
);

function whileLocked(poolId: string, work: () => Promise<void>): Promise<void> {
  const { t, transaction } = second.database;
  return transaction(async (trx) => {
    await sql`SELECT 1 FROM ${t.pools} WHERE id = ${poolId} FOR UPDATE`.execute(trx);
    await work();
  });
}

describe('while express batches of the first fly, another process', () => {
  /** Of each caller, once the change has been answered. */
  const ASKED_AFTER = 10;

  /**
   * Callers of the first process ask and give back without a pause, in turns of their own, while another makes a change.
   * Answers what was granted of all that was asked once the change had been answered, and what waits.
   */
  async function flyThrough({ one }: Shared, change: () => Promise<unknown>) {
    let changed = false;
    let grants = 0;
    const granted: Alloc[] = [];
    const waiting: string[] = [];
    const underWay = happening<void>();
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      for (let turn = 0; turn < caller % 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      for (let n = 0, after = 0; after < ASKED_AFTER; n += 1) {
        if (changed) after += 1;
        const answer = await one.allocate(`${caller}-${n}`);
        if (answer.kind !== 'granted') return void waiting.push(`${caller}-${n}`);
        if (after > 0) granted.push(answer.alloc);
        grants += 1;
        if (grants === 3 * CALLERS) underWay.resolve();
        const { accepted } = await one.finish(answer.alloc);
        // As its invocation would: what it was granted again elsewhere nobody will take up.
        if (!accepted)
          await first.finish({ poolId: one.poolId, evalId: answer.alloc.id, release: 'withdrawn' });
      }
    });
    await underWay.promise;
    await change();
    changed = true;
    await Promise.all(callers);
    return { granted, waiting };
  }

  test.each(CHANGES)('%s: no grant goes by what was before', async (_what, change, isFit) => {
    const on = await preferring();
    const { granted, waiting } = await flyThrough(on, () => change(on, on.one.poolId));
    expect(granted.filter((alloc) => !isFit(alloc))).toEqual([]);
    expect(granted).toHaveLength(CALLERS * ASKED_AFTER);
    expect(waiting).toEqual([]);
    expect(on.counts.inVain).toBeGreaterThan(0);
    expect(on.counts.through).toBeGreaterThan(0);
    on.stop();
  });

  test('drains the pool: nothing more is granted, and what waits is granted when it takes work again', async () => {
    const on = await shared([CALLERS, 4 * CALLERS]);
    const { poolId } = on.one;
    const { granted, waiting } = await flyThrough(on, () => second.drainPool(poolId));
    expect(granted).toEqual([]);
    expect((await on.one.waiting()).sort()).toEqual(waiting.sort());
    expect(waiting).toHaveLength(CALLERS);
    const { grants } = await second.drainPool(poolId, { off: true });
    expect(ids(grants).sort()).toEqual(waiting);
    on.stop();
  });
});
