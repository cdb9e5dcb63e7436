/**
 * The peers of the suite `queues`: job queues on PostgreSQL, each used as its makers recommend for speed, with the same
 * no-op for work. Promise: jobs are added in bulk and worked off to the last; all of theirs is gone afterwards.
 */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import PgBoss from 'pg-boss';

const CONNECTIONS = 10;
const CONCURRENCY = 64;
/** Jobs that are fetched at once. */
const FETCHED = 500;
const BOSS_FETCHERS = 4;
const QUEUE = 'noop';

/** In a second. */
export interface QueueRate {
  /** From the first job's start to the last one's end, all of them waiting already. */
  readonly worked: number;
  /** The time that adding them took counted, too. */
  readonly addedAndWorked: number;
}

export async function graphileWorker(url: string, count: number): Promise<QueueRate> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  pool.on('error', () => undefined);
  // It asks for both, and warns on stderr otherwise.
  pool.on('connect', (client) => void client.on('error', () => undefined));
  const logger = new Logger(() => () => undefined);
  const utils = await makeWorkerUtils({ pgPool: pool, logger });
  try {
    await utils.migrate();
    const addMs = await took(async () => {
      for (const jobs of inParts(count)) {
        await utils.addJobs(jobs.map((n) => ({ identifier: QUEUE, payload: { n } })));
      }
    });
    return rates(count, addMs, await took(() => workOff(pool, logger, count)));
  } finally {
    await utils.release();
    await pool.end();
  }
}

async function workOff(pool: pg.Pool, logger: Logger, count: number): Promise<void> {
  let left = count;
  let done = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const noop = async () => {
    left -= 1;
    if (left === 0) done();
  };
  const runner = await run({
    ...{ pgPool: pool, logger, noHandleSignals: true, taskList: { [QUEUE]: noop } },
    preset: {
      worker: {
        concurrentJobs: CONCURRENCY,
        localQueue: { size: FETCHED },
        // Ends that come together are written together.
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  await all;
  // Waits until the last ends are written.
  await runner.stop();
}

export async function pgBoss(url: string, count: number): Promise<QueueRate> {
  const boss = new PgBoss({ connectionString: url, max: CONNECTIONS, supervise: false, schedule: false });
  boss.on('error', () => undefined);
  await boss.start();
  try {
    await boss.createQueue(QUEUE);
    const addMs = await took(async () => {
      for (const jobs of inParts(count)) await boss.insert(jobs.map((n) => ({ name: QUEUE, data: { n } })));
    });
    // Its own workers ask every half second at most; asking by hand is the fastest that it can do.
    const fetcher = async (): Promise<void> => {
      for (;;) {
        const jobs = await boss.fetch(QUEUE, { batchSize: FETCHED });
        if (jobs.length === 0) return;
        await boss.complete(
          QUEUE,
          jobs.map(({ id }) => id),
        );
      }
    };
    const workMs = await took(async () => {
      await Promise.all(Array.from({ length: BOSS_FETCHERS }, fetcher));
    });
    return rates(count, addMs, workMs);
  } finally {
    await boss.stop({ graceful: false });
    await dropSchema(url, 'pgboss');
  }
}

/** pg-boss keeps what is done, so that the next repeat would not begin as this one did. */
async function dropSchema(url: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`).finally(() => client.end());
}

/** The numbers up to `count` in parts as large as one statement takes well. */
function* inParts(count: number): Generator<readonly number[]> {
  const part = 1_000;
  for (let from = 0; from < count; from += part) {
    yield Array.from({ length: Math.min(part, count - from) }, (_, n) => from + n);
  }
}

async function took(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

function rates(count: number, addMs: number, workMs: number): QueueRate {
  return { worked: (count * 1_000) / workMs, addedAndWorked: (count * 1_000) / (addMs + workMs) };
}
