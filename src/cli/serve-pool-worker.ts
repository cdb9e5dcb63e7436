/** `escapement pool-worker`: the pool worker as a process, with the built-in targets and those of the user's modules. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { GatewayClient } from '../client/gateway-client.ts';
import { loadConfig } from '../config/config.ts';
import { createNames } from '../contract/ids.ts';
import { POOL_DEFAULT } from '../core/limits.ts';
import { serveHealth } from '../worker/health.ts';
import { PoolWorker } from '../worker/pool-worker.ts';
import { loadTargets } from '../worker/targets/load.ts';
import { builtInTargets, TargetRegistry } from '../worker/targets/registry.ts';
import type { DatasetHolding } from '../worker/targets/target.ts';
import { print } from './output.ts';
import { live, whenUp } from './process-life.ts';
import { createLog, installRuntime } from './process-log.ts';
import { openNativeConnection } from './process-parts.ts';
import type { GlobalOptions } from './session.ts';

export type PoolWorkerCommandOptions = GlobalOptions & {
  readonly pool?: string;
  readonly name?: string;
  readonly capacity?: number;
  readonly dataset?: readonly string[];
  readonly targets?: readonly string[];
  /** Milliseconds. */
  readonly grace?: number;
  readonly healthPort?: number;
};

/** Runs until SIGTERM or SIGINT. Answers the exit code. @throws InvalidInputError; EscapementError where it cannot join */
export async function runPoolWorker(options: PoolWorkerCommandOptions): Promise<number> {
  const config = loadConfig(options);
  const log = createLog();
  installRuntime(log);
  const { pool: poolId = POOL_DEFAULT, name: workerId = hostname(), capacity = 1 } = options;
  const datasets = (options.dataset ?? listOf('ESCAPEMENT_DATASETS')).map(datasetOf);
  const targets = await registryOf(options.targets ?? listOf('ESCAPEMENT_TARGETS'));
  return live(async ({ stop, closing }) => {
    const running: { worker?: PoolWorker } = {};
    const health = await serveHealth({
      port: options.healthPort ?? 0,
      report: () => running.worker?.health() ?? { healthy: false, body: { state: 'starting' } },
    });
    closing(() => health.close());
    const connection = await whenUp(() => openNativeConnection(config), { stop, log });
    closing(() => connection.close());
    const worker = await PoolWorker.create({
      poolId,
      workerId,
      capacity,
      datasets,
      targets,
      gateway: new GatewayClient({ url: config.gatewayUrl, key: config.gatewayKey ?? '' }),
      connection,
      namespace: config.namespace,
      names: createNames(config.deployment),
      ...(options.grace !== undefined && { shutdownGraceMs: options.grace }),
      logger: log,
    });
    running.worker = worker;
    stop.addEventListener('abort', () => void worker.stop(), { once: true });
    const offered = targets.list().map((target) => target.name);
    print(
      {
        json: {
          role: 'pool-worker',
          poolId,
          workerId,
          capacity,
          datasets,
          targets: offered,
          healthUrl: health.url,
        },
        text: [
          `pool worker "${workerId}" offers ${capacity} to pool "${poolId}": ${offered.join(', ')}`,
          `health: ${health.url}`,
        ].join('\n'),
      },
      options,
    );
    if (!stop.aborted) await worker.run();
    await worker.stop();
    log.info('pool worker has stopped');
  });
}

function listOf(variable: string): readonly string[] {
  const text = process.env[variable] ?? '';
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `id`, or `id=path`. */
function datasetOf(text: string): DatasetHolding {
  const at = text.indexOf('=');
  return at < 0 ? { id: text } : { id: text.slice(0, at), path: resolve(text.slice(at + 1)) };
}

async function registryOf(modules: readonly string[]): Promise<TargetRegistry> {
  const registry = new TargetRegistry();
  for (const target of builtInTargets()) registry.add(target, 'the built-in targets');
  for (const path of modules) {
    for (const target of await loadTargets(path)) registry.add(target, path);
  }
  return registry;
}
