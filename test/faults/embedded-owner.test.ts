/** Two processes that want one embedded directory: one has it; when that is killed, another takes it over with all that was said. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEmbeddedStore } from '../../src/store/embedded.ts';

const OWNER = fileURLToPath(new URL('./embedded-owner.ts', import.meta.url));

let folder: string;
const running: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escapement-owner-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

interface Owner {
  /** The pools that it says it has made; settles when there are so many. */
  made(count: number): Promise<readonly string[]>;
  readonly said: readonly string[];
  /** Exit code and what it wrote as an error. */
  readonly ended: Promise<{ readonly code: number | null; readonly error: string }>;
  kill(): Promise<void>;
}

function own(prefix: string): Owner {
  const child = spawn(process.execPath, ['--import', 'tsx', OWNER, join(folder, 'database'), prefix]);
  running.push(child);
  const said: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(line.replace('made ', ''));
    for (const look of waiting) look();
  });
  let error = '';
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, error }));
  return {
    said,
    ended,
    made: (count) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (said.length >= count) resolve(said);
        };
        waiting.add(look);
        look();
        void ended.then(() => reject(new Error(`it ended first: ${error}`)));
      }),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

test('a second owner is refused, and one that comes after a crash finds all that was made', async () => {
  const first = own('a');
  await first.made(5);
  const second = await own('b').ended;
  expect(second.code).not.toBe(0);
  expect(second.error).toContain('StateOwned');
  await first.made(first.said.length + 5);
  await first.kill();

  const store = await createEmbeddedStore({ dataDir: join(folder, 'database'), schema: 'escapement' });
  for (const id of first.said) expect((await store.getPool(id)).id).toBe(id);
  await store.close();
});
