/** Two roles on a real PostgreSQL: the owner migrates, and everything runs with a role that may do no more than read and write rows. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPostgresStore } from '../../src/store/postgres.ts';
import { grantRunning } from '../../src/store/rights.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { freshDatabase } from '../support/shared.ts';
import { conformance } from './conformance.ts';
import { ledgerConformance } from './ledger-conformance.ts';
import { retentionConformance } from './retention-conformance.ts';
import type { OpenForTest } from './stage.ts';

const schema = 'escapement';
const role = `runs_${randomBytes(6).toString('hex')}`;
const password = randomBytes(12).toString('hex');

let roles: TestDatabase;

beforeAll(async () => {
  roles = await freshDatabase();
  await administer(roles.url, `CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
});
afterAll(async () => {
  await administer(roles.url, `DROP ROLE ${role}`);
  await roles.drop();
});

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function asRole({ url }: TestDatabase): string {
  const own = new URL(url);
  own.username = role;
  own.password = password;
  return own.href;
}

async function migrated(): Promise<TestDatabase> {
  const database = await freshDatabase();
  const owner = await createPostgresStore({ url: database.url, schema });
  await grantRunning(owner.database, role);
  await owner.close();
  return database;
}

const openRunning: OpenForTest = async () => {
  const database = await migrated();
  // Its stories move the clock, as nothing that runs may.
  await administer(database.url, `GRANT UPDATE ON ${schema}.clock TO ${role}`);
  const store = await createPostgresStore({ url: asRole(database), schema });
  return {
    store,
    async close() {
      await store.close();
      await database.drop();
    },
  };
};
conformance('PostgreSQL by a role with least rights', openRunning);
ledgerConformance('PostgreSQL by a role with least rights', openRunning);
retentionConformance('PostgreSQL by a role with least rights', openRunning);

describe('the role that runs', () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await migrated();
    client = new pg.Client({ connectionString: asRole(database) });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  test.each([
    `CREATE TABLE ${schema}.mine (a int)`,
    `DROP TABLE ${schema}.ledger`,
    `TRUNCATE ${schema}.ledger`,
    `ALTER TABLE ${schema}.ledger ADD COLUMN mine int`,
    `CREATE OR REPLACE FUNCTION ${schema}.escapement_now() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'`,
    `CREATE FUNCTION ${schema}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    `DROP SCHEMA ${schema} CASCADE`,
    'CREATE SCHEMA mine',
    `DELETE FROM ${schema}.kysely_migration`,
    `UPDATE ${schema}.clock SET offset_ms = 0`,
    `GRANT ALL ON ${schema}.ledger TO PUBLIC`,
  ])('may not %s', async (statement) => {
    // What it may not grant PostgreSQL leaves out with a warning, and nobody has it.
    const refused = await client.query(statement).then(
      () => 'done',
      (error: unknown) => (error instanceof pg.DatabaseError ? error.code : 'another error'),
    );
    if (!statement.startsWith('GRANT')) return expect(refused).toBe('42501');
    const { rows } = await client.query<{ granted: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC' AND table_schema = $1) AS granted`,
      [schema],
    );
    expect(rows[0]?.granted).toBe(false);
  });

  test('reads and writes rows of every table', async () => {
    const { rows } = await client.query<{ name: string; may: boolean }>(
      `SELECT table_name AS name, has_table_privilege(quote_ident(table_schema) || '.' || quote_ident(table_name),
        'SELECT, INSERT, UPDATE, DELETE') AS may
      FROM information_schema.tables WHERE table_schema = $1 AND table_name NOT LIKE 'kysely%'
        AND table_name <> 'clock'`,
      [schema],
    );
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter(({ may }) => !may)).toEqual([]);
  });
});

describe('migrating', () => {
  test('is asked for where the schema is not there and the role may not make it', async () => {
    const database = await freshDatabase();
    await expect(createPostgresStore({ url: asRole(database), schema })).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('escapement migrate'),
    });
    await database.drop();
  });

  test('by two owners at once, while those who run start too, ends well', async () => {
    const database = await freshDatabase();
    const owner = async () => {
      const store = await createPostgresStore({ url: database.url, schema, poolMax: 2 });
      await grantRunning(store.database, role);
      await store.close();
    };
    const runs = async () => {
      for (;;) {
        try {
          return await createPostgresStore({ url: asRole(database), schema, poolMax: 2 });
        } catch (error) {
          expect(error).toMatchObject({ code: 'Unavailable' });
        }
      }
    };
    const [, , one, other] = await Promise.all([owner(), owner(), runs(), runs()]);
    await one.createPool('shared');
    expect((await other.getPool('shared')).id).toBe('shared');
    await Promise.all([one.close(), other.close()]);
    await database.drop();
  });

  test('grants nothing to the owner itself, nor to a role that is not there', async () => {
    const database = await freshDatabase();
    const store = await createPostgresStore({ url: database.url, schema });
    const { username } = new URL(database.url);
    await expect(grantRunning(store.database, username)).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(grantRunning(store.database, 'nobody "here"')).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('CREATE ROLE'),
    });
    await store.close();
    await database.drop();
  });
});
