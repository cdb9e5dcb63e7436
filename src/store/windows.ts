/**
 * What a schedule's next run is told of those before it: where its window begins, and what the last successful run
 * returned. Written where a run's success is recorded, in the same transaction; read where capacity is asked for.
 * Promise: a window's end only grows; the result kept is that of the run that ended last, whatever order they come in.
 */
import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { SchedulePast, ScheduleRef } from '../contract/invocation.ts';
import { LAST_RESULT_BYTES_MAX } from '../core/limits.ts';
import type { Database } from './database.ts';
import { json, storable } from './rows.ts';
import type { FinishRequest } from './store.ts';
import type { TableNames, Tables } from './tables.ts';

/** Notes the successes among these ends. */
export async function moveWindows(
  trx: Transaction<Tables> | Kysely<Tables>,
  t: TableNames,
  ends: readonly Pick<FinishRequest, 'run' | 'succeeded'>[],
): Promise<void> {
  for (const statement of windowStatements(t, ends)) await statement.execute(trx);
}

/** What `moveWindows` does; nothing where none has succeeded. */
export function windowStatements(
  t: TableNames,
  ends: readonly Pick<FinishRequest, 'run' | 'succeeded'>[],
): readonly RawBuilder<unknown>[] {
  const rows = ends.flatMap(({ run, succeeded }) => {
    if (run === undefined || succeeded === undefined) return [];
    const result = json(run.result);
    const tooLarge = Buffer.byteLength(result) > LAST_RESULT_BYTES_MAX;
    return {
      schedule_id: succeeded.scheduleId,
      creation: succeeded.creation,
      to_ms: succeeded.windowToMs,
      invocation_id: run.invocationId,
      ended_at_ms: run.endedAtMs,
      returned: run.result !== undefined,
      result: tooLarge || run.result === undefined ? null : run.result,
      too_large: tooLarge,
    };
  });
  if (rows.length === 0) return [];
  // In the order of their keys, so that two pools' transactions wait for each other and do not lock each other out.
  const statement = sql`
    WITH given AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${json(rows)}::jsonb) AS r(schedule_id text, creation text, to_ms bigint,
        invocation_id text, ended_at_ms bigint, returned boolean, result jsonb, too_large boolean)
    ), newest AS (
      SELECT DISTINCT ON (schedule_id, creation) *, max(to_ms) OVER (PARTITION BY schedule_id, creation) AS furthest_ms
      FROM given ORDER BY schedule_id, creation, ended_at_ms DESC, invocation_id DESC
    )
    INSERT INTO ${t.windows} AS old
      (schedule_id, creation, to_ms, invocation_id, ended_at_ms, returned, result, too_large)
    SELECT schedule_id, creation, furthest_ms, invocation_id, ended_at_ms, returned, result, too_large
    FROM newest ORDER BY schedule_id, creation
    ON CONFLICT (schedule_id, creation) DO UPDATE SET
      to_ms = greatest(old.to_ms, excluded.to_ms),
      invocation_id = CASE WHEN excluded.ended_at_ms >= old.ended_at_ms THEN excluded.invocation_id ELSE old.invocation_id END,
      returned = CASE WHEN excluded.ended_at_ms >= old.ended_at_ms THEN excluded.returned ELSE old.returned END,
      result = CASE WHEN excluded.ended_at_ms >= old.ended_at_ms THEN excluded.result ELSE old.result END,
      too_large = CASE WHEN excluded.ended_at_ms >= old.ended_at_ms THEN excluded.too_large ELSE old.too_large END,
      ended_at_ms = greatest(old.ended_at_ms, excluded.ended_at_ms)`;
  return [statement];
}

/** Empty where no run of this creation of the schedule has succeeded yet. */
export async function readPast({ db }: Database, schedule: ScheduleRef): Promise<SchedulePast> {
  const row = await db
    .selectFrom('windows')
    .selectAll()
    .where('schedule_id', '=', storable(schedule.scheduleId))
    .where('creation', '=', storable(schedule.creation))
    .executeTakeFirst();
  if (row === undefined) return {};
  return {
    ...(row.to_ms !== null && { windowToMs: row.to_ms }),
    lastResult: {
      invocationId: row.invocation_id,
      endedAtMs: row.ended_at_ms,
      ...(row.too_large ? { tooLarge: true as const } : row.returned && { result: row.result }),
    },
  };
}
