/**
 * How long the record is kept: rows of the ledger and records of runs that are older than a given time go, a bounded batch at
 * a time. Called by the gateways' periodic task. Promise: of several callers at one time one works and the others
 * find nothing to do; dead letters stay until somebody has dealt with them, and what a schedule's next run is told stays for
 * as long as the schedule exists, which only Temporal knows: its callers ask. It may not import Temporal.
 */
import { sql } from 'kysely';
import type { ScheduleRef } from '../contract/invocation.ts';
import { limitOf, pageOf, readCursor } from './cursor.ts';
import type { Database } from './database.ts';
import { json } from './rows.ts';
import type { Page, PageRequest, RetentionResult } from './store.ts';

/** Of each table in one call: some ten milliseconds, so that fires that write meanwhile are not held up. */
const REMOVED_MAX = 1_000;

/**
 * A row counts as old when both its due time and its recording are: a backfill of last year stays as long as a fire of
 * today. Both deletions walk the indexes that the listings use, from their old ends.
 */
export async function removeExpired(database: Database, keptMs: number): Promise<RetentionResult> {
  const removed = await removeRows(database, keptMs);
  if (!removed.more) await forgetRunTimes(database, keptMs);
  return removed;
}

function removeRows(database: Database, keptMs: number): Promise<RetentionResult> {
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

/** A count that grows is marked so often in the time for which it is kept. */
const MARKS = 10;

/**
 * How long a target's runs took is counted without a look at the time, so a count that has not changed from one mark to the next is
 * old. What a run that ends is counting right now is passed over: this must not wait for it, nor it for more than a moment.
 */
async function forgetRunTimes({ db, t }: Database, keptMs: number): Promise<void> {
  await sql`
    UPDATE ${t.run_times} SET runs_seen = runs, seen_at_ms = ${t.now} WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM ${t.run_times}
      WHERE runs <> runs_seen AND seen_at_ms < ${t.now} - ${Math.ceil(keptMs / MARKS)}::bigint
      LIMIT ${sql.lit(REMOVED_MAX)} FOR UPDATE SKIP LOCKED))`.execute(db);
  await sql`
    DELETE FROM ${t.run_times} WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM ${t.run_times} WHERE runs = runs_seen AND seen_at_ms < ${t.now} - ${keptMs}::bigint
      LIMIT ${sql.lit(REMOVED_MAX)} FOR UPDATE SKIP LOCKED))`.execute(db);
}

interface WindowKey {
  readonly schedule_id: string;
  readonly creation: string;
}

export async function listQuietSchedules(
  { db, t }: Database,
  keptMs: number,
  page?: PageRequest,
): Promise<Page<ScheduleRef>> {
  const limit = limitOf(page);
  const [scheduleId, creation] = readCursor(page, ['string', 'string']) ?? ['', ''];
  const { rows } = await sql<WindowKey>`
    SELECT schedule_id, creation FROM ${t.windows}
    WHERE (schedule_id, creation) > (${scheduleId}, ${creation})
      AND ended_at_ms < ${t.now} - ${keptMs}::bigint
    ORDER BY schedule_id, creation LIMIT ${limit + 1}`.execute(db);
  return pageOf(
    rows,
    limit,
    (row) => ({ scheduleId: row.schedule_id, creation: row.creation }),
    (row) => [row.schedule_id, row.creation],
  );
}

export async function forgetSchedules(
  { db, t }: Database,
  schedules: readonly ScheduleRef[],
  keptMs: number,
): Promise<number> {
  if (schedules.length === 0) return 0;
  const given = schedules.map((ref) => ({ schedule_id: ref.scheduleId, creation: ref.creation }));
  const { numAffectedRows } = await sql`
    DELETE FROM ${t.windows} w USING jsonb_to_recordset(${json(given)}::jsonb) AS g(schedule_id text, creation text)
    WHERE w.schedule_id = g.schedule_id AND w.creation = g.creation
      AND w.ended_at_ms < ${t.now} - ${keptMs}::bigint`.execute(db);
  return Number(numAffectedRows ?? 0);
}
