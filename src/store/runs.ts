/**
 * The records of invocations that are over, and the dead letters. Called by the batch, and by the store's
 * readers. Promise: writing one again replaces it; a page never exceeds its limit.
 */
import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import { NotExistsError } from '../contract/errors.ts';
import type { DeadLetter, RunRecord } from '../contract/ledger.ts';
import { limitOf, pageOf, readCursor } from './cursor.ts';
import type { Database } from './database.ts';
import { STORIES_KEPT_MAX } from '../core/limits.ts';
import { json, storable } from './rows.ts';
import type { FinishRequest, Page, PageRequest } from './store.ts';
import type { TableNames, Tables } from './tables.ts';

/** Writes runs and dead letters of all these ends; of two for one invocation the later counts. */
export async function writeEnds(
  trx: Transaction<Tables> | Kysely<Tables>,
  t: TableNames,
  ends: readonly Pick<FinishRequest, 'run' | 'deadLetter'>[],
): Promise<void> {
  for (const statement of endStatements(t, ends)) await statement.execute(trx);
}

/** What `writeEnds` does, to be done in this order. */
export function endStatements(
  t: TableNames,
  ends: readonly Pick<FinishRequest, 'run' | 'deadLetter'>[],
): readonly RawBuilder<unknown>[] {
  const statements: RawBuilder<unknown>[] = [];
  const runs = new Map(
    ends.flatMap(({ run }) => (run === undefined ? [] : [[run.invocationId, run] as const])),
  );
  if (runs.size > 0) {
    statements.push(sql`
      INSERT INTO ${t.runs} AS old (invocation_id, schedule_id, job_id, status, ended_at_ms, record, evals)
      SELECT r->>'invocationId', r->>'scheduleId', r->>'jobId', r->>'status', (r->>'endedAtMs')::bigint, r,
        (SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(d) - 'pool_id' - 'epoch' - 'looked_at_ms')) FROM (
          SELECT * FROM ${t.ended} d WHERE d.pool_id = r->>'poolId' AND ${isEvalOf(sql`d.id`, sql`r->>'invocationId'`)}
          ORDER BY ended_at_ms DESC, id DESC LIMIT ${sql.lit(STORIES_KEPT_MAX)}) d)
      FROM jsonb_array_elements(${json([...runs.values()])}::jsonb) AS r
      ON CONFLICT (invocation_id) DO UPDATE SET status = excluded.status,
        ended_at_ms = excluded.ended_at_ms, record = excluded.record, evals = coalesce(excluded.evals, old.evals)`);
  }
  const letters = new Map(
    ends.flatMap(({ deadLetter: d }) => (d === undefined ? [] : [[d.invocationId, d] as const])),
  );
  if (letters.size === 0) return statements;
  statements.push(sql`
    INSERT INTO ${t.dead_letters} (invocation_id, at_ms, letter)
    SELECT d->>'invocationId', (d->>'atMs')::bigint, d
    FROM jsonb_array_elements(${json([...letters.values()])}::jsonb) AS d
    ON CONFLICT (invocation_id) DO UPDATE SET at_ms = excluded.at_ms, letter = excluded.letter`);
  return statements;
}

/** In SQL: the eval's id is `<invocation>#<attempt>.<evaluation>`; a range of the index first, then exactly. */
export function isEvalOf(id: RawBuilder<unknown>, invocationId: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`${id} >= (${invocationId}) || '#' AND ${id} < (${invocationId}) || '$'
    AND substr(${id}, length(${invocationId}) + 2) ~ '^[0-9]+[.][0-9]+$'`;
}

export async function getRun({ db }: Database, invocationId: string): Promise<RunRecord> {
  const row = await db
    .selectFrom('runs')
    .select('record')
    .where('invocation_id', '=', storable(invocationId))
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
export function listRuns(
  { db, t }: Database,
  filter: RunFilter,
  page?: PageRequest,
): Promise<Page<RunRecord>> {
  const conditions = [
    ...(filter.scheduleId === undefined ? [] : [sql`schedule_id = ${storable(filter.scheduleId)}`]),
    ...(filter.jobId === undefined ? [] : [sql`job_id = ${storable(filter.jobId)}`]),
    ...(filter.status === undefined ? [] : [sql`status = ${filter.status}`]),
  ];
  const records = { table: t.runs, atMs: sql.ref('ended_at_ms'), item: sql.ref('record'), conditions };
  return newestOf<RunRecord>(db, records, page);
}

/** Newest first. */
export function listDeadLetters({ db, t }: Database, page?: PageRequest): Promise<Page<DeadLetter>> {
  const letters = {
    table: t.dead_letters,
    atMs: sql.ref('at_ms'),
    item: sql.ref('letter'),
    conditions: [],
  };
  return newestOf<DeadLetter>(db, letters, page);
}

/** Tables of one json document for each invocation, each with an instant. */
interface Documents {
  readonly table: RawBuilder<unknown>;
  readonly atMs: RawBuilder<unknown>;
  readonly item: RawBuilder<unknown>;
  readonly conditions: readonly RawBuilder<unknown>[];
}

/** A page of documents, the newest first, those of one instant by their ids. */
async function newestOf<T>(
  db: Kysely<Tables>,
  { table, atMs, item, conditions }: Documents,
  page?: PageRequest,
): Promise<Page<T>> {
  const limit = limitOf(page);
  const after = readCursor(page, ['number', 'string']);
  const all = [sql`true`, ...conditions];
  if (after !== undefined) {
    const [lastAtMs, lastId] = after;
    all.push(sql`(${atMs} < ${lastAtMs} OR (${atMs} = ${lastAtMs} AND invocation_id > ${lastId}))`);
  }
  const { rows } = await sql<{ item: T; at_ms: number; invocation_id: string }>`
    SELECT ${item} AS item, ${atMs} AS at_ms, invocation_id FROM ${table} WHERE ${sql.join(all, sql` AND `)}
    ORDER BY ${atMs} DESC, invocation_id LIMIT ${limit + 1}`.execute(db);
  return pageOf(
    rows,
    limit,
    (row) => row.item,
    (row) => [row.at_ms, row.invocation_id],
  );
}
