/**
 * `worker` or `gateway` as a process whose store lies: one call in twenty does what it was asked to, and then says that the
 * database did not answer in time. Started by the faults in the place of the real one; arguments: role, port, seed.
 */
import { Client } from '@temporalio/client';
import { loadConfig } from '../../src/config/config.ts';
import { UnavailableError } from '../../src/contract/errors.ts';
import { createNames } from '../../src/contract/ids.ts';
import { openClientConnection, openNativeConnection, openStore } from '../../src/cli/process-parts.ts';
import { serveGateway } from '../../src/gateway/serve.ts';
import { temporalCallbacks } from '../../src/gateway/temporal-callbacks.ts';
import type { Store } from '../../src/store/store.ts';
import { serveHealth } from '../../src/worker/health.ts';
import { createOrchestrationWorker } from '../../src/worker/orchestration.ts';
import { type Random, randomOf } from './random.ts';

const LIES_PERCENT = 5;
/** Not asked of the database, or only to see whether it is there. */
const HONEST: readonly (string | symbol)[] = ['close', 'healthy'];

function lying(store: Store, random: Random): Store {
  return new Proxy(store, {
    get(of, name: keyof Store) {
      const method = of[name];
      if (typeof method !== 'function' || HONEST.includes(name)) return method;
      return async (...args: readonly never[]) => {
        const result: unknown = await (method as (...args: readonly never[]) => unknown)(...args);
        if (random.whole(1, 100) > LIES_PERCENT) return result;
        throw new UnavailableError('the database', 'it did not answer in time');
      };
    },
  });
}

const [role, port = '0', seed = '1'] = process.argv.slice(2);
const config = loadConfig({});
const { namespace } = config;
const names = createNames(config.deployment);
const store = lying(await openStore('flaky', config), randomOf(Number(seed)));
const client = new Client({ connection: await openClientConnection(config), namespace });
if (role === 'gateway') {
  const key = config.gatewayKey ?? '';
  await serveGateway({ store, key, port: Number(port), ...temporalCallbacks({ client, store, names }) });
} else {
  const connection = await openNativeConnection(config);
  const worker = await createOrchestrationWorker({ connection, client, namespace, store, names });
  await serveHealth({
    port: Number(port),
    report: () => ({ healthy: worker.state() === 'RUNNING', body: {} }),
  });
  await worker.run();
}
