/**
 * Puts the store together over an open database. Called by `postgres.ts` and `embedded.ts`; everybody
 * else holds the `Store` interface, whose promises it keeps. It may not import Temporal.
 */
import { sql } from 'kysely';
import type { EvalRequest } from '../contract/pools.ts';
import { type Answer, type Operation, runBatch } from './batch.ts';
import { calendarMethods } from './calendars.ts';
import {
  checkEval,
  checkFinish,
  checkPoolId,
  checkRegistration,
  checkRunning,
  checkSettings,
  checkWorker,
} from './check.ts';
import { sendExpress } from './express.ts';
import { explainEval, explainInvocation, explainQueue } from './explain.ts';
import { type ClockShift, type Database, shiftClock } from './database.ts';
import { listFires, writeLedger } from './ledger.ts';
import { gatewayAlive } from './outage.ts';
import {
  createPool,
  disbandPool,
  drainPool,
  getPool,
  listAllocs,
  listPools,
  listWaiting,
  listWorkers,
} from './pools.ts';
import { forgetSchedules, listQuietSchedules, removeExpired } from './retention.ts';
import { createRunner, type Runner } from './runner.ts';
import { getRun, listDeadLetters, listRuns, writeEnds } from './runs.ts';
import type { FinishRequest, Store } from './store.ts';
import { moveWindows, readPast } from './windows.ts';
import { sweepPool } from './sweep.ts';
import { drainWorker, registerWorker, removeWorker } from './workers.ts';

export interface DatabaseStore extends Store {
  /** The open database, for measurements and for tests that look at the tables. */
  readonly database: Database;
  /**
   * Moves the database's clock, for tests. As if sweeps and gateways had gone on meanwhile, unless the options say not.
   */
  shiftClock(byMs: number, options?: ClockShift): Promise<void>;
}

const HEALTHY_WITHIN_MS = 1_000;

export function createStore(database: Database): DatabaseStore {
  const runner = createRunner(
    (poolId, operations) => runBatch(database, poolId, operations),
    (poolId, operations) => sendExpress(database, poolId, operations),
  );
  return {
    database,
    shiftClock: (byMs, options) => shiftClock(database, byMs, options),
    ...poolMethods(database, runner),
    ...workerMethods(database, runner),
    ...allocationMethods(database, runner),
    ...calendarMethods(database),
    writeLedger: (rows) => writeLedger(database, rows),
    listFires: (filter, page) => listFires(database, filter, page),
    readPast: (schedule) => readPast(database, schedule),
    getRun: (invocationId) => getRun(database, invocationId),
    listRuns: (filter, page) => listRuns(database, filter, page),
    listDeadLetters: (page) => listDeadLetters(database, page),
    removeExpired: (keptMs) => removeExpired(database, keptMs),
    listQuietSchedules: (keptMs, page) => listQuietSchedules(database, keptMs, page),
    forgetSchedules: (schedules, keptMs) => forgetSchedules(database, schedules, keptMs),
    healthy: () => healthy(database),
    close: () => database.close(),
  };
}

/** The answer to an operation, which is of its own kind unless it failed. */
async function ask<K extends Operation['kind']>(
  { submit }: Runner,
  poolId: string,
  operation: Extract<Operation, { kind: K }>,
) {
  const answer = await submit(poolId, operation);
  if (answer.kind === 'failed') throw answer.error;
  return answer as Extract<Answer, { kind: K }>;
}

function poolMethods(database: Database, runner: Runner) {
  return {
    async createPool(id, settings = {}) {
      checkPoolId(id);
      checkSettings(settings);
      return runner.alone(id, () => createPool(database, id, settings));
    },
    async getPool(id) {
      checkPoolId(id);
      return getPool(database, id);
    },
    listPools: (page) => listPools(database, page),
    async disbandPool(id) {
      checkPoolId(id);
      return runner.alone(id, () => disbandPool(database, id));
    },
    async drainPool(id, options) {
      checkPoolId(id);
      return runner.alone(id, () => drainPool(database, id, options));
    },
    async listWorkers(poolId, page) {
      checkPoolId(poolId);
      return listWorkers(database, poolId, page);
    },
    async listAllocs(poolId, page) {
      checkPoolId(poolId);
      return listAllocs(database, poolId, page);
    },
    async listWaiting(poolId, page) {
      checkPoolId(poolId);
      return listWaiting(database, poolId, page);
    },
    async explainQueue(poolId) {
      checkPoolId(poolId);
      return explainQueue(database, poolId);
    },
    explainEval: (evalId) => explainEval(database, evalId),
    explainInvocation: (invocationId) => explainInvocation(database, invocationId),
  } satisfies Partial<Store>;
}

function workerMethods(database: Database, runner: Runner) {
  return {
    async registerWorker(registration, options) {
      checkRegistration(registration);
      return runner.alone(registration.poolId, () => registerWorker(database, registration, options));
    },
    async renewWorker(poolId, workerId, incarnation, running, part) {
      checkWorker(poolId, workerId, incarnation);
      checkRunning(workerId, running);
      const { lease, grants } = await ask<'renew'>(runner, poolId, {
        kind: 'renew',
        workerId,
        incarnation,
        running,
        part,
      });
      return { lease, grants };
    },
    async drainWorker(poolId, workerId, incarnation) {
      checkWorker(poolId, workerId, incarnation);
      return runner.alone(poolId, () => drainWorker(database, poolId, workerId, incarnation));
    },
    async removeWorker(poolId, workerId, incarnation) {
      checkWorker(poolId, workerId, incarnation);
      return runner.alone(poolId, () => removeWorker(database, poolId, workerId, incarnation));
    },
    gatewayAlive: () => gatewayAlive(database),
  } satisfies Partial<Store>;
}

function allocationMethods(database: Database, runner: Runner) {
  return {
    async allocate(request: EvalRequest) {
      checkEval(request);
      return (await ask<'allocate'>(runner, request.poolId, { kind: 'allocate', request })).result;
    },
    async finish(request: FinishRequest) {
      checkFinish(request);
      if (request.evalId === undefined) {
        // It never asked for capacity, so there is no pool to lock.
        await database.transaction(async (trx) => {
          await writeEnds(trx, database.t, [request]);
          await moveWindows(trx, database.t, [request]);
        });
        return { accepted: true as const, grants: [] };
      }
      return (await ask<'finish'>(runner, request.poolId, { kind: 'finish', request })).result;
    },
    async sweepPool(poolId: string) {
      checkPoolId(poolId);
      return runner.alone(poolId, () => sweepPool(database, poolId));
    },
  } satisfies Partial<Store>;
}

async function healthy({ db }: Database): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), HEALTHY_WITHIN_MS);
  });
  const answered = sql`SELECT 1`.execute(db).then(
    () => true,
    () => false,
  );
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}
