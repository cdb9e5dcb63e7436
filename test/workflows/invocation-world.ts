/**
 * A world for invocations: the orchestration worker on a real Temporal server and a store in memory, and pool workers that
 * are plain Temporal workers registered at the store, so that a test decides what becomes of each call. Promises
 * that what it starts ends with `close`.
 */
import { randomUUID } from 'node:crypto';
import { Client, type ClientInterceptors, Connection } from '@temporalio/client';
import { NativeConnection, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { deliverGrants } from '../../activities/grants.ts';
import { Jobs } from '../../src/client/scheduler.ts';
import { createNames } from '../../src/contract/ids.ts';
import type { RunRecord } from '../../src/contract/ledger.ts';
import { poolSignals } from '../../src/contract/messages.ts';
import type { PoolSettings } from '../../src/contract/pools.ts';
import type { TargetCall } from '../../src/contract/target.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createOrchestrationWorker } from '../../src/worker/orchestration.ts';
import { eventually } from './eventually.ts';

export type Targets = Readonly<Record<string, (call: TargetCall) => Promise<unknown>>>;
export type InvocationWorld = Awaited<ReturnType<typeof openInvocationWorld>>;
export type TestPool = Awaited<ReturnType<InvocationWorld['pool']>>;

export interface InvocationWorldOptions {
  readonly address: string;
  readonly namespace: string;
  readonly deployment: string;
  readonly workflowBundle: WorkflowBundleOption;
  /** Between us and Temporal. */
  readonly interceptors?: ClientInterceptors;
}

export async function openInvocationWorld(options: InvocationWorldOptions) {
  const { address, namespace, workflowBundle, interceptors } = options;
  const connection = await Connection.connect({ address });
  const nativeConnection = await NativeConnection.connect({ address });
  const names = createNames(options.deployment);
  const client = new Client({ connection, namespace, ...(interceptors && { interceptors }) });
  const memory = await createEmbeddedStore({ dataDir: 'memory', schema: names.schema });
  const swept = new Map<string, number>();
  const store: DatabaseStore = {
    ...memory,
    sweepPool: async (poolId) => {
      const result = await memory.sweepPool(poolId);
      swept.set(poolId, (swept.get(poolId) ?? 0) + 1);
      return result;
    },
  };
  const orchestration = await createOrchestrationWorker({
    connection: nativeConnection,
    client,
    namespace,
    store,
    names,
    workflowBundle,
  });
  const running = orchestration.run();
  const workers: { stop(): Promise<void> }[] = [];

  /** A worker of a pool, registered once and living as long as its TTL. */
  async function worker(
    poolId: string,
    workerId: string,
    capacity: number,
    targets: Targets,
    datasets: readonly string[] = [],
  ) {
    const taskQueue = names.workerQueueName(poolId, workerId);
    const polling = await Worker.create({
      connection: nativeConnection,
      namespace,
      taskQueue,
      activities: { ...targets },
      shutdownGraceTime: '1s',
      maxHeartbeatThrottleInterval: '200ms',
    });
    const polled = polling.run();
    const incarnation = randomUUID();
    const registration = {
      poolId,
      workerId,
      incarnation,
      capacity,
      targets: Object.keys(targets),
      datasets,
      taskQueue,
    };
    const { grants } = await store.registerWorker(registration);
    await deliverGrants({ client, store }, grants);
    const one = {
      incarnation,
      stop: async () => {
        if (polling.getState() === 'RUNNING') polling.shutdown();
        await polled;
      },
    };
    workers.push(one);
    return one;
  }

  return {
    client,
    names,
    store,
    jobs: new Jobs(client, names),
    async pool(settings: Partial<PoolSettings> = {}) {
      const id = `p-${randomUUID()}`;
      await store.createPool(id, { workerTtlMs: 120_000, allocTtlMs: 60_000, ...settings });
      return {
        id,
        worker: (workerId: string, capacity: number, targets: Targets, datasets?: readonly string[]) =>
          worker(id, workerId, capacity, targets, datasets),
        /** Units in use on all its workers. */
        used: async () => {
          const { items } = await store.listWorkers(id);
          return items.reduce((sum, { capacity, free }) => sum + capacity - free, 0);
        },
        /** Sweeps that have ended well. */
        sweeps: () => swept.get(id) ?? 0,
        /** As the gateway does when a worker has registered. */
        tend: () =>
          client.workflow.signalWithStart('poolWorkflow', {
            workflowId: names.poolWorkflowId(id),
            taskQueue: names.invocationsQueue,
            signal: poolSignals.workerRegistered,
          }),
      };
    },
    /** The record of an invocation's end, which may be written a moment after. */
    record: (invocationId: string): Promise<RunRecord> => eventually(() => store.getRun(invocationId)),
    /** Makes search attributes known to the namespace: names and Temporal's numbers of their types. */
    async registerAttributes(wanted: Readonly<Record<string, number>>): Promise<void> {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      const missing = Object.entries(wanted).filter(([name]) => !(name in (customAttributes ?? {})));
      if (missing.length === 0) return;
      const searchAttributes = Object.fromEntries(missing);
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    },
    async deadLetter(invocationId: string) {
      const { items } = await store.listDeadLetters({ limit: 100 });
      return items.find((letter) => letter.invocationId === invocationId);
    },
    async events(workflowId: string, runId?: string) {
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      return events ?? [];
    },
    async close(): Promise<void> {
      await Promise.all(workers.map((one) => one.stop()));
      orchestration.shutdown();
      await running;
      await Promise.all([connection.close(), nativeConnection.close(), store.close()]);
    },
  };
}
