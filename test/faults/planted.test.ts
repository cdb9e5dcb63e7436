/**
 * Who watches the watchers: each invariant is shown a bug that it is there for, and must name it. Those of pools are planted in a
 * real database, by a store that leaves a check out or by altered SQL; those of schedules and workers in what was seen.
 */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createPostgresStore } from '../../src/store/postgres.ts';
import type { Store } from '../../src/store/store.ts';
import { createStage } from '../store/stage.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { freshDatabase } from '../support/shared.ts';
import { leftNothingUndone, nobodyExpired, stoppedItself } from './afterwards.ts';
import { forgetChanges, readChanges, type Row, watchChanges } from './changes.ts';
import { type Claim, INVARIANTS, type Seen, violations } from './invariants.ts';

const SCHEMA = 'escapement';
const MINUTE = 60_000;

const NOTHING: Seen = {
  ...{ workersBefore: [], changes: [], workers: [], allocs: [], evals: [], claims: [], schedules: [] },
  ...{ executions: [], asked: [], results: [], journal: [], capacities: {} },
};

/** The names of the invariants that are broken. */
const broken = (seen: Seen) => [...new Set(violations(seen).map((what) => what.split(':')[0]))];

describe('in the database', () => {
  let database: TestDatabase;
  let store: DatabaseStore;
  let sql: pg.Pool;
  beforeAll(async () => {
    database = await freshDatabase();
    store = await createPostgresStore({ url: database.url, schema: SCHEMA });
    sql = new pg.Pool({ connectionString: database.url, max: 2 });
    await watchChanges(sql, SCHEMA);
  });
  beforeEach(() => forgetChanges(sql));
  afterAll(async () => {
    await sql.end();
    await store.close();
    await database.drop();
  });

  /** What was seen of one pool; nobody works in the others any more. */
  async function seen(poolId: string, claims: readonly Claim[] = []): Promise<Seen> {
    const rows = async (table: string) =>
      (await sql.query<Row>(`SELECT * FROM ${SCHEMA}.${table} WHERE pool_id = $1`, [poolId])).rows;
    const changes = await readChanges(sql);
    return {
      ...NOTHING,
      changes: changes.filter(({ old, new: row }) => (row ?? old)?.['pool_id'] === poolId),
      workers: await rows('workers'),
      allocs: await rows('allocs'),
      evals: await rows('evals'),
      claims,
    };
  }

  /** A pool with one worker of two units, which outlives its allocs. */
  async function openPool() {
    const stage = await createStage(store, { workerTtlMs: 60 * MINUTE, allocTtlMs: MINUTE });
    await stage.worker('w1', 2);
    return stage;
  }

  /** Its grant is not taken up, passes on, and then its first holder comes back. */
  async function staleFinish(by: Pick<Store, 'finish'>) {
    const stage = await openPool();
    const { id, epoch } = await stage.granted('stale');
    await store.shiftClock(2 * MINUTE);
    const { grants } = await store.sweepPool(stage.poolId);
    expect(grants[0]?.epoch).toBeGreaterThan(epoch);
    const { accepted } = await by.finish({ poolId: stage.poolId, evalId: id, epoch, release: 'finished' });
    if (!accepted) await store.finish({ poolId: stage.poolId, evalId: id, release: 'withdrawn' });
    return seen(stage.poolId, accepted ? [{ evalId: id, epoch }] : []);
  }

  test('a store as it is breaks none', async () => {
    expect(violations(await staleFinish(store))).toEqual([]);
  });

  test('no check of the epoch', async () => {
    const careless = await staleFinish({
      finish: ({ epoch: _unchecked, ...request }) => store.finish({ ...request, release: 'withdrawn' }),
    });
    expect(broken(careless)).toEqual(['epoch']);
  });

  test('a release that gives back twice', async () => {
    const stage = await openPool();
    await sql.query(`
      CREATE FUNCTION ${SCHEMA}.again() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE ${SCHEMA}.workers SET used = used - OLD.size WHERE pool_id = OLD.pool_id AND id = OLD.worker_id;
        RETURN NULL;
      END $$;
      -- By the end of the transaction, when what the release itself changed has been seen.
      CREATE CONSTRAINT TRIGGER again AFTER DELETE ON ${SCHEMA}.allocs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.again()`);
    const one = await stage.granted('one');
    await stage.granted('two');
    await stage.finish(one);
    await sql.query(`DROP FUNCTION ${SCHEMA}.again() CASCADE`);
    expect(INVARIANTS['given back once'](await seen(stage.poolId))[0]).toMatch(
      /w1 says 0 units are in use, its allocs hold 1/,
    );
  });

  test("a process that goes by its own clock instead of the database's", async () => {
    const stage = await openPool();
    const alloc = await stage.granted('healthy');
    await stage.renew('w1', [alloc]);
    await sql.query(`
      CREATE OR REPLACE FUNCTION ${SCHEMA}.escapement_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
        SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + offset_ms
          + coalesce(current_setting('escapement.ahead_ms', true)::bigint, 0) FROM ${SCHEMA}.clock $$`);
    const ahead = new URL(database.url);
    ahead.searchParams.set('options', `-c escapement.ahead_ms=${2 * MINUTE}`);
    const other = await createPostgresStore({ url: ahead.href, schema: SCHEMA });
    await other.sweepPool(stage.poolId);
    await other.sweepPool(stage.poolId);
    await other.close();
    const names = broken(await seen(stage.poolId));
    expect(names).toContain('database clock');
    expect(names).toContain('expired in time');
  });

  test('more granted than there is', async () => {
    const stage = await openPool();
    await stage.granted('one');
    await sql.query(`
      WITH more AS (
        INSERT INTO ${SCHEMA}.allocs SELECT (jsonb_populate_record(a, '{"id": "two", "size": 2, "epoch": 1000000}')).*
        FROM ${SCHEMA}.allocs a WHERE pool_id = '${stage.poolId}' RETURNING size)
      UPDATE ${SCHEMA}.workers SET used = used + (SELECT sum(size) FROM more) WHERE pool_id = '${stage.poolId}'`);
    expect(INVARIANTS.capacity(await seen(stage.poolId))).toEqual(['worker w1 has 3 units granted of 2']);
  });

  test('capacity that never comes back', async () => {
    const stage = await openPool();
    await stage.granted('kept');
    await stage.allocate('waits', { size: 2 });
    expect(INVARIANTS['free when quiet'](await seen(stage.poolId))).toHaveLength(3);
  });

  test('a grant to a process that has left', async () => {
    const stage = await openPool();
    await stage.granted('one');
    const { rows } = await sql.query<Row>(`SELECT * FROM ${SCHEMA}.allocs WHERE pool_id = $1`, [
      stage.poolId,
    ]);
    await store.removeWorker(stage.poolId, 'w1');
    await sql.query(
      `INSERT INTO ${SCHEMA}.allocs SELECT (jsonb_populate_record(NULL::${SCHEMA}.allocs, $1::jsonb || '{"epoch": 1000000}')).*`,
      [JSON.stringify({ ...rows[0], explained: '' })],
    );
    expect(INVARIANTS['gone is gone'](await seen(stage.poolId))).toHaveLength(1);
  });

  test.each([
    ['that is noticed ends no run', { outage: true }, []],
    ['that nobody notices ends runs', {}, ['runs#1.0 expired though worker w1 had it']],
  ] as const)('an outage %s', async (_what, shift, wrong) => {
    const stage = await openPool();
    await stage.renew('w1', [await stage.granted('runs#1.0')]);
    await stage.sweep();
    await store.shiftClock(2 * MINUTE, shift);
    await stage.sweep();
    expect(nobodyExpired(await seen(stage.poolId))).toEqual(wrong);
  });

  test('an outage that ends workers', async () => {
    const stage = await openPool();
    await store.shiftClock(120 * MINUTE);
    await stage.sweep();
    expect(nobodyExpired(await seen(stage.poolId))).toEqual(['worker w1 expired though it was healthy']);
  });

  test('a worker that leaves before its result was taken in', async () => {
    const stage = await openPool();
    await stage.renew('w1', [await stage.granted('job/a#1.0')]);
    const begun = { what: 'begun', atMs: 0, invocationId: 'job/a', attempt: 1, size: 1 } as const;
    const journal: Seen['journal'] = [
      { ...begun, workerId: 'w1', pid: 7 },
      { ...begun, workerId: 'w1', pid: 7, what: 'done' },
    ];
    await store.removeWorker(stage.poolId, 'w1');
    const left = { ...(await seen(stage.poolId)), journal };
    expect(leftNothingUndone(left, 'w1', 8)).toEqual(['job/a#1.0 was given up when worker w1 left']);
  });
});

describe('in what was seen', () => {
  const fire = (seconds: number) => ({
    ...{ kind: 'fire', outcome: 'started', fromMs: seconds * 1_000, toMs: seconds * 1_000, count: 1 },
    invocationId: `schedule/s/${seconds}`,
  });
  const span = { kind: 'span', outcome: 'superseded', fromMs: 3_000, toMs: 4_000, count: 2 };
  const line = { atMs: 0, invocationId: 'job/a', attempt: 1, workerId: 'w1', pid: 7, size: 1 };
  const schedule = {
    id: 's',
    everyMs: 1_000,
    createdAtMs: 500,
    untilMs: 4_500,
    rows: [fire(1), fire(2), span],
  };
  const ids = ['schedule/s/1', 'schedule/s/2', 'job/a'];
  const well: Seen = {
    ...NOTHING,
    schedules: [schedule],
    executions: ids.map((invocationId) => ({
      invocationId,
      firstRunId: `run of ${invocationId}`,
      open: false,
    })),
    asked: ['job/a'],
    results: ids.map((invocationId) => ({ invocationId, status: 'succeeded', lost: 0 })),
    journal: [
      { ...line, what: 'begun' },
      { ...line, what: 'done' },
    ],
    capacities: { w1: 1 },
  };

  test('nothing is wrong where nothing is', () => {
    expect(violations(well)).toEqual([]);
  });

  test.each<readonly [string, keyof typeof INVARIANTS, Partial<Seen>]>([
    [
      'a second start of one nominal time',
      'one invocation',
      {
        executions: [
          ...well.executions,
          { invocationId: 'schedule/s/1', firstRunId: 'another', open: false },
        ],
      },
    ],
    [
      'a due time without a row',
      'due = sum of counts',
      { schedules: [{ ...schedule, rows: [fire(1), span] }] },
    ],
    [
      'two rows for one due time',
      'due = sum of counts',
      { schedules: [{ ...schedule, rows: [fire(1), fire(1), span] }] },
    ],
    ['a job that was never started', 'nothing lost', { asked: ['job/a', 'job/b'] }],
    ['a run without a result', 'nothing lost', { results: well.results.slice(1) }],
    [
      'a run that hangs',
      'nothing lost',
      { executions: well.executions.map((one) => ({ ...one, open: one.invocationId === 'job/a' })) },
    ],
    [
      'a worker that runs more than it offers',
      'units really in use',
      { journal: [...well.journal.slice(0, 1), { ...line, what: 'begun', invocationId: 'job/b' }] },
    ],
  ])('%s breaks "%s"', (_what, name, altered) => {
    expect(broken({ ...well, ...altered })).toContain(name);
  });

  test('a worker that was told to stop and let all finish has left nothing undone', () => {
    expect(leftNothingUndone(well, 'w1', 8)).toEqual([]);
  });

  test.each<readonly [string, Partial<Seen>, RegExp]>([
    [
      'a run that was begun a second time elsewhere',
      { journal: [...well.journal, { ...line, what: 'begun', workerId: 'w2', pid: 9 }] },
      /try 1 of job\/a was begun 2 times/,
    ],
    [
      'a run that says it was lost',
      { results: well.results.map((result) => ({ ...result, lost: 1 })) },
      /job\/a has lost 1 evaluations/,
    ],
    ['a worker that ran nothing', { journal: [] }, /w1 ran nothing/],
  ])('of a worker that was told to stop: %s', (_what, altered, wrong) => {
    expect(leftNothingUndone({ ...well, ...altered }, 'w1', 8)).toEqual([expect.stringMatching(wrong)]);
  });

  test('a thawed worker that goes on with what it has lost', () => {
    expect(stoppedItself(well, 7)).toEqual([]);
    expect(stoppedItself({ ...well, journal: well.journal.slice(0, 1) }, 7)).toHaveLength(1);
  });
});
