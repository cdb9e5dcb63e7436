/**
 * Vitest's global setup: prepares what tests share, each thing once in a run and only when a test first asks for it.
 * Runs in vitest's main process; test files ask through `shared.ts` over HTTP on the loopback address.
 * Promise: a run that needs no server starts none; everything started here is ended with the run.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { TestProject } from 'vitest/node';
import { findTemporal } from '../../src/embedded/find-temporal.ts';
import { startTemporalServer } from '../../src/embedded/temporal-server.ts';
import { findTimeSkippingServer } from './find-time-skipping.ts';
import { startPostgres } from './postgres.ts';
import type { ProgramFiles } from './program.ts';
import type { Shared } from './shared.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Base URL of the provisioner. */
    provisioner: string;
  }
}

type Cleanup = () => Promise<void>;

/** Called by vitest before the first test; what it returns is called after the last. */
export default async function setUp(project: TestProject): Promise<Cleanup> {
  const cleanups: Cleanup[] = [];
  const makers = createMakers((cleanup) => cleanups.push(cleanup));
  const made = new Map<string, Promise<string>>();
  const server = createServer((request, response) => {
    const what = request.url?.slice(1) ?? '';
    const making = made.get(what) ?? make(makers, what);
    made.set(what, making);
    making.then(
      (value) => response.end(value),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the provisioner has no port');
  project.provide('provisioner', `http://127.0.0.1:${address.port}`);

  return async () => {
    server.closeAllConnections();
    server.close();
    await Promise.allSettled(made.values());
    await Promise.all(cleanups.map((cleanup) => cleanup()));
  };
}

type Makers = { readonly [What in keyof Shared]: () => Promise<Shared[What]> };

async function make(makers: Makers, what: string): Promise<string> {
  const maker = Object.entries(makers).find(([name]) => name === what)?.[1];
  if (maker === undefined) throw new Error(`the provisioner makes no "${what}"`);
  return JSON.stringify(await maker());
}

function createMakers(onCleanup: (cleanup: Cleanup) => void): Makers {
  let made: Promise<ProgramFiles> | undefined;
  const program = () => (made ??= buildProgram(onCleanup));
  return {
    temporal: async () => {
      const found = await findTemporal({ onProgress: tell });
      const namespace = process.env.TEMPORAL_NAMESPACE ?? 'default';
      if (found.kind === 'address') return { address: found.address, namespace };
      const server = await startTemporalServer({ binary: found.path, headless: true });
      onCleanup(server.stop);
      return { address: server.address, namespace: server.namespace };
    },
    postgres: async () => {
      const given = process.env.ESCAPEMENT_TEST_DATABASE_URL;
      if (given) return given;
      const server = await startPostgres();
      onCleanup(server.stop);
      return server.url;
    },
    workflowBundle: async () => (await program()).workflowBundle,
    timeSkippingProgram: () => findTimeSkippingServer(process.env, tell),
    program,
  };
}

async function buildProgram(onCleanup: (cleanup: Cleanup) => void): Promise<ProgramFiles> {
  // Loaded only here: the compiler takes longer to load than most runs of pure tests take.
  const { makeProgram } = await import('./program.ts');
  const { remove, ...files } = await makeProgram();
  onCleanup(remove);
  return files;
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
