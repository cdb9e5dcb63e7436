/**
 * The migrations in their order, for Kysely's Migrator. Forward only: a released file is never edited;
 * a change of the schema is a new file, named after its number, added at the end of this list.
 */
import { type Kysely, type Migration, type MigrationProvider, Migrator, sql } from 'kysely';
import { UnavailableError } from '../../contract/errors.ts';
import { sqlState } from '../database.ts';
import type { Tables } from '../tables.ts';
import { initial } from './0001-initial.ts';

/** What Kysely's Migrator keeps beside our tables. */
export const MIGRATION_TABLES = ['kysely_migration', 'kysely_migration_lock'] as const;

function migrationsOf(schema: string): Readonly<Record<string, Migration>> {
  return { '0001-initial': initial(schema) };
}

/**
 * Brings the schema up to date, which needs the rights of its owner only where there is something to do. Safe when
 * several processes start at once: Kysely's Migrator takes an advisory lock, and a schema that another starter has
 * just created is not an error. A schema that a newer version has brought further is left as it is.
 * @throws UnavailableError where it is behind and this role may not change it
 */
export async function migrate(db: Kysely<Tables>, schema: string): Promise<void> {
  const migrations = migrationsOf(schema);
  if (await isUpToDate(db, schema, Object.keys(migrations))) return;
  const provider: MigrationProvider = { getMigrations: async () => migrations };
  const migrator = new Migrator({ db, provider, migrationTableSchema: schema });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (sqlState(error) === NO_RIGHT) throw behind(schema, error);
  if (error instanceof Error) throw error;
  throw new Error('the schema could not be brought up to date', { cause: error });
}

const NO_RIGHT = '42501';
/** No such table, no such schema, or no right to look into it. */
const NOT_THERE: readonly (string | undefined)[] = ['42P01', '3F000', NO_RIGHT];

async function isUpToDate(db: Kysely<Tables>, schema: string, names: readonly string[]): Promise<boolean> {
  try {
    const { rows } = await sql<{
      name: string;
    }>`SELECT name FROM ${sql.id(schema, MIGRATION_TABLES[0])}`.execute(db);
    const done = new Set(rows.map(({ name }) => name));
    return names.every((name) => done.has(name));
  } catch (error) {
    if (NOT_THERE.includes(sqlState(error))) return false;
    throw error;
  }
}

function behind(schema: string, cause: unknown): UnavailableError {
  const advice =
    'it is not there, or older than this program, and the role in ESCAPEMENT_DATABASE_URL may not change it: ' +
    'run `escapement migrate --database-url <of its owner> --grant-to <this role>`';
  return new UnavailableError(`the database schema "${schema}"`, advice, { cause });
}
