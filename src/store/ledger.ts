/**
 * The ledger: one row for every due time. Written by `advance`, read by SDK, gateway and CLI.
 * Promise: a row that is there already stays as it is, so writing again after a lost reply is harmless. But what
 * a lost workflow task skipped and its next try has started is `started`, and what was held gets its outcome when it is
 * restored.
 */
import { sql } from 'kysely';
import type { Fire, LedgerRow, Outcome, RunRecord } from '../contract/ledger.ts';
import { limitOf, pageOf, readCursor } from './cursor.ts';
import type { Database } from './database.ts';
import { json, storable } from './rows.ts';
import type { Page, PageRequest } from './store.ts';
import type { LedgerTableRow } from './tables.ts';

/** Answers how many rows were written: new ones, and skipped ones that have started after all. */
export async function writeLedger(database: Database, rows: readonly LedgerRow[]): Promise<number> {
  if (rows.length === 0) return 0;
  const { db, t } = database;
  const param = rows.map((row) => ({
    schedule_id: row.scheduleId,
    creation: row.creation,
    key: row.key,
    kind: row.kind,
    outcome: row.outcome,
    reason: row.reason,
    from_ms: row.fromMs,
    to_ms: row.toMs,
    count: row.count,
    invocation_id: row.invocationId,
    blocked_by: row.blockedBy,
    decided_at_ms: row.decidedAtMs,
  }));
  const written = await sql<{ n: number }>`
    WITH clock AS MATERIALIZED (SELECT ${t.now} AS now_ms), new AS (
      INSERT INTO ${t.ledger} AS old
      SELECT DISTINCT ON (r.schedule_id, r.creation, r.key) r.*, clock.now_ms FROM clock, jsonb_to_recordset(${json(param)}::jsonb) AS r(
        schedule_id text, creation text, key text, kind text, outcome text, reason text, from_ms bigint,
        to_ms bigint, count integer, invocation_id text, blocked_by text, decided_at_ms bigint)
      ORDER BY r.schedule_id, r.creation, r.key, r.outcome IN ('started', 'moved') DESC, r.outcome = 'held'
      ON CONFLICT (schedule_id, creation, key) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason,
        invocation_id = excluded.invocation_id, blocked_by = excluded.blocked_by,
        decided_at_ms = excluded.decided_at_ms, recorded_at_ms = excluded.recorded_at_ms
        WHERE (old.outcome = 'skipped-overlap' AND excluded.outcome IN ('started', 'moved'))
          OR (old.outcome = 'held' AND excluded.outcome <> 'held')
      RETURNING 1)
    SELECT count(*) AS n FROM new`.execute(db);
  return written.rows[0]?.n ?? 0;
}

export interface FireFilter {
  readonly scheduleId?: string;
  /** Due at or after. */
  readonly fromMs?: number;
  /** Due before. */
  readonly untilMs?: number;
  readonly outcome?: Outcome;
}

/** Newest due time first, each with the record of its run where that is over. */
export async function listFires(
  database: Database,
  filter: FireFilter,
  page?: PageRequest,
): Promise<Page<Fire>> {
  const { db, t } = database;
  const limit = limitOf(page);
  const after = readCursor(page, ['number', 'string', 'string', 'string']);
  const conditions = [sql`true`];
  if (filter.scheduleId !== undefined) conditions.push(sql`l.schedule_id = ${storable(filter.scheduleId)}`);
  if (filter.fromMs !== undefined) conditions.push(sql`l.to_ms >= ${filter.fromMs}`);
  if (filter.untilMs !== undefined) conditions.push(sql`l.to_ms < ${filter.untilMs}`);
  // Written out, so that the planner sees that the index of all but the started rows will do.
  if (filter.outcome !== undefined) conditions.push(sql`l.outcome = ${sql.lit(filter.outcome)}`);
  if (after !== undefined) {
    const [toMs, ...key] = after;
    conditions.push(sql`(l.to_ms < ${toMs} OR (l.to_ms = ${toMs}
      AND (l.schedule_id, l.creation, l.key) > (${sql.join(key)})))`);
  }
  const { rows } = await sql<LedgerTableRow & { record: RunRecord | null }>`
    SELECT l.*, r.record FROM ${t.ledger} l LEFT JOIN ${t.runs} r ON r.invocation_id = l.invocation_id
    WHERE ${sql.join(conditions, sql` AND `)}
    ORDER BY l.to_ms DESC, l.schedule_id, l.creation, l.key LIMIT ${limit + 1}`.execute(db);
  return pageOf(rows, limit, fireOf, (row) => [row.to_ms, row.schedule_id, row.creation, row.key]);
}

function fireOf(row: LedgerTableRow & { record: RunRecord | null }): Fire {
  return {
    scheduleId: row.schedule_id,
    creation: row.creation,
    key: row.key,
    kind: row.kind,
    outcome: row.outcome as Outcome,
    ...(row.reason === null ? {} : { reason: row.reason }),
    fromMs: row.from_ms,
    toMs: row.to_ms,
    count: row.count,
    ...(row.invocation_id === null ? {} : { invocationId: row.invocation_id }),
    ...(row.blocked_by === null ? {} : { blockedBy: row.blocked_by }),
    decidedAtMs: row.decided_at_ms,
    recordedAtMs: row.recorded_at_ms,
    ...(row.record === null ? {} : { run: row.record }),
  };
}
