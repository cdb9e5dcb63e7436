/** Batches close behind each other on a PostgreSQL of their own that is killed: what was answered is there afterwards. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UnavailableError } from '../../src/contract/errors.ts';
import { createPostgresStore } from '../../src/store/postgres.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { createStage } from './stage.ts';

/** More than one batch takes, so that batches follow each other. */
const CALLERS = 256;
/** Grants before the crash. */
const GRANTS = 5_000;

describe('a server that is killed in the middle of a crowd', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    // Nothing but a commit that waits for it brings what was written to the disk.
    const settings = { wal_writer_delay: '10s', wal_writer_flush_after: '1GB', wal_buffers: '64MB' };
    server = await startPostgres({ settings });
  });
  afterAll(() => server.stop());

  test('still has every grant that was answered', async () => {
    const before = await createPostgresStore({ url: server.url, schema: 'escapement' });
    const { poolId, worker, granted } = await createStage(before);
    await Promise.all(Array.from({ length: 100 }, (_, n) => worker(`w-${n}`, 1_000)));
    const answered: string[] = [];
    let crashed: Promise<void> | undefined;
    const caller = async (n: number) => {
      for (let round = 0; crashed === undefined; round += 1) {
        answered.push((await granted(`g-${n}-${round}`)).id);
        if (answered.length >= GRANTS) crashed ??= server.crash();
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: CALLERS }, (_, n) => caller(n)));
    await crashed;
    for (const one of ended) {
      if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(UnavailableError);
    }
    await before.close();
    await server.startAgain();
    const after = await createPostgresStore({ url: server.url, schema: 'escapement' });
    const { rows } = await after.database.db
      .selectFrom('allocs')
      .select('id')
      .where('pool_id', '=', poolId)
      .execute()
      .then((found) => ({ rows: new Set(found.map(({ id }) => id)) }));
    await after.close();
    expect(answered.filter((id) => !rows.has(id))).toEqual([]);
  });
});
