/**
 * The whole of Escapement on one machine: Temporal server, database, orchestration worker and gateway in this process's
 * care. Used by `escapement dev`, the demo and tests. Promise: one owner of a state folder at a time; `close` ends
 * everything it started, in the order in which the parts need each other, also when starting failed half-way.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Client, type Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { connectTemporal } from '../client/connect.ts';
import { loadConfig } from '../config/config.ts';
import { keyPath, removeAddresses, writeAddresses } from '../config/local-state.ts';
import { createNames } from '../contract/ids.ts';
import { loadOrCreateKey } from '../gateway/key-file.ts';
import { atLeastTemporals } from '../gateway/retention.ts';
import { type GatewayServer, serveGateway } from '../gateway/serve.ts';
import { temporalCallbacks } from '../gateway/temporal-callbacks.ts';
import { createEmbeddedStore } from '../store/embedded.ts';
import { takeOwnerLock } from '../store/owner-lock.ts';
import type { Store } from '../store/store.ts';
import { createOrchestrationWorker, type OrchestrationWorker } from '../worker/orchestration.ts';
import { findTemporal } from './find-temporal.ts';
import { startTemporalServer } from './temporal-server.ts';

export interface SystemOptions {
  /** Made where absent. */
  readonly stateFolder: string;
  readonly deployment?: string;
  /** Of the Temporal server, its Web UI and the gateway; default: free ones. */
  readonly ports?: { readonly temporal?: number; readonly webUi?: number; readonly gateway?: number };
  /** Gets lines for a person: what is being started, and what takes minutes. */
  readonly onProgress: (line: string) => void;
  /** Stops a start that is under way. */
  readonly signal?: AbortSignal;
}

export interface System {
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly deployment: string;
  /** Absent where the Temporal server is somebody else's. */
  readonly webUiUrl?: string;
  readonly gateway: { readonly url: string; readonly key: string };
  readonly connection: Connection;
  readonly client: Client;
  readonly store: Store;
  /** Rejects when a part has died by itself; never resolves otherwise. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

type Closer = () => Promise<void> | void;

/** @throws EscapementError `StateOwned`; UnavailableError where a part cannot be had; the signal's reason */
export async function startSystem(options: SystemOptions): Promise<System> {
  const closers: Closer[] = [];
  const close = once(async () => {
    for (const closer of closers.toReversed()) await closer();
  });
  try {
    return await open(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(options: SystemOptions, closers: Closer[], close: () => Promise<void>): Promise<System> {
  const folder = resolve(options.stateFolder);
  const names = createNames(options.deployment);
  mkdirSync(folder, { recursive: true });
  options.signal?.throwIfAborted();
  const lock = takeOwnerLock(join(folder, 'owner.lock'), `the state in ${options.stateFolder}`);
  closers.push(() => lock.release());

  const [temporal, store] = await bothOf(
    openTemporal(options, folder, closers),
    openStore(join(folder, 'database'), names.schema, closers),
  );
  options.signal?.throwIfAborted();

  const connection = await connectTemporal({ address: temporal.address });
  closers.push(() => connection.close());
  const native = await NativeConnection.connect({ address: temporal.address });
  closers.push(() => native.close());
  const client = new Client({ connection, namespace: temporal.namespace });
  const worker = await createOrchestrationWorker({
    connection: native,
    client,
    namespace: temporal.namespace,
    store,
    names,
    onNotice: options.onProgress,
  });
  const workerFailed = runWorker(worker, closers);
  options.signal?.throwIfAborted();

  const key = await loadOrCreateKey(keyPath(folder));
  const gateway: GatewayServer = await serveGateway({
    store,
    key,
    port: options.ports?.gateway ?? 0,
    ledgerRetentionMs: await atLeastTemporals(client, temporal.namespace, loadConfig().ledgerRetentionMs),
    ...temporalCallbacks({ client, store, names }),
  });
  closers.push(() => gateway.close());
  writeAddresses(folder, {
    pid: process.pid,
    temporalAddress: temporal.address,
    namespace: temporal.namespace,
    deployment: names.deployment,
    gatewayUrl: gateway.url,
    ...(temporal.webUiUrl !== undefined && { webUiUrl: temporal.webUiUrl }),
  });
  closers.push(() => removeAddresses(folder));
  return {
    temporalAddress: temporal.address,
    namespace: temporal.namespace,
    deployment: names.deployment,
    ...(temporal.webUiUrl !== undefined && { webUiUrl: temporal.webUiUrl }),
    gateway: { url: gateway.url, key },
    connection,
    client,
    store,
    failed: Promise.race([workerFailed, temporal.failed]),
    close,
  };
}

/** Waits for both even when one fails, so that nothing comes up after everything was closed. */
async function bothOf<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}

async function openStore(dataDir: string, schema: string, closers: Closer[]): Promise<Store> {
  const store = await createEmbeddedStore({ dataDir, schema });
  closers.push(() => store.close());
  return store;
}

async function openTemporal(options: SystemOptions, folder: string, closers: Closer[]) {
  const found = await findTemporal({ onProgress: options.onProgress });
  options.signal?.throwIfAborted();
  const namespace = process.env.TEMPORAL_NAMESPACE ?? 'default';
  if (found.kind === 'address') {
    options.onProgress(`uses the Temporal server at ${found.address}`);
    return { address: found.address, namespace, failed: new Promise<never>(() => {}) };
  }
  const { ports } = options;
  const server = await startTemporalServer({
    binary: found.path,
    namespace,
    dbFilename: join(folder, 'temporal.db'),
    logFile: join(folder, 'temporal.log'),
    ...(ports?.temporal !== undefined && { port: ports.temporal }),
    ...(ports?.webUi !== undefined && { uiPort: ports.webUi }),
  });
  closers.push(() => server.stop());
  const failed = server.exited.then((error) => {
    if (error !== undefined) throw error;
    return new Promise<never>(() => {});
  });
  // Nobody may be waiting yet, and somebody will be told later.
  failed.catch(() => {});
  return {
    address: server.address,
    namespace,
    failed,
    ...(server.uiAddress !== undefined && { webUiUrl: server.uiAddress }),
  };
}

function runWorker(worker: OrchestrationWorker, closers: Closer[]): Promise<never> {
  const running = worker.run();
  closers.push(async () => {
    worker.shutdown();
    await running.catch(() => {});
  });
  const failed = running.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});
  return failed;
}

function once(action: () => Promise<void>): () => Promise<void> {
  let begun: Promise<void> | undefined;
  return () => (begun ??= action());
}
