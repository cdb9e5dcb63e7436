/** Programs we start end with us, in order if we can, and in any case. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOwnedProcess } from '../../src/embedded/owned-process.ts';

let folder: string;
let logFile: string;
let server: Server;
let port: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escapement-test-'));
  logFile = join(folder, 'program.log');
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

/** A program that holds a connection to the test for as long as it lives; so its end is an event. */
function program(prelude = ''): readonly string[] {
  return ['-e', `${prelude}; require('node:net').connect(${port}, '127.0.0.1').on('error', () => {})`];
}

async function nextConnection(): Promise<Socket> {
  const [socket] = await once(server, 'connection');
  return (socket as Socket).on('error', () => undefined).resume();
}

describe('a program that was started', () => {
  test('is stopped by its stop signal, as often as one asks', async () => {
    const connected = nextConnection();
    const owned = await startOwnedProcess({ file: process.execPath, args: program(), logFile });
    await connected;
    await Promise.all([owned.stop(), owned.stop()]);
    expect(await owned.exited).toEqual({ code: null, signal: 'SIGTERM' });
  });

  test('is killed where it does not heed the signal', async () => {
    const connected = nextConnection();
    const deaf = program("process.on('SIGTERM', () => console.log('no'))");
    const owned = await startOwnedProcess({
      file: process.execPath,
      args: deaf,
      logFile,
      stopTimeoutMs: 300,
    });
    await connected;
    await owned.stop();
    expect(await owned.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await readFile(logFile, 'utf8')).toContain('no');
  });

  test('ends when its owner is killed', async () => {
    const module = new URL('../../src/embedded/owned-process.ts', import.meta.url).href;
    const options = { file: process.execPath, args: program(), logFile };
    const script = `import { startOwnedProcess } from '${module}'; await startOwnedProcess(${JSON.stringify(options)});`;
    const connected = nextConnection();
    const args = ['--import', 'tsx', '--input-type=module', '-e', script];
    const owner = spawn(process.execPath, args, { stdio: 'ignore' });
    const socket = await connected;
    const closed = once(socket, 'close');
    owner.kill('SIGKILL');
    await closed;
  });

  test('and one that cannot be run is an error', async () => {
    const missing = startOwnedProcess({ file: join(folder, 'missing'), args: [], logFile });
    await expect(missing).rejects.toThrow('ENOENT');
  });
});
