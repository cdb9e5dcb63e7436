/** The order in which a Temporal server is looked for, each way with an environment made for it. */
import { writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findTemporal, TEMPORAL_WAYS } from '../../src/embedded/find-temporal.ts';
import { TEMPORAL_CLI_VERSION } from '../../src/embedded/temporal-build.ts';

/** All but the download, which would answer differently with and without a network. */
const ways = TEMPORAL_WAYS.filter((way) => way !== 'download');

let folder: string;
let cache: string;
let bin: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escapement-test-'));
  cache = join(folder, 'cache');
  bin = join(folder, 'bin');
  await mkdir(bin);
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function program(path: string, script: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** A `go` that "builds" by writing a program to the path after -o, once the file GATE is there. */
const FAKE_GO = `
while [ "$1" != "-o" ]; do shift; done
while [ ! -e "$GATE" ]; do sleep 0.02; done
printf "#!/bin/sh\\n" > "$2"; chmod +x "$2"; echo built >> "$GO_LOG"`;

describe('a Temporal server is looked for', () => {
  test('at TEMPORAL_ADDRESS before anywhere else', async () => {
    const named = await program(join(folder, 'cli'), 'exit 0');
    const env = { TEMPORAL_ADDRESS: 'example.test:7233', ESCAPEMENT_TEMPORAL_CLI: named, PATH: bin };
    expect(await findTemporal({ env, ways })).toEqual({ kind: 'address', address: 'example.test:7233' });
  });

  test('then in the program that ESCAPEMENT_TEMPORAL_CLI names, by path or by name', async () => {
    await program(join(bin, 'temporal'), 'exit 0');
    const named = await program(join(bin, 'my-temporal'), 'exit 0');
    for (const name of [named, 'my-temporal']) {
      const env = { TEMPORAL_ADDRESS: '', ESCAPEMENT_TEMPORAL_CLI: name, PATH: bin };
      expect(await findTemporal({ env, ways })).toEqual({ kind: 'binary', path: named, source: 'named' });
    }
  });

  test('then as `temporal` on PATH, where a file that cannot be run does not count', async () => {
    const other = join(folder, 'other');
    await mkdir(other);
    await writeFile(join(other, 'temporal'), 'no program');
    const path = await program(join(bin, 'temporal'), 'exit 0');
    const env = { PATH: `${other}:${bin}`, ESCAPEMENT_CACHE: cache };
    expect(await findTemporal({ env, ways })).toEqual({ kind: 'binary', path, source: 'path' });
  });

  test('then it is built with go, once for two who ask at the same time, and found in the cache ever after', async () => {
    await program(join(bin, 'go'), FAKE_GO);
    const goLog = join(folder, 'go.log');
    const gate = join(folder, 'gate');
    const env = { PATH: `${bin}:${process.env.PATH}`, ESCAPEMENT_CACHE: cache, GO_LOG: goLog, GATE: gate };
    const lines: string[] = [];
    const onProgress = (line: string) => {
      lines.push(line);
      // The build goes on once the other one waits for it.
      if (line.startsWith('waiting')) writeFileSync(gate, '');
    };
    const search = { env, ways: ['cache', 'build'] as const, onProgress };

    const [one, two] = await Promise.all([findTemporal(search), findTemporal(search)]);
    expect(one).toEqual(two);
    expect(one).toMatchObject({ kind: 'binary', source: 'build' });
    expect(await readFile(goLog, 'utf8')).toBe('built\n');
    expect(lines.join('\n')).toContain('takes some minutes, once');
    expect(lines.join('\n')).toContain('waiting for another process');

    expect(await findTemporal(search)).toEqual({ ...one, source: 'cache' });
    expect(await readdir(cache)).toEqual([expect.stringContaining(`temporal-${TEMPORAL_CLI_VERSION}-`)]);
  });

  test('and a builder that was killed does not lock out the next one', async () => {
    await program(join(bin, 'go'), FAKE_GO);
    const env = {
      PATH: `${bin}:${process.env.PATH}`,
      ESCAPEMENT_CACHE: cache,
      GO_LOG: join(folder, 'go.log'),
      GATE: bin,
    };
    await mkdir(cache);
    const name = `temporal-${TEMPORAL_CLI_VERSION}-${process.platform}-${process.arch}`;
    // Process ids end below 2^22: this one never runs.
    await writeFile(join(cache, `${name}.lock`), `${2 ** 22 + 1} ${hostname()}`);
    expect(await findTemporal({ env, ways: ['build'] })).toMatchObject({ source: 'build' });
    expect(await readdir(cache)).toEqual([name]);
  });
});

describe('where no Temporal server can be had', () => {
  test('a wrong ESCAPEMENT_TEMPORAL_CLI is an error, not passed over', async () => {
    await program(join(bin, 'temporal'), 'exit 0');
    const env = { ESCAPEMENT_TEMPORAL_CLI: '/no/such/cli', PATH: bin };
    await expect(findTemporal({ env, ways })).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('"/no/such/cli"'),
    });
  });

  test('one error names every way and why it failed', async () => {
    await program(join(bin, 'go'), 'echo "no space left" >&2; exit 1');
    const env = { PATH: bin, ESCAPEMENT_CACHE: cache };
    const refusal = await findTemporal({ env, ways }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'Unavailable' });
    const { message } = refusal as Error;
    for (const word of [
      'TEMPORAL_ADDRESS',
      'ESCAPEMENT_TEMPORAL_CLI',
      '`temporal`',
      'cache',
      'no space left',
    ]) {
      expect(message).toContain(word);
    }
    expect(await readdir(cache)).toEqual([]);
  });
});

test('the version in the cached name is the one that tools/temporal pins', async () => {
  const goMod = await readFile(new URL('../../tools/temporal/go.mod', import.meta.url), 'utf8');
  expect(goMod).toContain(`github.com/temporalio/cli v${TEMPORAL_CLI_VERSION}`);
});
