/**
 * Two roles for one schema: its owner, who migrates, and one for the processes that run, which may read and write rows and
 * nothing else. Called by `escapement migrate`. Promise: granting again after a migration is all that new tables need.
 */
import { sql } from 'kysely';
import { InvalidInputError } from '../contract/errors.ts';
import { type Database, sqlState } from './database.ts';
import { MIGRATION_TABLES } from './migrations/index.ts';

const NO_SUCH_ROLE = '42704';

/**
 * Gives `role` what workers and gateways need, and takes from it what is more than that.
 * @throws InvalidInputError where there is no such role, or it is the one that grants
 */
export async function grantRunning({ schema, transaction }: Database, role: string): Promise<void> {
  const [place, to] = [sql.id(schema), sql.id(role)];
  const readOnly = sql.join([...MIGRATION_TABLES, 'clock'].map((table) => sql.id(schema, table)));
  try {
    await transaction(async (trx) => {
      // Two that grant at once would stumble over each other in PostgreSQL's own tables.
      await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`escapement grants ${schema}`}, 0))`.execute(
        trx,
      );
      const { rows } = await sql<{ owns: boolean }>`SELECT current_user = ${role} AS owns`.execute(trx);
      if (rows[0]?.owns === true)
        throw refused(`"${role}" is the owner itself: name the role of workers and gateways`);
      for (const statement of [
        sql`REVOKE ALL ON SCHEMA ${place} FROM ${to}`,
        sql`REVOKE ALL ON ALL TABLES IN SCHEMA ${place} FROM ${to}`,
        sql`GRANT USAGE ON SCHEMA ${place} TO ${to}`,
        sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${place} TO ${to}`,
        sql`GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${place} TO ${to}`,
        sql`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${place} TO ${to}`,
        // It looks how far the schema is and what time it is; whoever moved the clock would make every TTL expire.
        sql`REVOKE INSERT, UPDATE, DELETE ON ${readOnly} FROM ${to}`,
      ]) {
        await statement.execute(trx);
      }
    });
  } catch (error) {
    if (sqlState(error) !== NO_SUCH_ROLE) throw error;
    throw refused(
      `there is no role "${role}": make it first, by CREATE ROLE "${role}" LOGIN PASSWORD '…'`,
      error,
    );
  }
}

function refused(message: string, cause?: unknown): InvalidInputError {
  return new InvalidInputError('migrate', [{ path: '--grant-to', message }], { cause });
}
