/**
 * Targets of the demo: real work on real files. A pool worker loads this module:
 * `escapement pool-worker --targets examples/targets.ts`. Each heeds its signal, so a cancelled run stops at once.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { defineTarget } from '../src/worker/targets/target.ts';

const compress = promisify(gzip);

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

const hashInput = z.object({
  folder: z.string(),
  /** Hash it again and again for this long, unhurriedly: work that takes its time. */
  forMs: z.number().default(0),
});

/** One digest over all files of a folder. */
const hashFiles = defineTarget<z.output<typeof hashInput>>(
  'hash-files',
  async ({ input, signal, heartbeat }) => {
    const untilMs = performance.now() + input.forMs;
    let files = 0;
    let digest = '';
    do {
      const hash = createHash('sha256');
      for (const path of await filesOf(input.folder)) {
        signal.throwIfAborted();
        hash.update(await readFile(path));
        files += 1;
        if (input.forMs > 0) await sleep(20, undefined, { signal });
      }
      digest = hash.digest('hex').slice(0, 12);
      heartbeat({ files });
    } while (performance.now() < untilMs);
    return { files, digest };
  },
  { parse: (input) => hashInput.parse(input) },
);

const folderInput = z.object({ folder: z.string() });

/** Compresses the files of a folder and says what that saves. */
const compressFiles = defineTarget<z.output<typeof folderInput>>(
  'compress-files',
  async ({ input, signal }) => {
    let before = 0;
    let after = 0;
    for (const path of await filesOf(input.folder)) {
      signal.throwIfAborted();
      const bytes = await readFile(path);
      before += bytes.length;
      after += (await compress(bytes)).length;
    }
    return { before, after, saved: `${Math.round(100 * (1 - after / before))} %` };
  },
  { parse: (input) => folderInput.parse(input) },
);

/** Lines by kind of file, over the dataset that only some workers hold. */
const countLines = defineTarget('count-lines', async ({ dataset, signal }) => {
  if (dataset?.path === undefined) throw new Error('this worker does not hold the dataset');
  const lines: Record<string, number> = {};
  for (const path of await filesOf(dataset.path)) {
    signal.throwIfAborted();
    const kind = extname(path) || 'other';
    lines[kind] = (lines[kind] ?? 0) + (await readFile(path, 'utf8')).split('\n').length;
  }
  return lines;
});

/** Fails twice, as a service that is just starting would, and then writes its report. */
const flakyReport = defineTarget('flaky-report', async ({ call }) => {
  if (call.attempt <= 2) throw new Error(`not ready yet (try ${call.attempt})`);
  const folder = await mkdtemp(join(tmpdir(), 'report-'));
  try {
    const path = join(folder, 'report.json');
    await writeFile(path, JSON.stringify(call, null, 2));
    return { tries: call.attempt, bytes: (await readFile(path)).length };
  } finally {
    await rm(folder, { recursive: true });
  }
});

export default [hashFiles, compressFiles, countLines, flakyReport];
