/**
 * Suite `queues`: the same no-op work through graphile-worker and pg-boss on the same PostgreSQL, jobs per second beside our
 * grants (each followed by its release) and beside our full path, which does more: it survives the loss of any process
 * with its history, and tells what became of every run. No goals: it tells what that costs. Run by `main.ts`.
 */
import { createNames } from '../../src/contract/ids.ts';
import { makePool, run } from '../alloc/load.ts';
import { onFreshGround } from '../ground.ts';
import { onPostgres } from '../postgres-ground.ts';
import { runProduct } from '../product.ts';
import { type Measured, type Row, type Settings, type Suite, type SuiteContext, toRow } from '../suite.ts';
import { FULL_PATH_POOL, openFullPath } from './full-path.ts';
import { graphileWorker, pgBoss, type QueueRate } from './peers.ts';

const WORKERS = 1_000;
const FOR_MS = 2_000;
const CALLERS = 64;
/** So many jobs of the queues for one run of ours on the full path. */
const JOBS_PER_RUN = 50;

export const queues: Suite = {
  summary: 'no-op jobs per second through graphile-worker and pg-boss, beside our grants and our full path',
  defaults: { repeats: 3, count: 400 },
  counts: 'runs on our full path in a repeat; the queues get 50 times as many jobs',
  countMax: 20_000,
  lengthMs: ({ repeats, count }) => 30_000 + repeats * (5_000 + count * 45),
  run: (settings, context) =>
    onPostgres(context, async (postgres) => {
      const { url, store } = postgres;
      const pool = await makePool(store, 'grants', WORKERS);
      await run(store, pool, { callers: CALLERS, forMs: FOR_MS });
      return onFreshGround(context, async (temporal) => {
        const ground = { ...temporal, store };
        const names = createNames();
        await runProduct(ground, names, FULL_PATH_POOL);
        const fullPath = await openFullPath(ground, names, store);
        const scores: Scores[] = [];
        for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
          const jobs = settings.count * JOBS_PER_RUN;
          const score = {
            grants: (await run(store, pool, { callers: CALLERS, forMs: FOR_MS })).perSecond,
            graphile: await graphileWorker(url, jobs),
            boss: await pgBoss(url, jobs),
            path: await fullPath(settings.count),
          };
          scores.push(score);
          tell(context, repeat, score);
        }
        return rowsOf(scores, settings);
      });
    }),
};

/** One repeat, per second. */
interface Scores {
  readonly grants: number;
  readonly graphile: QueueRate;
  readonly boss: QueueRate;
  readonly path: number;
}

function tell({ progress }: SuiteContext, repeat: number, { grants, graphile, boss, path }: Scores): void {
  const text = (perSecond: number) => `${Math.round(perSecond)}/s`;
  progress(
    `repeat ${repeat}: grants ${text(grants)}; graphile-worker ${text(graphile.worked)}; pg-boss ${text(boss.worked)}; ` +
      `full path ${text(path)}`,
  );
}

function rowsOf(scores: readonly Scores[], { count }: Settings): readonly Row[] {
  const row = (
    metric: string,
    ours: (score: Scores) => number,
    peer: (score: Scores) => number,
  ): Measured => ({
    metric,
    ours: scores.map(ours),
    peer: scores.map(peer),
  });
  const grants = ({ grants: rate }: Scores) => rate;
  const path = ({ path: rate }: Scores) => rate;
  const measured: readonly Measured[] = [
    row(`grants/s, ${CALLERS} callers; graphile-worker jobs/s`, grants, (s) => s.graphile.worked),
    row(
      `grants/s, ${CALLERS} callers; the same, adding them counted`,
      grants,
      (s) => s.graphile.addedAndWorked,
    ),
    row(`grants/s, ${CALLERS} callers; pg-boss jobs/s`, grants, (s) => s.boss.worked),
    row(`grants/s, ${CALLERS} callers; the same, adding them counted`, grants, (s) => s.boss.addedAndWorked),
    row(`full path, ${count} runs/s; graphile-worker jobs/s`, path, (s) => s.graphile.worked),
    row(`full path, ${count} runs/s; pg-boss jobs/s`, path, (s) => s.boss.worked),
  ];
  return measured.map(toRow);
}
