/**
 * A world for schedules alone: the real schedule workflow with its real activities on a store in memory, invocations
 * played by `quick-invocation.ts`. On the time-skipping server (time passes only where a test says so) or on any
 * other. Used by the schedule tests; promises that what it starts ends with `close`.
 */
import { fileURLToPath } from 'node:url';
import { Client, type Connection, WorkflowNotFoundError } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  type NativeConnection,
  Worker,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { createActivities } from '../../activities/index.ts';
import type { Clock } from '../../activities/clock.ts';
import { systemClock } from '../../activities/clock.ts';
import type { AdvanceRequest } from '../../src/contract/activities.ts';
import { createNames } from '../../src/contract/ids.ts';
import type { Fire } from '../../src/contract/ledger.ts';
import { describeSchedule, type ScheduleDescription, scheduleSignals } from '../../src/contract/messages.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { payloadConverterPath } from '../../src/worker/orchestration.ts';
import { sharedWorkflowBundle } from '../support/shared.ts';
import { eventually } from './eventually.ts';
import type { QuickActivities } from './quick-invocation.ts';

export interface WorldOptions {
  readonly connection: Connection;
  readonly nativeConnection: NativeConnection;
  readonly namespace: string;
  readonly deployment: string;
  /** Given where the server's time skips: the activities then live by the workflow's time. */
  readonly skips?: boolean;
  /** Another way to the server for the worker that hosts the schedules. */
  readonly schedulesBy?: NativeConnection;
  /** Stands before the real store. */
  readonly storeOf?: (store: Store) => Store;
  /** Called when an `advance` has done its work and has not yet said so. */
  readonly afterAdvance?: (request: AdvanceRequest) => Promise<void>;
}

export type ScheduleWorld = Awaited<ReturnType<typeof openScheduleWorld>>;

export async function openScheduleWorld(options: WorldOptions) {
  const names = createNames(options.deployment);
  const client = new Client({ connection: options.connection, namespace: options.namespace });
  const memory = await createEmbeddedStore({ dataDir: 'memory', schema: names.schema });
  const store = options.storeOf?.(memory) ?? memory;
  const clock = options.skips === true ? skippingClock() : undefined;
  const made = createActivities({
    client,
    store,
    names,
    searchAttributes: false,
    clock: clock ?? systemClock,
  });
  const activities: typeof made = {
    ...made,
    advance: async (request) => {
      clock?.reach(request.nowMs);
      const result = await made.advance(request);
      await options.afterAdvance?.(request);
      return result;
    },
  };
  const [schedules, invocations] = await Promise.all([
    sharedWorkflowBundle(),
    bundleOf('./quick-invocation.ts'),
  ]);
  const shared = { connection: options.nativeConnection, namespace: options.namespace };
  const hosts = { ...shared, activities, workflowBundle: schedules, taskQueue: names.schedulesQueue };
  const invocationWorker = await run({
    ...shared,
    activities: quickActivities(client),
    workflowBundle: invocations,
    taskQueue: names.invocationsQueue,
  });
  let scheduleWorker = await run({ ...hosts, connection: options.schedulesBy ?? options.nativeConnection });

  return {
    client,
    names,
    store: memory,
    /** Starts a schedule workflow as any Temporal client may. */
    async create(id: string, input: ScheduleInput, continueAsNewEvery?: number): Promise<ScheduleHandle> {
      await client.workflow.start('scheduleWorkflow', {
        args: [input, ...(continueAsNewEvery === undefined ? [] : [{ continueAsNewEvery }])],
        taskQueue: names.schedulesQueue,
        workflowId: names.scheduleWorkflowId(id),
        workflowTaskTimeout: '3s',
      });
      return new ScheduleHandle(client, names, id);
    },
    /** The schedule's own answer; a run that has just begun is asked again. */
    describe: (id: string): Promise<ScheduleDescription> =>
      eventually(() => client.workflow.getHandle(names.scheduleWorkflowId(id)).query(describeSchedule)),
    fires: (scheduleId: string): Promise<readonly Fire[]> => firesOf(memory, scheduleId),
    /** A second worker beside the first. Ended by the caller. */
    alsoHostSchedules: (connection: NativeConnection) => run({ ...hosts, connection }),
    async stopSchedules(): Promise<void> {
      await scheduleWorker.stop();
    },
    async startSchedules(): Promise<void> {
      scheduleWorker = await run(hosts);
    },
    async close(): Promise<void> {
      await Promise.all([scheduleWorker.stop(), invocationWorker.stop()]);
      await memory.close();
    },
  };
}

/** All of a schedule's ledger rows, the earliest due time first. */
async function firesOf(store: Store, scheduleId: string): Promise<readonly Fire[]> {
  const fires: Fire[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await store.listFires(
      { scheduleId },
      { limit: 100, ...(cursor !== undefined && { cursor }) },
    );
    fires.push(...page.items);
    cursor = page.nextCursor;
    if (cursor === undefined) return fires.sort((a, b) => a.fromMs - b.fromMs || a.key.localeCompare(b.key));
  }
}

function quickActivities(client: Client): QuickActivities {
  return {
    tellSchedule: async (workflowId, ended) => {
      try {
        await client.workflow.getHandle(workflowId).signal(scheduleSignals.invocationEnded, ended);
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },
  };
}

async function bundleOf(path: string): Promise<WorkflowBundleOption> {
  return await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL(path, import.meta.url)),
    payloadConverterPath: payloadConverterPath(),
    logger: new DefaultLogger('ERROR'),
  });
}

async function run(options: Parameters<typeof Worker.create>[0]) {
  const worker = await Worker.create({ shutdownGraceTime: '1s', ...options });
  const running = worker.run();
  return {
    async stop(): Promise<void> {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running;
    },
  };
}

/** Follows the workflows' time; a sleep takes none, as the server's time stands still meanwhile. */
function skippingClock(): Clock & { reach(atMs: number): void } {
  let nowMs = 0;
  return {
    now: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
    reach: (atMs) => {
      nowMs = Math.max(nowMs, atMs);
    },
  };
}
