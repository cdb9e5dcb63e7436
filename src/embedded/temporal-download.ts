/**
 * Downloads a Temporal program in the way of the Temporal SDK itself (which knows where it is and which release fits).
 * Called by `find-temporal.ts` for the CLI and by the tests for the time-skipping server.
 * Promise: ends within a bound even where the network swallows everything; leaves no process behind.
 * The SDK can only download as part of starting a server, in a Runtime of the calling process; so a process of its
 * own does it, which can be ended at any time and leaves this process's Runtime to be installed by the application.
 */
import { execFile } from 'node:child_process';
import { access, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);

export interface SdkDownload {
  readonly program: 'dev-server' | 'time-skipping';
  /** Where it is kept; the same file is found again there. */
  readonly folder: string;
  /** Given up when nothing has arrived for this long. Default 20 s. */
  readonly stallMs?: number;
}

/** The file in `folder` under which the SDK keeps the program; its name carries the SDK's version. */
export function sdkDownloadFile({ program, folder }: SdkDownload): string {
  const name = program === 'dev-server' ? 'temporal' : 'temporal-test-server';
  const extension = process.platform === 'win32' ? '.exe' : '';
  return join(folder, `${name}-sdk-typescript-${sdkVersion()}${extension}`);
}

/** Downloads the program. @throws Error with the SDK's own message, or that nothing arrived. */
export async function downloadBySdk(download: SdkDownload): Promise<string> {
  const file = sdkDownloadFile(download);
  const complaint = await runDownload(download, file);
  // The exit code does not count: all that is asked of the SDK is the file.
  await access(file).catch(() => {
    throw new Error(complaint);
  });
  return file;
}

/**
 * The CLI is started with `--help`, so that no server runs even for a moment; the SDK waits 5 s for it in vain, once.
 * The time-skipping server has no such option and is stopped as soon as it is up.
 */
const SCRIPT = `
const { Runtime } = require(process.argv[1]);
const runtime = Runtime.instance();
runtime
  .createEphemeralServer(JSON.parse(process.argv[2]))
  .then((server) => runtime.shutdownEphemeralServer(server))
  .then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); });
`;

function runDownload(download: SdkDownload, file: string): Promise<string> {
  const config = JSON.stringify(serverConfig(download));
  const args = ['-e', SCRIPT, require.resolve('@temporalio/worker'), config];
  const stallMs = download.stallMs ?? 20_000;
  return new Promise((resolve) => {
    let stalled = false;
    const child = execFile(process.execPath, args, (error, _stdout, stderr) => {
      clearInterval(watching);
      if (stalled) resolve(`nothing arrived for ${stallMs} ms`);
      else resolve(lastLine(stderr) || (error?.message ?? 'the SDK has left no file'));
    });
    let size = -1;
    let sinceMs = Date.now();
    const look = async (): Promise<void> => {
      const now = await sizeOf(`${file}.downloading`);
      if (now !== size || (await sizeOf(file)) >= 0) sinceMs = Date.now();
      size = now;
      if (Date.now() - sinceMs < stallMs) return;
      stalled = true;
      child.kill('SIGKILL');
    };
    const watching = setInterval(() => void look(), 1_000);
  });
}

function serverConfig({ program, folder }: SdkDownload) {
  const exe = {
    type: 'cached-download',
    downloadDir: folder,
    version: 'default',
    ttl: 365 * 24 * 3_600_000,
    sdkName: 'sdk-typescript',
    sdkVersion: sdkVersion(),
  };
  if (program === 'time-skipping') return { type: program, exe, port: null, extraArgs: [] };
  const log = { format: 'pretty', level: 'warn' };
  const server = {
    ip: '127.0.0.1',
    port: null,
    ui: false,
    uiPort: null,
    namespace: 'default',
    dbFilename: null,
  };
  return { type: program, exe, ...server, log, extraArgs: ['--help'] };
}

function sdkVersion(): string {
  const manifest: unknown = require('@temporalio/worker/package.json');
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    return String(manifest.version);
  throw new Error('@temporalio/worker has no version');
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => -1,
  );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
