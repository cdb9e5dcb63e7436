/**
 * Pool workers as processes of their own, started by the one-machine system: they run users' code, so they get neither
 * the database nor this process's memory. Promise: they end with us, even when we are killed.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UnavailableError } from '../contract/errors.ts';
import type { Store } from '../store/store.ts';
import { type OwnedProcess, startOwnedProcess } from './owned-process.ts';
import type { System } from './system.ts';

export interface PoolProcessOptions {
  readonly pool: string;
  readonly name: string;
  readonly capacity: number;
  /** Dataset id to the folder that holds it. */
  readonly datasets?: Readonly<Record<string, string>>;
  /** Module of targets, beside the built-in ones. */
  readonly targets?: string;
  /** Gets its log. */
  readonly logFolder: string;
}

export async function startPoolProcess(system: System, options: PoolProcessOptions): Promise<OwnedProcess> {
  mkdirSync(options.logFolder, { recursive: true });
  const datasets = Object.entries(options.datasets ?? {});
  const [file = process.execPath, ...first] = cliCommand();
  return await startOwnedProcess({
    file,
    args: [
      ...first,
      'pool-worker',
      ...['--address', system.temporalAddress, '--namespace', system.namespace],
      ...(system.deployment === '' ? [] : ['--deployment', system.deployment]),
      ...['--pool', options.pool, '--name', options.name, '--capacity', String(options.capacity)],
      ...datasets.flatMap(([id, path]) => ['--dataset', `${id}=${path}`]),
      ...(options.targets === undefined ? [] : ['--targets', options.targets]),
    ],
    // The key goes by the environment: arguments are there for everybody to read.
    env: {
      ...process.env,
      ESCAPEMENT_GATEWAY_URL: system.gateway.url,
      ESCAPEMENT_GATEWAY_KEY: system.gateway.key,
    },
    logFile: join(options.logFolder, `pool-worker-${options.name}.log`),
    stopTimeoutMs: 45_000,
  });
}

/** Waits until the worker has joined its pool. @throws UnavailableError where its process ends before; the signal's reason */
export async function poolProcessJoined(
  store: Store,
  { pool, name, logFolder }: PoolProcessOptions,
  process: OwnedProcess,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    const { items } = await store.listWorkers(pool);
    if (items.some((worker) => worker.id === name)) return;
    const pause = sleep(100, undefined, signal === undefined ? {} : { signal });
    const end = await Promise.race([process.exited, pause]);
    if (end === undefined) continue;
    throw new UnavailableError(
      `pool worker ${name}, which ended with code ${end.code},`,
      `see ${logFolder}/pool-worker-${name}.log`,
    );
  }
}

/** This program once more: compiled, or from its sources (in tests). */
export function cliCommand(): readonly string[] {
  const compiled = import.meta.url.endsWith('.js');
  const main = fileURLToPath(new URL(compiled ? '../cli/main.js' : '../cli/main.ts', import.meta.url));
  return compiled
    ? [process.execPath, main]
    : [process.execPath, '--import', import.meta.resolve('tsx'), main];
}
