/**
 * The product in this process, for suites that measure an invocation from end to end: both orchestration workers, a
 * gateway, and one pool worker with the target `noop`; or all but the orchestration workers. Promise: it ends with the ground.
 */
import { randomUUID } from 'node:crypto';
import { DefaultLogger } from '@temporalio/worker';
import { GatewayClient } from '../src/client/gateway-client.ts';
import type { Names } from '../src/contract/ids.ts';
import { createGateway } from '../src/gateway/app.ts';
import { temporalCallbacks } from '../src/gateway/temporal-callbacks.ts';
import { createOrchestrationWorker } from '../src/worker/orchestration.ts';
import { PoolWorker } from '../src/worker/pool-worker.ts';
import { createTargets } from '../src/worker/targets/registry.ts';
import { defineTarget } from '../src/worker/targets/target.ts';
import { builtBundle, eventually, type Ground } from './ground.ts';

export interface PoolOptions {
  readonly poolId: string;
  /** Of the pool's one worker. */
  readonly capacity: number;
  /** Of workers, replicas and allocs; by default as the product has them. */
  readonly ttlMs?: number;
}

export async function runProduct(ground: Ground, names: Names, options: PoolOptions): Promise<void> {
  const { client, connection, namespace, store } = ground;
  const worker = await createOrchestrationWorker({
    ...{ connection, client, namespace, store, names },
    workflowBundle: builtBundle(),
  });
  const running = worker.run();
  ground.atEnd(async () => {
    worker.shutdown();
    await running;
  });
  await runPool(ground, names, options);
}

/** Gateway and pool worker, for orchestration workers that run elsewhere. */
export async function runPool(
  ground: Ground,
  names: Names,
  { poolId, capacity, ttlMs }: PoolOptions,
): Promise<void> {
  const { client, connection, namespace, store } = ground;
  const key = randomUUID();
  const gateway = createGateway({ store, key, ...temporalCallbacks({ client, store, names }) });
  const ttls = ttlMs === undefined ? {} : { workerTtlMs: ttlMs, allocTtlMs: ttlMs, replicaTtlMs: ttlMs };
  await store.createPool(poolId, ttls);
  const poolWorker = await PoolWorker.create({
    ...{ poolId, workerId: 'w1', capacity },
    targets: createTargets(defineTarget('noop', () => null)),
    // In this process: what is measured does not depend on how the worker reaches its gateway.
    gateway: new GatewayClient({
      url: 'http://127.0.0.1:1',
      key,
      fetch: async (request) => gateway.app.fetch(request),
    }),
    ...{ connection, namespace, names },
    shutdownGraceMs: 1_000,
    logger: new DefaultLogger('ERROR'),
  });
  const pooled = poolWorker.run();
  ground.atEnd(async () => {
    await poolWorker.stop();
    await pooled;
    await gateway.settled();
  });
  await eventually(ground, 'the pool worker', 30_000, async () => poolWorker.status().incarnation);
}
