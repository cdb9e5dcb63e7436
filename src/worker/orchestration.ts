/**
 * The orchestration worker: hosts schedule, invocation and pool workflows and their activities. Holds the database
 * credentials; runs no user's code. Schedules and invocations poll task queues of their own, so that a herd of
 * invocations never delays a fire.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { Connection } from '@temporalio/client';
import {
  bundleWorkflowCode,
  type DataConverter,
  DefaultLogger,
  type NativeConnection,
  Worker,
  type WorkerInterceptors,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { createActivities } from '../../activities/index.ts';
import { createNames, type Names } from '../contract/ids.ts';
import type { Store } from '../store/store.ts';
import { registerSearchAttributes } from './search-attributes.ts';

/** Slots for workflow tasks: local activities hold them, so the SDK's 40 let slow databases delay fires. */
const WORKFLOW_TASKS_MAX = 200;
/** Bounds of each of the two workers; the benchmarks' workers have the same. */
export const WORKER_BOUNDS = {
  maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS_MAX,
  maxConcurrentLocalActivityExecutions: WORKFLOW_TASKS_MAX,
  /** Workflows kept in memory: about 600 take a GB. */
  maxCachedWorkflows: 600,
} as const;
const SHUTDOWN_GRACE_MS = 5_000;
/** The SDK would hold a heartbeat back for 0.8 of its timeout, and leave a fifth of that for the way to the server. */
const HEARTBEAT_THROTTLE_MS = 2_000;

export interface OrchestrationOptions {
  readonly connection: NativeConnection;
  /** For starts and signals; its connection is not closed here. */
  readonly client: Client;
  readonly namespace?: string;
  readonly store: Store;
  readonly names?: Names;
  /** Made by `loadWorkflowBundle`; by default it is loaded or built here. */
  readonly workflowBundle?: WorkflowBundleOption;
  /** A converter of the user's own; see `tolerant` for undecodable payloads. */
  readonly dataConverter?: DataConverter;
  readonly interceptors?: WorkerInterceptors;
  /** Told one line where something optional is missing. */
  readonly onNotice?: (line: string) => void;
}

export interface OrchestrationWorker {
  /** Resolves when it has stopped. @throws where a worker fails for good */
  run(): Promise<void>;
  /** Takes nothing new, lets running tasks end. Idempotent. */
  shutdown(): void;
  state(): string;
}

/** @example const worker = await createOrchestrationWorker({ connection, client, store }); await worker.run(); */
export async function createOrchestrationWorker(options: OrchestrationOptions): Promise<OrchestrationWorker> {
  const { names = createNames(), namespace = 'default', onNotice = () => {} } = options;
  const searchAttributes = await registration(options.client, namespace, onNotice);
  const activities = createActivities({
    client: options.client,
    store: options.store,
    names,
    searchAttributes,
  });
  const shared: Omit<WorkerOptions, 'taskQueue'> = {
    connection: options.connection,
    namespace,
    activities,
    workflowBundle: options.workflowBundle ?? (await loadWorkflowBundle()),
    ...WORKER_BOUNDS,
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    ...(options.dataConverter && { dataConverter: options.dataConverter }),
    ...(options.interceptors && { interceptors: options.interceptors }),
  };
  const workers = await Promise.all([
    Worker.create({ ...shared, taskQueue: names.schedulesQueue }),
    Worker.create({ ...shared, taskQueue: names.invocationsQueue }),
  ]);
  return together(workers);
}

/** Two workers as one: if one fails, the other is stopped too. */
function together(workers: readonly Worker[]): OrchestrationWorker {
  const shutdown = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    shutdown,
    state: () => workers.map((worker) => worker.getState()).find((state) => state !== 'RUNNING') ?? 'RUNNING',
    async run() {
      const runs = workers.map(async (worker) => {
        try {
          await worker.run();
        } finally {
          shutdown();
        }
      });
      const ended = await Promise.allSettled(runs);
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    },
  };
}

async function registration(
  client: Client,
  namespace: string,
  onNotice: (line: string) => void,
): Promise<boolean> {
  if (!(client.connection instanceof Connection)) return false;
  const result = await registerSearchAttributes(client.connection, namespace);
  if (!result.registered) onNotice(`${result.reason}; the system works without them`);
  return result.registered;
}

/** Where our workflow functions are: for `workflowsPath`, or to re-export from a user's own workflow file. */
export function workflowsPath(): string {
  const compiled = fileURLToPath(new URL('../../workflows/index.js', import.meta.url));
  return existsSync(compiled) ? compiled : compiled.replace(/\.js$/, '.ts');
}

/** Marks undecodable payloads instead of failing; part of our bundle. */
export function payloadConverterPath(): string {
  const compiled = fileURLToPath(new URL('../contract/payload-converter.js', import.meta.url));
  return existsSync(compiled) ? compiled : compiled.replace(/\.js$/, '.ts');
}

/** The bundle made at build time where there is one (ready at once), else built now (some seconds). */
export async function loadWorkflowBundle(): Promise<WorkflowBundleOption> {
  const codePath = fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url));
  if (existsSync(codePath)) return { codePath };
  return await bundleWorkflows();
}

export async function bundleWorkflows(): Promise<{ readonly code: string }> {
  return await bundleWorkflowCode({
    workflowsPath: workflowsPath(),
    payloadConverterPath: payloadConverterPath(),
    // The bundler tells every file it takes in.
    logger: new DefaultLogger('WARN'),
  });
}
