/**
 * A real PostgreSQL that writes through to the disk, for suites that measure the store: nothing is tuned but `fsync`, which
 * is as it comes (the tests switch it off). Promise: it is gone when the suite ends, however it ends.
 */
import { createPostgresStore } from '../src/store/postgres.ts';
import type { DatabaseStore } from '../src/store/create-store.ts';
import { createDatabase, startPostgres } from '../test/support/postgres.ts';
import type { SuiteContext } from './suite.ts';

export interface PostgresGround extends SuiteContext {
  /** Of an empty database. */
  readonly url: string;
  /** On the same database, in the schema `escapement`. */
  readonly store: DatabaseStore;
}

export async function onPostgres<T>(
  context: SuiteContext,
  use: (ground: PostgresGround) => Promise<T>,
): Promise<T> {
  const server = await startPostgres({
    settings: { fsync: 'on', shared_preload_libraries: 'pg_stat_statements' },
  });
  try {
    const { url } = await createDatabase(server.url);
    const store = await createPostgresStore({ url, schema: 'escapement' });
    try {
      return await use({ ...context, url, store });
    } finally {
      await store.close();
    }
  } finally {
    await server.stop();
  }
}
