/**
 * Runs per second on the full path of the suite `queues`: each is triggered at its schedule, started as a workflow, granted
 * capacity, run as an activity on a pool worker, recorded, and its schedule told. Used by `suite.ts`.
 */
import { sql } from 'kysely';
import { eachAtOnce } from '../../src/client/each-at-once.ts';
import { Schedules } from '../../src/client/schedules.ts';
import { createNames } from '../../src/contract/ids.ts';
import { eventually, type Ground } from '../ground.ts';
import { runProduct } from '../product.ts';
import type { PostgresGround } from '../postgres-ground.ts';

const POOL = 'full-path';
/** As the SDK allows 100 messages a second for one schedule. */
const SCHEDULES = 20;
const AT_ONCE = 64;
const WITHIN_MS = 300_000;

/** Makes ready; the answer runs so many and tells how many that is in a second. */
export async function openFullPath(
  temporal: Ground,
  { store }: PostgresGround,
): Promise<(count: number) => Promise<number>> {
  const ground = { ...temporal, store };
  const names = createNames();
  await runProduct(ground, names, { poolId: POOL, capacity: AT_ONCE });
  const schedules = new Schedules(ground.client, names);
  const handles = await Promise.all(
    Array.from({ length: SCHEDULES }, (_, n) =>
      schedules.create(`path-${n}`, {
        ...{ spec: 'triggered', overlap: 'allowAll', target: 'noop', pool: POOL },
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
    await eachAtOnce(all, { atOnce: AT_ONCE }, async (handle) => handle?.trigger());
    await eventually(ground, `${count} runs`, WITHIN_MS, async () =>
      (await recorded()) >= until ? true : undefined,
    );
    return (count * 1_000) / (performance.now() - beganMs);
  };
}
