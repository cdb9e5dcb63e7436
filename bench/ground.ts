/**
 * The ground that suites run on: a fresh Temporal dev server, with no special setting unless one is asked for, connections to it, and the
 * embedded database in a temporary folder, as in `escapement dev`. Promise: it is gone when the suite ends, however it
 * ends. Used by the suites that compare or count on a live system.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, type Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { createNames } from '../src/contract/ids.ts';
import { findTemporal, TEMPORAL_WAYS } from '../src/embedded/find-temporal.ts';
import { startTemporalServer } from '../src/embedded/temporal-server.ts';
import { createEmbeddedStore } from '../src/store/embedded.ts';
import type { Store } from '../src/store/store.ts';
import { registerSearchAttributes } from '../src/worker/search-attributes.ts';
import type { SuiteContext } from './suite.ts';

export interface Ground extends SuiteContext {
  readonly client: Client;
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly store: Store;
  /** Our search attributes are registered. */
  readonly searchAttributes: boolean;
  /** To be done before what was there earlier ends; the last first. */
  atEnd(closer: () => Promise<unknown>): void;
}

/** For processes of its own. */
export interface FreshGround extends Ground {
  /** Of the Temporal server. */
  readonly address: string;
}

/** Settings of the Temporal server that are not its own, such as `{'limit.blobSize.error': 1000}`. */
type ServerSettings = Readonly<Record<string, number>>;

export async function onFreshGround<T>(
  context: SuiteContext,
  use: (ground: FreshGround) => Promise<T>,
  dynamicConfig: ServerSettings = {},
): Promise<T> {
  const closers: (() => Promise<unknown>)[] = [];
  try {
    return await use(await open(context, closers, dynamicConfig));
  } catch (error) {
    // Said before the end, which calls that are still tried again may break.
    context.progress(`failed: ${error instanceof Error ? error.message : String(error)}`);
    throw error;
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

async function open(
  context: SuiteContext,
  closers: (() => Promise<unknown>)[],
  dynamicConfig: ServerSettings,
): Promise<FreshGround> {
  const atEnd = (closer: () => Promise<unknown>): void => void closers.push(closer);
  const folder = mkdtempSync(join(tmpdir(), 'escapement-bench-'));
  atEnd(async () => rmSync(folder, { recursive: true, force: true }));

  // Never somebody else's server: it may have settings, load and a history of its own.
  const ways = TEMPORAL_WAYS.filter((way) => way !== 'address');
  const found = await findTemporal({ ways, onProgress: context.progress });
  if (found.kind !== 'binary') throw new Error('no Temporal CLI was found');
  const server = await startTemporalServer({ binary: found.path, headless: true, dynamicConfig });
  atEnd(() => server.stop());
  const store = await createEmbeddedStore({
    dataDir: join(folder, 'database'),
    schema: createNames().schema,
  });
  atEnd(() => store.close());

  const { address, namespace } = server;
  const ours = await Connection.connect({ address });
  atEnd(() => ours.close());
  const connection = await NativeConnection.connect({ address });
  atEnd(() => connection.close());
  const { registered } = await registerSearchAttributes(ours, namespace);
  const client = new Client({ connection: ours, namespace });
  return { ...context, address, client, connection, namespace, store, searchAttributes: registered, atEnd };
}

/** The workflows as they ship; `npm run bench` has just built them. */
export function builtBundle(): WorkflowBundleOption {
  return { codePath: fileURLToPath(new URL('../dist/workflow-bundle.js', import.meta.url)) };
}

/** Runs workers until the ground ends. */
export function runWorkers(ground: Ground, workers: readonly Worker[]): void {
  const running = workers.map((worker) => worker.run());
  ground.atEnd(async () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.all(running);
  });
}

/**
 * Asks again until there is an answer.
 * @throws Error that names `what` after `withinMs`; the signal's reason
 */
export async function eventually<T>(
  { signal }: SuiteContext,
  what: string,
  withinMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > untilMs) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(50, undefined, { signal });
  }
}
