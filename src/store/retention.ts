/**
 * How long the record is kept: rows of the ledger and records of runs that are older than a given time go, a bounded batch at
 * a time. Called by the gateways' periodic task. Promise: of several callers at one time one works and the others
 * find nothing to do; dead letters stay until somebody has dealt with them. It may not import Temporal.
 */
import { sql } from 'kysely';
import type { Database } from './database.ts';
import type { RetentionResult } from './store.ts';

/** Of each table in one call: some ten milliseconds, so that fires that write meanwhile are not held up. */
const REMOVED_MAX = 1_000;

/**
 * A row counts as old when both its due time and its recording are: a backfill of last year stays as long as a fire of
 * today. Both deletions walk the indexes that the listings use, from their old ends.
 */
export function removeExpired(database: Database, keptMs: number): Promise<RetentionResult> {
  const { t } = database;
  return database.transaction(async (trx) => {
    const turn = await sql`SELECT one FROM ${t.retention} FOR UPDATE SKIP LOCKED`.execute(trx);
    if (turn.rows.length === 0) return { fires: 0, runs: 0, more: false };
    const { rows: clock } = await sql<{ before_ms: number }>`
      SELECT ${t.now} - ${keptMs}::bigint AS before_ms`.execute(trx);
    const beforeMs = clock[0]?.before_ms ?? 0;
    const fires = await sql`
      DELETE FROM ${t.ledger} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ${t.ledger} WHERE to_ms < ${beforeMs} AND recorded_at_ms < ${beforeMs}
        ORDER BY to_ms LIMIT ${sql.lit(REMOVED_MAX)}))`.execute(trx);
    const runs = await sql`
      DELETE FROM ${t.runs} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ${t.runs} WHERE ended_at_ms < ${beforeMs}
        ORDER BY ended_at_ms LIMIT ${sql.lit(REMOVED_MAX)}))`.execute(trx);
    const removed = { fires: Number(fires.numAffectedRows ?? 0), runs: Number(runs.numAffectedRows ?? 0) };
    return { ...removed, more: removed.fires === REMOVED_MAX || removed.runs === REMOVED_MAX };
  });
}
