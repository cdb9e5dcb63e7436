/**
 * `escapement dev` (`npm start`): the whole system on one machine, staying up. Its state is under `.escapement/`, so a
 * second start goes on where the first ended.
 */
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { existsSync, mkdirSync } from 'node:fs';
import { createLog, installRuntime } from '../cli/process-log.ts';
import { STATE_FOLDER } from '../config/local-state.ts';
import { AlreadyExistsError } from '../contract/errors.ts';
import { POOL_DEFAULT } from '../core/limits.ts';
import type { Store } from '../store/store.ts';
import { preferredPort } from './free-ports.ts';
import type { OwnedProcess } from './owned-process.ts';
import { poolProcessJoined, type PoolProcessOptions, startPoolProcess } from './pool-process.ts';
import { startSystem, type System } from './system.ts';

export interface DevOptions {
  /** Default `.escapement`. */
  readonly stateFolder?: string;
  readonly deployment?: string;
  /** Defaults 7233, 8233 and 7280; one that is taken is replaced by a free one. */
  readonly port?: number;
  readonly uiPort?: number;
  readonly gatewayPort?: number;
  /** Units of the pool worker that is started; 0: none. Default: the number of processors. */
  readonly capacity?: number;
  /** Module of targets for that worker. */
  readonly targets?: string;
  readonly print?: (line: string) => void;
}

const TEMPORAL_PORT = 7233;
const WEB_UI_PORT = 8233;
const GATEWAY_PORT = 7280;

/** Runs until it is asked to stop. Answers the exit code. @throws EscapementError `StateOwned`, UnavailableError */
export async function runDev(options: DevOptions = {}): Promise<number> {
  const print = options.print ?? ((line: string) => console.log(line));
  const stop = stopSignal();
  const stateFolder = options.stateFolder ?? STATE_FOLDER;
  mkdirSync(stateFolder, { recursive: true });
  installRuntime(createLog(join(stateFolder, 'escapement.log')));
  const continued = existsSync(join(stateFolder, 'temporal.db'));
  const system = await startSystem({
    stateFolder,
    ...(options.deployment !== undefined && { deployment: options.deployment }),
    ports: {
      temporal: options.port ?? (await preferredPort(TEMPORAL_PORT)),
      webUi: options.uiPort ?? (await preferredPort(WEB_UI_PORT)),
      gateway: options.gatewayPort ?? (await preferredPort(GATEWAY_PORT)),
    },
    onProgress: print,
    signal: stop.signal,
  }).catch((error: unknown) => {
    if (stop.signal.aborted) return undefined;
    throw error;
  });
  if (system === undefined) return 130;
  try {
    await ensurePool(system.store, POOL_DEFAULT);
    const capacity = options.capacity ?? availableParallelism();
    const local = { capacity, stateFolder, print, signal: stop.signal };
    const worker = capacity === 0 ? undefined : await startLocalWorker(system, options, local);
    print(banner(system, stateFolder, continued, capacity));
    await Promise.race([stop.happened, system.failed]);
    print('stopping: running targets may finish (Ctrl-C again to end at once)');
    await worker?.stop();
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 130;
    throw error;
  } finally {
    await system.close();
  }
}

async function startLocalWorker(
  system: System,
  options: DevOptions,
  { capacity, stateFolder, print, signal }: LocalWorker,
): Promise<OwnedProcess> {
  const worker: PoolProcessOptions = {
    pool: POOL_DEFAULT,
    name: 'local',
    capacity,
    logFolder: stateFolder,
    ...(options.targets !== undefined && { targets: options.targets }),
  };
  const process = await startPoolProcess(system, worker);
  void process.exited.then(({ code }) => {
    if (!signal.aborted)
      print(`pool worker local has ended (code ${code}): see ${stateFolder}/pool-worker-local.log`);
  });
  try {
    await poolProcessJoined(system.store, worker, process, signal);
  } catch (error) {
    await process.stop();
    throw error;
  }
  return process;
}

interface LocalWorker {
  readonly capacity: number;
  readonly stateFolder: string;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function ensurePool(store: Store, id: string): Promise<void> {
  try {
    await store.createPool(id);
  } catch (error) {
    if (!(error instanceof AlreadyExistsError)) throw error;
  }
}

function banner(system: System, stateFolder: string, continued: boolean, capacity: number): string {
  return [
    '',
    continued
      ? `Escapement goes on where it ended (${stateFolder})`
      : `Escapement is up (state: ${stateFolder})`,
    `  Web UI    ${system.webUiUrl ?? 'see your Temporal server'}`,
    `  Temporal  ${system.temporalAddress}, namespace ${system.namespace}`,
    `  Gateway   ${system.gateway.url} (key in ${stateFolder}/gateway-key)`,
    capacity === 0 ? '' : `  Worker    local, capacity ${capacity}, pool ${POOL_DEFAULT}`,
    '',
    'Try:  npx escapement schedule create hello --spec "every 10s" --command "echo hello"',
    'Stop: Ctrl-C',
    '',
  ].join('\n');
}

/** The first SIGINT, SIGTERM or SIGHUP (the terminal was closed) asks to stop, a second ends the process. */
export function stopSignal(): { readonly signal: AbortSignal; readonly happened: Promise<void> } {
  const controller = new AbortController();
  // Everything that waits listens; the default bound of ten is meant to find leaks.
  setMaxListeners(0, controller.signal);
  const happened = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error('asked to stop'));
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    process.on('SIGHUP', onSignal);
  });
  return { signal: controller.signal, happened };
}
