/**
 * The thread that PGlite lives in, so that its synchronous work never stops the main thread's timers
 * and sockets. Started by `pglite-pool.ts`, which sends one statement at a time.
 * It may not import anything of the project: it runs from the sources and from the build alike.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';

/** One statement, or the wish to end. */
export type ThreadRequest =
  | {
      readonly id: number;
      readonly kind: 'query';
      readonly text: string;
      readonly values: readonly unknown[];
    }
  | { readonly id: number; readonly kind: 'close' };

/** `id` 0 says that the database is open, or why it is not. */
export type ThreadReply =
  | { readonly id: number; readonly rows: readonly unknown[]; readonly affected: number }
  | {
      readonly id: number;
      readonly error: { readonly message: string; readonly code?: string; readonly detail?: string };
    };

const INT8 = 20;

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const { dataDir } = workerData as { readonly dataDir: string };
  let database: PGlite;
  try {
    database = await PGlite.create({ dataDir, parsers: { [INT8]: Number } });
  } catch (error) {
    port.postMessage(failure(0, error));
    port.close();
    return;
  }
  const reply = (message: ThreadReply) => port.postMessage(message);
  port.on('message', (request: ThreadRequest) => {
    void answer(database, request).then(reply, (error: unknown) => reply(failure(request.id, error)));
  });
  reply({ id: 0, rows: [], affected: 0 });
}

async function answer(database: PGlite, request: ThreadRequest): Promise<ThreadReply> {
  if (request.kind === 'close') {
    await database.close();
    parentPort?.unref();
    return { id: request.id, rows: [], affected: 0 };
  }
  const { rows, affectedRows } = await database.query(request.text, [...request.values]);
  return { id: request.id, rows, affected: affectedRows ?? 0 };
}

function failure(id: number, error: unknown): ThreadReply {
  const { message, code, detail } = error as { message?: string; code?: string; detail?: string };
  return {
    id,
    error: {
      message: message ?? String(error),
      ...(code === undefined ? {} : { code }),
      ...(detail === undefined ? {} : { detail }),
    },
  };
}

if (parentPort !== null) void serve(parentPort);
