/**
 * The store on PGlite, for one machine: development, the demo, tests. Called by the embedded mode.
 * Promise: one process owns a data directory; a second one is told which process that is.
 */
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { openDatabase } from './database.ts';
import { createStore, type DatabaseStore } from './create-store.ts';
import { takeOwnerLock } from './owner-lock.ts';
import { openPglite } from './pglite-pool.ts';

export interface EmbeddedStoreOptions {
  /** A directory, created where absent and guarded by `<dataDir>.lock`; or `memory`. */
  readonly dataDir: string;
  /** As for PostgreSQL: `createNames(deployment).schema`. */
  readonly schema: string;
}

/**
 * Opens the store.
 * @throws EscapementError `StateOwned` where another process has the directory; UnavailableError
 */
export async function createEmbeddedStore(options: EmbeddedStoreOptions): Promise<DatabaseStore> {
  if (options.dataDir === 'memory') return createStore(await open('memory://', options.schema));
  const dataDir = resolve(options.dataDir);
  mkdirSync(dirname(dataDir), { recursive: true });
  const lock = takeOwnerLock(`${dataDir}.lock`, `the state in ${dataDir}`);
  try {
    const store = createStore(await open(dataDir, options.schema));
    let closing: Promise<void> | undefined;
    // Once only: a second release could take the lock of a store that this process opened since.
    return { ...store, close: () => (closing ??= store.close().finally(() => lock.release())) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function open(dataDir: string, schema: string) {
  return openDatabase(await openPglite(dataDir), schema);
}
