/** `escapement worker`: the orchestration worker as a process. */
import { Client } from '@temporalio/client';
import { loadConfig } from '../config/config.ts';
import { createNames } from '../contract/ids.ts';
import type { Store } from '../store/store.ts';
import { type HealthReport, serveHealth } from '../worker/health.ts';
import { createOrchestrationWorker } from '../worker/orchestration.ts';
import { print } from './output.ts';
import { live, whenUp } from './process-life.ts';
import { createLog, installRuntime } from './process-log.ts';
import { openClientConnection, openNativeConnection, openStore } from './process-parts.ts';
import type { GlobalOptions } from './session.ts';

export type WorkerOptions = GlobalOptions & { readonly healthPort?: number };

/** How often the health address learns whether the database answers. */
const LOOK_MS = 5_000;

/** Runs until SIGTERM or SIGINT. Answers the exit code. @throws InvalidInputError */
export function runWorker(options: WorkerOptions): Promise<number> {
  const config = loadConfig(options);
  const log = createLog();
  installRuntime(log);
  return live(async ({ stop, closing }) => {
    const health: Health = { state: () => 'STARTING', database: false };
    const healthServer = await serveHealth({
      port: options.healthPort ?? 0,
      report: () => reportOf(health),
    });
    closing(() => healthServer.close());
    const store = await whenUp(() => openStore('worker', config), { stop, log });
    closing(() => store.close());
    const connection = await whenUp(() => openClientConnection(config), { stop, log });
    closing(() => connection.close());
    const native = await whenUp(() => openNativeConnection(config), { stop, log });
    closing(() => native.close());
    const worker = await createOrchestrationWorker({
      connection: native,
      client: new Client({ connection, namespace: config.namespace }),
      namespace: config.namespace,
      store,
      names: createNames(config.deployment),
      onNotice: (line) => {
        log.warn(line);
      },
    });
    watchDatabase(store, health, closing);
    stop.addEventListener('abort', () => worker.shutdown(), { once: true });
    const running = stop.aborted ? Promise.resolve() : worker.run();
    health.state = () => worker.state();
    const { address } = config.temporal;
    print(
      {
        json: {
          role: 'worker',
          temporalAddress: address,
          namespace: config.namespace,
          healthUrl: healthServer.url,
        },
        text: `orchestration worker is up: Temporal ${address}, namespace ${config.namespace}\nhealth: ${healthServer.url}`,
      },
      options,
    );
    await running;
    log.info('orchestration worker has stopped');
  });
}

interface Health {
  state: () => string;
  database: boolean;
}

/** Without its database it still fires what is due: that is no reason to have it restarted. */
function reportOf({ state, database }: Health): HealthReport {
  const now = state();
  return { healthy: now === 'RUNNING', body: { role: 'worker', state: now, database } };
}

function watchDatabase(store: Store, health: Health, closing: (close: () => Promise<unknown>) => void): void {
  const look = async (): Promise<void> => {
    health.database = await store.healthy().catch(() => false);
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  closing(async () => clearInterval(timer));
  health.database = true;
}
