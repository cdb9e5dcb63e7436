/**
 * A whole system in this process for the tests of the command line: real Temporal, a real store, orchestration worker,
 * gateway and one pool worker ("w1" of pool "default": capacity 2, the dataset "photos", the target "echo").
 */
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection } from '@temporalio/worker';
import { expect, vi } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import type { Names } from '../../src/contract/ids.ts';
import { serveGateway } from '../../src/gateway/serve.ts';
import { temporalCallbacks } from '../../src/gateway/temporal-callbacks.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createOrchestrationWorker } from '../../src/worker/orchestration.ts';
import { PoolWorker } from '../../src/worker/pool-worker.ts';
import { createTargets } from '../../src/worker/targets/registry.ts';
import { defineTarget } from '../../src/worker/targets/target.ts';
import { quietRuntime, sharedTemporal, sharedWorkflowBundle } from '../support/shared.ts';
import type { CliEnvironment } from './run-cli.ts';

const KEY = '0123456789abcdef0123456789abcdef';
const WAIT = { timeout: 30_000, interval: 200 };

export interface WholeSystem {
  readonly environment: CliEnvironment;
  readonly store: DatabaseStore;
  close(): Promise<void>;
}

export async function startWholeSystem(names: Names): Promise<WholeSystem> {
  const ends: (() => unknown)[] = [];
  await quietRuntime();
  const { address, namespace } = await sharedTemporal();
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const client = new Client({ connection, namespace });
  const store = await createEmbeddedStore({ dataDir: 'memory', schema: names.schema });
  ends.push(
    () => store.close(),
    () => native.close(),
    () => connection.close(),
  );

  const workflowBundle = await sharedWorkflowBundle();
  const worker = await createOrchestrationWorker({
    connection: native,
    client,
    namespace,
    store,
    names,
    workflowBundle,
  });
  const working = worker.run();
  ends.push(async () => {
    worker.shutdown();
    await working;
  });
  const gateway = await serveGateway({
    store,
    key: KEY,
    port: 0,
    ...temporalCallbacks({ client, store, names }),
  });
  ends.push(() => gateway.close());

  await store.createPool('default');
  const poolWorker = await PoolWorker.create({
    poolId: 'default',
    workerId: 'w1',
    capacity: 2,
    datasets: [{ id: 'photos' }],
    targets: createTargets(defineTarget('echo', ({ input }) => ({ echo: input }))),
    gateway: new GatewayClient({ url: gateway.url, key: KEY }),
    connection: native,
    namespace,
    names,
    shutdownGraceMs: 100,
    logger: new DefaultLogger('ERROR'),
  });
  void poolWorker.run();
  ends.push(() => poolWorker.stop());
  await vi.waitFor(() => expect(poolWorker.health().healthy).toBe(true), WAIT);

  return {
    store,
    environment: {
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      ESCAPEMENT_DEPLOYMENT: names.deployment,
      ESCAPEMENT_GATEWAY_URL: gateway.url,
      ESCAPEMENT_GATEWAY_KEY: KEY,
    },
    async close() {
      for (const end of ends.toReversed()) await end();
    },
  };
}
