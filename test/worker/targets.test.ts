/** Targets: how they are named, loaded and refused, and the two that need no code, on real processes and sockets. */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InvalidInputError } from '../../src/contract/errors.ts';
import { BoundedOutput } from '../../src/worker/targets/bounded-output.ts';
import { type CommandResult, commandTarget } from '../../src/worker/targets/command.ts';
import { type HttpResult, httpTarget } from '../../src/worker/targets/http.ts';
import { loadTargets } from '../../src/worker/targets/load.ts';
import { createTargets } from '../../src/worker/targets/registry.ts';
import { defineTarget, type TargetContext } from '../../src/worker/targets/target.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escapement-targets-'));
});
afterEach(() => rm(folder, { recursive: true }));

function contextFor(input: unknown, extra: Partial<TargetContext> = {}): TargetContext {
  return {
    call: {
      invocationId: 'schedule/nightly/2026-01-31T00:00:00Z',
      scheduleId: 'nightly',
      nominalAtMs: Date.UTC(2026, 0, 31),
      actualAtMs: 0,
      lateByMs: 0,
      why: 'automatic',
      attempt: 2,
    },
    input,
    worker: { poolId: 'default', id: 'w1' },
    signal: new AbortController().signal,
    heartbeat: () => {},
    log: new DefaultLogger('ERROR'),
    ...extra,
  };
}

const runCommand = (input: unknown, extra?: Partial<TargetContext>) =>
  commandTarget.run(contextFor(input, extra)) as Promise<CommandResult>;
const runHttp = (input: unknown) => httpTarget.run(contextFor(input)) as Promise<HttpResult>;

/**
 * A named pipe: `firstLine` waits until a process has opened it and written, `closed` until the last process
 * that has it open is dead. (A pid tells less: a killed process keeps it until its parent takes notice.)
 */
async function namedPipe() {
  const path = join(folder, 'pipe');
  await runCommand({ command: ['mkfifo', path] });
  const stream = createReadStream(path, 'utf8');
  const closed = new Promise<void>((resolve) => stream.once('end', resolve));
  const firstLine = new Promise<string>((resolve) => {
    stream.once('data', (chunk) => resolve(String(chunk)));
  });
  return { path, firstLine, closed };
}

async function failureOf(work: Promise<unknown>): Promise<ApplicationFailure> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ApplicationFailure) return error;
  throw new Error(`expected an ApplicationFailure, got ${String(error)}`);
}

describe('a registry of targets', () => {
  test('holds the built-in targets and refuses a second handler for a name', () => {
    const registry = createTargets(defineTarget('hash', () => 1));
    expect(registry.list().map((target) => target.name)).toEqual(['command', 'http', 'workflow', 'hash']);
    const second = defineTarget('hash', () => 2);
    expect(() => registry.add(second, './more.ts')).toThrow(/"hash" has two handlers.*\.\/more\.ts/);
    expect(() => createTargets(defineTarget('http', () => 3))).toThrow(InvalidInputError);
  });

  test('refuses a name that cannot be one', () => {
    expect(() => defineTarget('a/b', () => 1)).toThrow(/contains "\/"/);
  });

  test('a target checks its input where it can, and fails without a retry', async () => {
    const parse = (input: unknown) => {
      if (typeof input !== 'number') throw new Error('wants a number');
      return input;
    };
    const double = defineTarget('double', ({ input }) => input * 2, { parse });
    expect(await double.run(contextFor(21))).toBe(42);
    const failure = await failureOf(double.run(contextFor('x')));
    expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
  });
});

describe('a module of targets', () => {
  test.each([
    ['a default object', 'export default { a: () => 1, b: () => 2 };', ['a', 'b']],
    ['a named object', 'export const targets = { a: () => 1 };', ['a']],
    [
      'exported functions',
      'export const a = () => 1; export function c() {} export const x = 5;',
      ['a', 'c'],
    ],
    ['a list', 'export default [{ name: "a-1", run: () => 1 }];', ['a-1']],
  ])('may be %s', async (_what, code, names) => {
    const path = join(folder, 'targets.mjs');
    await writeFile(path, code);
    expect((await loadTargets(path)).map((target) => target.name)).toEqual(names);
  });

  test.each([
    ['that is not there', undefined, /cannot be imported/],
    ['with nothing in it', 'export const x = 1;', /holds no targets/],
    ['with something else than a function', 'export default { a: 1 };', /a: is no function/],
  ])('%s is refused', async (_what, code, message) => {
    const path = join(folder, 'targets.mjs');
    if (code !== undefined) await writeFile(path, code);
    await expect(loadTargets(path)).rejects.toThrow(message);
  });
});

describe('bounded output', () => {
  test('keeps everything that fits, in whatever pieces it comes', () => {
    const output = new BoundedOutput(4);
    for (const piece of ['a', 'bcd', 'efg', 'h']) output.push(Buffer.from(piece));
    expect(output.text()).toBe('abcdefgh');
  });

  test('keeps head and tail and says how much was cut', () => {
    const output = new BoundedOutput(3);
    output.push(Buffer.from('abcdefghij'));
    output.push(Buffer.from('k'));
    expect(output.text()).toBe('abc\n… 5 bytes cut …\nijk');
  });
});

describe('the target command', () => {
  test('runs a program and returns what it wrote', async () => {
    const result = await runCommand({ command: ['cat'], stdin: 'hello' });
    expect(result).toMatchObject({ exitCode: 0, stdout: 'hello', stderr: '' });
  });

  test('tells the program what it is about and nothing of the worker’s own environment', async () => {
    process.env['ESCAPEMENT_TEST_SECRET'] = 'secret';
    const dataset = { id: 'photos', path: folder, held: true };
    const { stdout } = await runCommand(
      { command: 'env; pwd', shell: true, env: { MODE: 'x' } },
      { dataset },
    );
    delete process.env['ESCAPEMENT_TEST_SECRET'];
    expect(stdout).toContain('ESCAPEMENT_NOMINAL_TIME=2026-01-31T00:00:00Z');
    expect(stdout).toContain('ESCAPEMENT_ATTEMPT=2');
    expect(stdout).toContain('MODE=x');
    expect(stdout).toContain(`PATH=${process.env['PATH']}`);
    expect(stdout).toContain(`\n${folder}\n`);
    expect(stdout).not.toContain('secret');
  });

  test('fails with the exit code and the end of standard error', async () => {
    const failure = await failureOf(runCommand({ command: 'echo oh no >&2; exit 3', shell: true }));
    expect(failure).toMatchObject({ type: 'CommandFailed', nonRetryable: false });
    expect(failure.message).toContain('exit code 3: oh no');
    expect(failure.details?.[0]).toMatchObject({ exitCode: 3, stderr: 'oh no\n' });
  });

  test('cuts the middle out of a flood, so that the result stays small', async () => {
    const { stdout } = await runCommand({ command: 'head -c 5000000 /dev/zero; echo end', shell: true });
    expect(stdout).toMatch(/^\uFFFD+\n… \d+ bytes cut …\n\uFFFD+end\n$/);
    expect(Buffer.byteLength(JSON.stringify(stdout))).toBeLessThan(100 * 1024);
  });

  test('a program that is not there, and a folder that is not there, are told apart', async () => {
    const program = await failureOf(runCommand({ command: ['no-such-program-anywhere'] }));
    expect(program.message).toMatch(/exit code 127.*not found/);
    const cwd = await failureOf(runCommand({ command: ['true'], cwd: join(folder, 'nowhere') }));
    expect(cwd).toMatchObject({ type: 'CommandNotStarted' });
  });

  test.each([
    ['a line without shell: true', { command: 'ls -l' }],
    ['an unknown field', { command: ['ls'], direcotry: '/' }],
    ['nothing', undefined],
  ])('refuses %s', async (_what, input) => {
    const failure = await failureOf(runCommand(input));
    expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
  });

  test('ends the whole group when it is cancelled', async () => {
    const controller = new AbortController();
    const pipe = await namedPipe();
    const line = `{ echo up; exec sleep 1000; } > ${pipe.path} & wait`;
    const running = runCommand({ command: line, shell: true }, { signal: controller.signal });
    expect(await pipe.firstLine).toBe('up\n');
    controller.abort(new Error('cancelled'));
    await expect(running).rejects.toThrow('cancelled');
    await pipe.closed;
  });

  test('lets a command clean up after SIGTERM', async () => {
    const controller = new AbortController();
    const pipe = await namedPipe();
    const trace = join(folder, 'trace');
    const line = `trap 'echo cleaned > ${trace}; exit 0' TERM; echo up > ${pipe.path}; while :; do sleep 0.05; done`;
    const running = runCommand({ command: line, shell: true }, { signal: controller.signal });
    await pipe.firstLine;
    controller.abort(new Error('cancelled'));
    await expect(running).rejects.toThrow('cancelled');
    expect(await readFile(trace, 'utf8')).toBe('cleaned\n');
  });

  test('ends the group at its time limit', async () => {
    const failure = await failureOf(runCommand({ command: ['sleep', '1000'], timeoutMs: 50 }));
    expect(failure).toMatchObject({ type: 'CommandTimedOut' });
  });

  test('ends at its time limit also what it has started, deaf to SIGTERM or not', async () => {
    const pipe = await namedPipe();
    const line = `exec 5> ${pipe.path}; sleep 1000 & (trap '' TERM; echo up >&5; while :; do sleep 1; done) & wait`;
    const running = failureOf(runCommand({ command: line, shell: true, timeoutMs: 2_000 }));
    expect(await pipe.firstLine).toBe('up\n');
    expect(await running).toMatchObject({ type: 'CommandTimedOut' });
    await pipe.closed;
  });

  test('has in its environment what is listed and nothing else', async () => {
    const { stdout } = await runCommand({ command: ['env'], env: { MODE: 'x' } });
    const named = stdout.split('\n').flatMap((line) => /^[A-Za-z_][A-Za-z0-9_]*(?==)/.exec(line) ?? []);
    // The shell that watches over it adds the folder it is in.
    const shell = ['PWD', 'OLDPWD', 'SHLVL', '_'];
    const strangers = named.filter(
      (name) => !/^(PATH|HOME|MODE|ESCAPEMENT_\w+)$/.test(name) && !shell.includes(name),
    );
    expect(strangers).toEqual([]);
  });

  test('leaves nothing running in the background when the command itself has ended', async () => {
    const pipe = await namedPipe();
    await runCommand({ command: `exec 5> ${pipe.path}; sleep 1000 & echo up >&5`, shell: true });
    await pipe.closed;
  });

  test('ends when the worker is killed outright', async () => {
    const pipe = await namedPipe();
    const group = pathToFileURL(resolve('src/worker/targets/process-group.ts')).href;
    const code = `const { startGroup } = await import('${group}');
      await startGroup({ argv: ['/bin/sh', '-c', process.argv[1]], env: { PATH: process.env.PATH },
        onStdout() {}, onStderr() {} });`;
    const args = [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      code,
      `exec 5> ${pipe.path}; echo up >&5; sleep 1000`,
    ];
    const worker = spawn(process.execPath, args, { stdio: 'inherit' });
    expect(await pipe.firstLine).toBe('up\n');
    worker.kill('SIGKILL');
    await pipe.closed;
  });
});

describe('the target http', () => {
  let server: Server;
  let url: string;
  beforeEach(async () => {
    server = createServer((request, response) => {
      const status = Number(/\d+/.exec(request.url ?? '')?.[0]);
      if (status === 0) return;
      response.writeHead(status, { 'content-type': 'text/plain', 'retry-after': '7' });
      request.pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('sends a body and returns the answer', async () => {
    const result = await runHttp({ url: `${url}/200`, method: 'post', body: { a: 1 } });
    expect(result).toMatchObject({ status: 200, contentType: 'text/plain', body: '{"a":1}' });
  });

  test.each([
    [404, true],
    [408, false],
    [429, false],
    [503, false],
  ])('status %i is a failure; final: %s', async (status, nonRetryable) => {
    const failure = await failureOf(runHttp({ url: `${url}/${status}?key=secret` }));
    expect(failure).toMatchObject({ type: 'HttpStatus', nonRetryable });
    expect(failure.message).toContain(String(status));
    expect(failure.message).not.toContain('secret');
  });

  test('heeds Retry-After, and a status that was expected', async () => {
    const failure = await failureOf(runHttp({ url: `${url}/503` }));
    expect(failure.nextRetryDelay).toBe(7_000);
    expect(await runHttp({ url: `${url}/404`, expectStatus: [200, 404] })).toMatchObject({ status: 404 });
  });

  test('silence and an address where nobody listens are failures that may be retried', async () => {
    const silent = await failureOf(runHttp({ url: `${url}/0`, timeoutMs: 50 }));
    expect(silent).toMatchObject({ type: 'HttpTimedOut', nonRetryable: false });
    const nobody = await failureOf(runHttp({ url: 'http://127.0.0.1:1/' }));
    expect(nobody).toMatchObject({ type: 'HttpUnreachable', nonRetryable: false });
  });

  test('refuses what is no http address', async () => {
    expect(await failureOf(runHttp({ url: 'file:///etc/passwd' }))).toMatchObject({ type: 'InvalidInput' });
  });
});
