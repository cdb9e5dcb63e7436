/**
 * The migrations in their order, for Kysely's Migrator. Forward only: a released file is never edited;
 * a change of the schema is a new file, named after its number, added at the end of this list.
 */
import { type Kysely, type Migration, type MigrationProvider, Migrator } from 'kysely';
import type { Tables } from '../tables.ts';
import { initial } from './0001-initial.ts';

function provider(schema: string): MigrationProvider {
  const migrations: Record<string, Migration> = { '0001-initial': initial(schema) };
  return { getMigrations: async () => migrations };
}

/**
 * Brings the schema up to date. Safe when several processes start at once: Kysely's Migrator takes
 * an advisory lock, and a schema that another starter has just created is not an error.
 */
export async function migrate(db: Kysely<Tables>, schema: string): Promise<void> {
  const migrator = new Migrator({ db, provider: provider(schema), migrationTableSchema: schema });
  const { error } = await migrator.migrateToLatest();
  if (error instanceof Error) throw error;
  if (error !== undefined) throw new Error('the schema could not be brought up to date', { cause: error });
}
