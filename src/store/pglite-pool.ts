/**
 * PGlite behind the shape of a connection pool, so that the same Kysely dialect serves it: a pool of one
 * connection, whose holder has it to itself until it lets go, so transactions are serialised.
 * Called by `embedded.ts`. Promise: a thread that dies fails what is under way and all that follows.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import { UnavailableError } from '../contract/errors.ts';
import type { ThreadReply, ThreadRequest } from './pglite-thread.ts';

type Body<T> = T extends ThreadRequest ? Omit<T, 'id'> : never;
type Waiter = { readonly resolve: (reply: ThreadReply) => void; readonly reject: (error: Error) => void };

/** Opens PGlite on `dataDir` (a directory, or `memory://`) in a thread of its own. */
export async function openPglite(dataDir: string): Promise<PostgresPool> {
  const thread = createThread(dataDir);
  const call = caller(thread, dataDir);
  await call.opened;
  const line = createLine();
  let ended: Promise<void> | undefined;

  async function end(): Promise<void> {
    const release = await line.enter();
    try {
      await call.send({ kind: 'close' });
    } finally {
      release();
      await thread.terminate();
    }
  }

  return {
    async connect(): Promise<PostgresPoolClient> {
      const release = await line.enter();
      const query = async (text: string, values: readonly unknown[]) => {
        const { rows, affected } = await call.send({ kind: 'query', text, values });
        return { rows, rowCount: affected, command: commandOf(text) };
      };
      return { query: query as PostgresPoolClient['query'], release };
    },
    // Kysely ends its pool once, but a failed opening and a close may both ask.
    end: () => (ended ??= end()),
  };
}

/** From the sources (.ts: tests and `tsx`) the thread needs a loader of its own, from the build none. */
function createThread(dataDir: string): Worker {
  const options = { workerData: { dataDir }, execArgv: [] };
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./pglite-thread.js', import.meta.url), options);
  // A loader given by --import does not reach threads in Node 20, so the thread's first lines load it.
  const tsx = new URL(
    'dist/esm/api/index.mjs',
    pathToFileURL(createRequire(import.meta.url).resolve('tsx/package.json')),
  ).href;
  const file = new URL('./pglite-thread.ts', import.meta.url).href;
  const first = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(file)}); })`;
  return new Worker(first, { ...options, eval: true });
}

/** Numbers the requests and finds the one that a reply belongs to. */
function caller(thread: Worker, dataDir: string) {
  const waiting = new Map<number, Waiter>();
  let last = 0;
  let gone: UnavailableError | undefined;

  function wait(id: number): Promise<ThreadReply> {
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  }
  function fail(cause: unknown): void {
    gone ??= new UnavailableError(
      `embedded database ${dataDir}`,
      'its thread has ended; start the process again',
      { cause },
    );
    for (const waiter of waiting.values()) waiter.reject(gone);
    waiting.clear();
  }
  thread.on('message', (reply: ThreadReply) => {
    waiting.get(reply.id)?.resolve(reply);
    waiting.delete(reply.id);
  });
  thread.on('error', fail);
  thread.on('exit', (code) => fail(new Error(`exit code ${code}`)));

  return {
    opened: wait(0).then((reply) => {
      if ('error' in reply) throw new UnavailableError(`embedded database ${dataDir}`, reply.error.message);
    }),
    async send(body: Body<ThreadRequest>) {
      if (gone !== undefined) throw gone;
      last += 1;
      const reply = wait(last);
      thread.postMessage({ id: last, ...body });
      const settled = await reply;
      if ('error' in settled) throw Object.assign(new Error(settled.error.message), settled.error);
      return settled;
    },
  };
}

/** One at a time, first come first served. */
function createLine() {
  let tail: Promise<void> = Promise.resolve();
  return {
    async enter(): Promise<() => void> {
      const ahead = tail;
      let release = () => {};
      tail = new Promise<void>((resolve) => {
        release = resolve;
      });
      await ahead;
      return release;
    },
  };
}

/** What Kysely asks for: the statement's verb; a common table expression counts by its last verb's rows. */
function commandOf(text: string): 'INSERT' | 'UPDATE' | 'DELETE' | 'SELECT' {
  const verb = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase();
  return verb === 'INSERT' || verb === 'UPDATE' || verb === 'DELETE' ? verb : 'SELECT';
}
