/** The store on real PostgreSQL: the common suite, starters side by side, and a database out of reach. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPostgresStore } from '../../src/store/postgres.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { freshDatabase } from '../support/shared.ts';
import { calendarConformance } from './calendar-conformance.ts';
import { conformance } from './conformance.ts';
import { ledgerConformance } from './ledger-conformance.ts';
import { outageConformance } from './outage-conformance.ts';
import { retentionConformance } from './retention-conformance.ts';
import type { OpenForTest } from './stage.ts';
import { windowsConformance } from './windows-conformance.ts';

const openFresh: OpenForTest = async () => {
  const database = await freshDatabase();
  const store = await createPostgresStore({ url: database.url, schema: 'escapement' });
  return {
    store,
    async close() {
      await store.close();
      await database.drop();
    },
  };
};
conformance('PostgreSQL', openFresh);
ledgerConformance('PostgreSQL', openFresh);
calendarConformance('PostgreSQL', openFresh);
outageConformance('PostgreSQL', openFresh);
retentionConformance('PostgreSQL', openFresh);
windowsConformance('PostgreSQL', openFresh);

describe('opening PostgreSQL', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  test('several starters at once bring the schema up together, and deployments keep apart', async () => {
    const schemas = ['escapement', 'escapement', 'escapement', 'escapement_other'];
    const stores = await Promise.all(
      schemas.map((schema) => createPostgresStore({ url: database.url, schema, poolMax: 2 })),
    );
    const [first, second, , other] = stores;
    await first?.createPool('shared');
    expect((await second?.getPool('shared'))?.id).toBe('shared');
    await expect(other?.getPool('shared')).rejects.toMatchObject({ code: 'PoolNotExists' });
    await Promise.all(stores.map((store) => store.close()));
  });

  test('a database out of reach is named, with what to do, and without the password', async () => {
    const absent = new URL(database.url);
    absent.pathname = '/nowhere';
    const wrong = new URL(database.url);
    wrong.password = 'hunter2';
    const closed = 'postgres://me:hunter2@127.0.0.1:1/mine';
    for (const [url, said] of [
      [absent.href, 'does not exist'],
      [wrong.href, 'password is wrong'],
      [closed, 'nothing listens there'],
    ] as const) {
      const error: unknown = await createPostgresStore({ url, schema: 'escapement' }).catch(
        (e: unknown) => e,
      );
      expect(error).toMatchObject({ code: 'Unavailable', message: expect.stringContaining(said) });
      expect(String(error)).toContain('127.0.0.1');
      expect(String(error)).not.toContain('hunter2');
    }
    await expect(
      createPostgresStore({ url: 'mysql://x:hunter2@y', schema: 'escapement' }),
    ).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.not.stringContaining('hunter2'),
    });
  });

  test('connections cut while idle harm nobody; the next call uses a new one', async () => {
    const store = await createPostgresStore({ url: database.url, schema: 'escapement' });
    const cutter = await createPostgresStore({ url: database.url, schema: 'escapement_cutter' });
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'escapement escapement' AND datname = current_database()`.execute(
      cutter.database.db,
    );
    // The cut may be noticed only by the first call that uses the connection.
    await store.getPool('none').catch(() => undefined);
    await expect(store.getPool('none')).rejects.toMatchObject({ code: 'PoolNotExists' });
    await Promise.all([store.close(), cutter.close()]);
  });
});
