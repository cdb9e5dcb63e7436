/**
 * Runs on the full path, from trigger to record: each is triggered at its schedule, started as a workflow, granted
 * capacity, run as an activity on a pool worker, and recorded. Used by `suite.ts`, and by the suite `memory` for its load.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { eachAtOnce } from '../../src/client/each-at-once.ts';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { Schedules } from '../../src/client/schedules.ts';
import { UnavailableError } from '../../src/contract/errors.ts';
import type { Names } from '../../src/contract/ids.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { eventually, type Ground } from '../ground.ts';
import type { PoolOptions } from '../product.ts';

/** As the SDK allows 100 messages a second for one schedule. */
const SCHEDULES = 20;
const AT_ONCE = 64;
export const FULL_PATH_POOL: PoolOptions = { poolId: 'full-path', capacity: AT_ONCE };
const WITHIN_MS = 300_000;
const TRIES_MAX = 10;

/** Makes ready, on the product that runs already; the answer runs so many and tells how many that is in a second. */
export async function openFullPath(
  ground: Ground,
  names: Names,
  store: DatabaseStore,
): Promise<(count: number) => Promise<number>> {
  const schedules = new Schedules(ground.client, names);
  const handles = await Promise.all(
    Array.from({ length: SCHEDULES }, (_, n) =>
      schedules.create(`path-${n}`, {
        ...{ spec: 'triggered', overlap: 'allowAll', target: 'noop', pool: FULL_PATH_POOL.poolId },
      }),
    ),
  );
  const { db, t } = store.database;
  const recorded = async (): Promise<number> => {
    const { rows } = await sql<{ n: number }>`SELECT count(*) AS n FROM ${t.runs}`.execute(db);
    return rows[0]?.n ?? 0;
  };
  return async (count) => {
    const until = (await recorded()) + count;
    const beganMs = performance.now();
    const all = Array.from({ length: count }, (_, n) => handles[n % SCHEDULES]);
    await eachAtOnce(all, { atOnce: AT_ONCE }, (handle) => triggerOnce(handle));
    await eventually(ground, `${count} runs`, WITHIN_MS, async () =>
      (await recorded()) >= until ? true : undefined,
    );
    return (count * 1_000) / (performance.now() - beganMs);
  };
}

/** A machine that is loaded by others too may answer late: asked again with the same key it is the same trigger. */
async function triggerOnce(handle: ScheduleHandle | undefined): Promise<void> {
  const key = randomUUID();
  for (let left = TRIES_MAX; ; left -= 1) {
    try {
      await handle?.trigger({ key });
      return;
    } catch (error) {
      if (!(error instanceof UnavailableError) || left === 0) throw error;
    }
  }
}
