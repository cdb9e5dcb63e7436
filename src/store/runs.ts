/**
 * The records of invocations that are over, and the dead letters. Called by the batch, and by the store's
 * readers. Promise: writing one again replaces it; a page never exceeds its limit.
 */
import { sql, type Transaction, type Kysely } from 'kysely';
import { NotExistsError } from '../contract/errors.ts';
import type { DeadLetter, RunRecord } from '../contract/ledger.ts';
import { limitOf, pageOf, readCursor } from './cursor.ts';
import type { Database } from './database.ts';
import { json } from './rows.ts';
import type { FinishRequest, Page, PageRequest } from './store.ts';
import type { TableNames, Tables } from './tables.ts';

/** Writes runs and dead letters of all these ends; of two for one invocation the later counts. */
export async function writeEnds(
  trx: Transaction<Tables> | Kysely<Tables>,
  t: TableNames,
  ends: readonly Pick<FinishRequest, 'run' | 'deadLetter'>[],
): Promise<void> {
  const runs = new Map(
    ends.flatMap(({ run }) => (run === undefined ? [] : [[run.invocationId, run] as const])),
  );
  if (runs.size > 0) {
    await sql`
      INSERT INTO ${t.runs} (invocation_id, schedule_id, job_id, status, ended_at_ms, record)
      SELECT r->>'invocationId', r->>'scheduleId', r->>'jobId', r->>'status', (r->>'endedAtMs')::bigint, r
      FROM jsonb_array_elements(${json([...runs.values()])}::jsonb) AS r
      ON CONFLICT (invocation_id) DO UPDATE SET status = excluded.status,
        ended_at_ms = excluded.ended_at_ms, record = excluded.record`.execute(trx);
  }
  const letters = new Map(
    ends.flatMap(({ deadLetter: d }) => (d === undefined ? [] : [[d.invocationId, d] as const])),
  );
  if (letters.size === 0) return;
  await sql`
    INSERT INTO ${t.dead_letters} (invocation_id, at_ms, letter)
    SELECT d->>'invocationId', (d->>'atMs')::bigint, d
    FROM jsonb_array_elements(${json([...letters.values()])}::jsonb) AS d
    ON CONFLICT (invocation_id) DO UPDATE SET at_ms = excluded.at_ms, letter = excluded.letter`.execute(trx);
}

export async function getRun({ db }: Database, invocationId: string): Promise<RunRecord> {
  const row = await db
    .selectFrom('runs')
    .select('record')
    .where('invocation_id', '=', invocationId)
    .executeTakeFirst();
  if (row !== undefined) return row.record as RunRecord;
  throw new NotExistsError(
    'InvocationNotExists',
    `no finished invocation "${invocationId}" is recorded: it may still run, or its record was removed`,
    { invocationId },
  );
}

export interface RunFilter {
  readonly scheduleId?: string;
  readonly jobId?: string;
  readonly status?: string;
}

/** Newest end first. */
export async function listRuns(
  { db }: Database,
  filter: RunFilter,
  page?: PageRequest,
): Promise<Page<RunRecord>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['number', 'string']);
  let query = db.selectFrom('runs').select(['record', 'ended_at_ms', 'invocation_id']);
  if (filter.scheduleId !== undefined) query = query.where('schedule_id', '=', filter.scheduleId);
  if (filter.jobId !== undefined) query = query.where('job_id', '=', filter.jobId);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (after !== undefined) {
    const [endedAtMs, id] = after;
    query = query.where(
      sql<boolean>`(ended_at_ms < ${endedAtMs} OR (ended_at_ms = ${endedAtMs} AND invocation_id > ${id}))`,
    );
  }
  const rows = await query
    .orderBy('ended_at_ms', 'desc')
    .orderBy('invocation_id')
    .limit(limit + 1)
    .execute();
  return pageOf(
    rows,
    limit,
    (row) => row.record as RunRecord,
    (row) => [row.ended_at_ms, row.invocation_id],
  );
}

/** Newest first. */
export async function listDeadLetters({ db }: Database, page?: PageRequest): Promise<Page<DeadLetter>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['number', 'string']);
  let query = db.selectFrom('dead_letters').selectAll();
  if (after !== undefined) {
    const [atMs, id] = after;
    query = query.where(sql<boolean>`(at_ms < ${atMs} OR (at_ms = ${atMs} AND invocation_id > ${id}))`);
  }
  const rows = await query
    .orderBy('at_ms', 'desc')
    .orderBy('invocation_id')
    .limit(limit + 1)
    .execute();
  return pageOf(
    rows,
    limit,
    (row) => row.letter as DeadLetter,
    (row) => [row.at_ms, row.invocation_id],
  );
}
