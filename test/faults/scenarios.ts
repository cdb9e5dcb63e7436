/**
 * The faults, as data. Each strikes while schedules fire and targets run, and is over when whoever has to has started again
 * what was killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { leftNothingUndone, nobodyExpired, stoppedItself } from './afterwards.ts';
import type { Caught, Trap } from './line.ts';
import { type Scenario, type Stage, WAIT_MS_MAX } from './play.ts';
import { POOL, type PoolWorkerName, TTL_MS } from './parts.ts';

/** Longer than every TTL. */
const LONG_MS = TTL_MS * 1.5;
/** What a single statement of a slow database takes longer. */
const SLOW_MS = 5_000;
/** Some hundred calls of the database. */
const FLAKY_MS = 6_000;

/** What production does every day. */
export const PRODUCTION: readonly Scenario[] = [
  {
    name: 'schedules fire and targets run, and nothing goes wrong',
    fault: () => sleep(5_000),
  },
  {
    name: 'each process is told to stop by SIGTERM and started again: no attempt is lost, capacity comes back at once',
    async fault(stage) {
      const { worker, gateway, poolWorkers } = stage.system;
      await busy(stage, 'one');
      const pid = poolWorkers.one.pid();
      for (const part of [poolWorkers.one, gateway, worker]) {
        const code = await part.stop();
        if (code !== 0) stage.wrong(`${part.name} ended with exit code ${code}`);
        if (part === poolWorkers.one) await leftInOrder(stage, pid);
        await part.start();
      }
    },
    then: (seen, { system }) => leftNothingUndone(seen, 'one', system.poolWorkers.one.pid()),
  },
];

export const SCENARIOS: readonly Scenario[] = [
  ...PRODUCTION,
  {
    name: 'a pool worker is killed while it runs targets, and stays away',
    async fault(stage) {
      await busy(stage, 'one');
      await stage.system.poolWorkers.one.crash();
    },
  },
  {
    name: 'a pool worker is killed, and another process takes its name at once',
    async fault(stage) {
      const { one } = stage.system.poolWorkers;
      await busy(stage, 'one');
      await one.crash();
      await one.start();
    },
  },
  {
    name: 'a pool worker is frozen for twice its TTL',
    async fault(stage) {
      const { one } = stage.system.poolWorkers;
      await stage.job({ ms: 4 * TTL_MS });
      await busy(stage, 'one');
      one.freeze();
      await sleep(2 * TTL_MS);
      one.thaw();
      await one.untilFit();
    },
    then: (seen, { system }) => stoppedItself(seen, system.poolWorkers.one.pid()),
  },
  killsWorker('before its start call reaches Temporal', 'workerTemporal', 'held', startCall),
  killsWorker(
    'when Temporal has started an invocation and it has not heard of it',
    'workerTemporal',
    'unanswered',
    startCall,
  ),
  killsWorker('when it has heard of a start and recorded nothing', 'workerTemporal', 'answered', startCall),
  killsWorker(
    'between the commit of a grant and the completion',
    'workerPostgres',
    'unanswered',
    grantCommit,
  ),
  killsWorker(
    'between the commit of a release and the completion',
    'workerPostgres',
    'unanswered',
    releaseCommit,
  ),
  {
    name: 'the connection to PostgreSQL is cut between a commit and its reply',
    async fault(stage) {
      const request = stage.random.pick([grantCommit, releaseCommit]);
      const caught = stage.system.lines.workerPostgres.catch({ ...request(stage), fate: 'unanswered' });
      await provoke(stage);
      (await inTime(caught)).cut();
    },
  },
  {
    name: 'PostgreSQL is killed and away for longer than every TTL',
    async fault({ system, job, random }) {
      await job({ ms: LONG_MS + random.whole(500, 3_000) });
      await system.postgres.crash();
      await sleep(LONG_MS + random.whole(0, 1_000));
      await system.postgres.startAgain();
    },
    then: nobodyExpired,
  },
  {
    name: 'PostgreSQL answers five seconds late',
    async fault({ system }) {
      const lines = [system.lines.workerPostgres, system.lines.gatewayPostgres];
      for (const line of lines) line.slow(SLOW_MS);
      await sleep(1.5 * SLOW_MS);
      for (const line of lines) line.slow(0);
    },
  },
  {
    name: 'the Temporal server is killed and started again',
    async fault({ system, random }) {
      await system.temporal.crash();
      await sleep(random.whole(0, LONG_MS));
      await system.temporal.startAgain();
    },
  },
  {
    name: 'the gateway is killed and away for longer than every TTL',
    async fault({ system }) {
      await system.gateway.crash();
      await sleep(LONG_MS);
      await system.gateway.start();
    },
    then: nobodyExpired,
  },
  {
    name: 'one call of the database in twenty does its work and reports a timeout',
    async fault({ system }) {
      const real = [system.worker, system.gateway];
      await Promise.all(real.map((part) => part.crash()));
      await Promise.all(system.flaky.map((part) => part.start()));
      await sleep(FLAKY_MS);
      await Promise.all(system.flaky.map((part) => part.crash()));
      await Promise.all(real.map((part) => part.start()));
    },
  },
  {
    name: 'an invocation is terminated while it holds capacity, and one while it waits for some',
    async fault(stage) {
      const { system, journal, until } = stage;
      const holds = await stage.job({ ms: 60_000, size: 3 });
      await until('it to hold capacity', async () =>
        (await journal()).some((line) => line.invocationId === holds),
      );
      const waits = await stage.job({ ms: 100, size: 3 });
      await until('it to wait', async () => await isWaiting(stage, waits));
      for (const id of [waits, holds]) {
        stage.mayEnd(id, 'terminated');
        await system.client.workflow.getHandle(id).terminate('a fault');
      }
    },
  },
];

type Request = (stage: Stage) => Omit<Trap, 'fate'>;

function killsWorker(
  when: string,
  line: 'workerTemporal' | 'workerPostgres',
  fate: Trap['fate'],
  request: Request,
): Scenario {
  return {
    name: `the orchestration worker is killed ${when}`,
    async fault(stage) {
      const { worker, lines } = stage.system;
      const caught = lines[line].catch({ ...request(stage), fate });
      await provoke(stage);
      await inTime(caught);
      await worker.crash();
      await worker.start();
    },
  };
}

/** The call by which a fire of the schedule starts its invocation. */
function startCall({ system, everySecond }: Stage): Omit<Trap, 'fate'> {
  const id = `${system.names.scheduleWorkflowId(everySecond)}/`;
  // The answer names the run.
  return { pieces: [[id, 'invocationWorkflow']], reply: /[0-9a-f]{8}-[0-9a-f]{4}-7/ };
}

/** It names the worker's task queue, which a request that has to wait does not. */
function grantCommit({ prefix }: Stage): Omit<Trap, 'fate'> {
  return { pieces: [[`${prefix}trapped#1.0`, `pool/${POOL}/`], ['commit']], reply: COMMITTED };
}

function releaseCommit({ prefix }: Stage): Omit<Trap, 'fate'> {
  return { pieces: [[`${prefix}trapped`, '"succeeded"'], ['commit']], reply: COMMITTED };
}

/** Statements are sent one behind the other, and so their replies come. */
const COMMITTED = /COMMIT\0/;

/** @throws Error where no such request passes */
async function inTime(caught: Promise<Caught>): Promise<Caught> {
  const none = sleep(WAIT_MS_MAX, undefined, { ref: false }).then(() => undefined);
  const found = await Promise.race([caught, none]);
  if (found !== undefined) return found;
  throw new Error(`waited ${WAIT_MS_MAX} ms in vain for the request that the fault strikes at`);
}

/** The job whose grant and release are waited for. */
async function provoke(stage: Stage): Promise<void> {
  await stage.job({ ms: 300 }, 'trapped');
}

/** A target runs there at this moment. */
async function busy(stage: Stage, name: PoolWorkerName): Promise<void> {
  const pid = stage.system.poolWorkers[name].pid();
  await stage.until(`worker ${name} to be busy`, async () => {
    const lines = (await stage.journal()).filter((line) => line.pid === pid);
    return (
      lines.filter(({ what }) => what === 'begun').length >
      lines.filter(({ what }) => what !== 'begun').length
    );
  });
}

/** Its targets came to their ends, and nothing is left of it in the pool at this very moment. */
async function leftInOrder({ system, journal, wrong }: Stage, pid: number): Promise<void> {
  const lines = (await journal()).filter((line) => line.pid === pid);
  const [begun, done] = ['begun', 'done'].map((what) => lines.filter((line) => line.what === what).length);
  const failed = lines.filter(({ what }) => what === 'failed').length;
  if (begun !== (done ?? 0) + failed) wrong(`of ${begun} targets only ${done} were let finish`);
  const { schema } = system.names;
  const left = await system.sql.query(
    `SELECT id FROM ${schema}.workers WHERE id = 'one' UNION SELECT id FROM ${schema}.allocs WHERE worker_id = 'one'`,
  );
  if (left.rows.length > 0) wrong(`it left ${JSON.stringify(left.rows)} behind`);
}

async function isWaiting({ system }: Stage, invocationId: string): Promise<boolean> {
  const { rows } = await system.sql.query(
    `SELECT 1 FROM ${system.names.schema}.evals WHERE invocation_id = $1`,
    [invocationId],
  );
  return rows.length > 0;
}
