/** The demo as a person starts it: it ends with a sound account, and Ctrl-C at any moment leaves nothing behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cliCommand } from '../../src/embedded/pool-process.ts';
import { temporalBinary } from '../support/temporal-binary.ts';

interface Run {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly lines: string[];
  /** Resolves when a line with that text has come. */
  line(text: string): Promise<void>;
  exitCode(): Promise<number | null>;
}

describe('the demo', () => {
  let binary: string;
  const folders: string[] = [];

  beforeAll(async () => {
    binary = await temporalBinary();
  });

  afterAll(async () => {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });

  /** Everything it makes or starts carries its folder: as its place for temporary files, in its environment. */
  async function startDemo(...args: string[]): Promise<Run> {
    const folder = await mkdtemp(join(tmpdir(), 'escapement-demo-test-'));
    folders.push(folder);
    const { TEMPORAL_ADDRESS: _server, ...inherited } = process.env;
    const [program = '', ...rest] = cliCommand();
    const child = spawn(program, [...rest, 'demo', ...args], {
      env: { ...inherited, TMPDIR: folder, ESCAPEMENT_TEMPORAL_CLI: binary },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const lines: string[] = [];
    const waiting = new Set<() => void>();
    const reader = createInterface({ input: child.stdout });
    const drained = once(reader, 'close');
    reader.on('line', (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
    return {
      child,
      folder,
      lines,
      line: (text) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            if (!lines.some((line) => line.includes(text))) return;
            waiting.delete(look);
            resolve();
          };
          waiting.add(look);
          void exited.then(() => reject(new Error(`ended before it said "${text}":\n${lines.join('\n')}`)));
          look();
        }),
      exitCode: async () => {
        const [code] = (await exited) as [number | null];
        await drained;
        return code;
      },
    };
  }

  it('accounts for every due time once, through pause, change and a killed worker', {
    timeout: 180_000,
  }, async () => {
    const demo = await startDemo('--seconds', '20');
    const code = await demo.exitCode();
    const output = demo.lines.join('\n');

    expect(output).toMatch(/Web UI {3}http:\/\/127\.0\.0\.1:\d+/);
    expect(output).toMatch(/>> killed worker \w+ \(SIGKILL\) while it ran long-haul/);
    expect(output).toMatch(/>> \w+ took long-haul over/);
    expect(output).toMatch(/long-haul .* succeeded on \w+ .* 1 worker lost/);
    expect(output).toMatch(/flaky .* succeeded .* 3 tries/);
    expect(output).toMatch(/slow-hash .* skipped-overlap/);
    expect(output).toMatch(/job once-in-5s +succeeded/);
    expect(output).toMatch(/ok {2}\d+ due times, each accounted for once/);
    expect(output).toContain('ok  no worker over its capacity');
    expect(output).toContain('ok  nothing left allocated');
    expect(output).not.toContain('NOT OK');
    expect(code).toBe(0);
    expect(await leftBehind(demo.folder)).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted while it starts', { timeout: 120_000 }, async () => {
    const demo = await startDemo();
    await somethingIn(demo.folder);
    demo.child.kill('SIGINT');

    expect(await demo.exitCode()).toBe(130);
    expect(await leftBehind(demo.folder)).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted in the middle', { timeout: 120_000 }, async () => {
    const demo = await startDemo();
    await demo.line('succeeded on');
    demo.child.kill('SIGINT');

    expect(await demo.exitCode()).toBe(130);
    expect(demo.lines.at(-1)).toBe('stopped; nothing is left running');
    expect(await leftBehind(demo.folder)).toEqual([]);
  });
});

/** Resolves when the demo has made its own folder: it is starting then. */
async function somethingIn(folder: string): Promise<void> {
  const watcher = watch(folder);
  try {
    const isThere = async () => (await readdir(folder)).some((name) => name.startsWith('escapement-demo-'));
    while (!(await isThere())) await once(watcher, 'change');
  } finally {
    watcher.close();
  }
}

/** Files under the folder, and processes that were started with it. */
async function leftBehind(folder: string): Promise<readonly string[]> {
  // The loader of the sources keeps a cache of its own there.
  const files = (await readdir(folder)).filter((name) => name.startsWith('escapement'));
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const processes = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      if (!environment.includes(`TMPDIR=${folder}`)) return [];
      return [`${pid} ${await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')}`];
    }),
  );
  return [...files, ...processes.flat()];
}
