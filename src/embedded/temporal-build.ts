/**
 * Builds the Temporal CLI, which carries the development server, and the programs of a server on PostgreSQL, from the Go
 * module in tools/temporal. Called by `find-temporal.ts` where no binary is at hand and none can be downloaded, and by
 * `npm run topology`.
 * Promise: the binary appears under its final name only when it is whole; an interrupted build leaves no process.
 * Needs `go`, and a Go module proxy or a filled module cache; takes minutes once, seconds with Go's build cache.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { logTail, startOwnedProcess } from './owned-process.ts';
import { isFile } from './program-path.ts';

/** The release that tools/temporal/go.mod pins; part of the cached binary's name, so a new pin is a new binary. */
export const TEMPORAL_CLI_VERSION = '1.8.2';

/** The server that the CLI carries, by itself. */
export const TEMPORAL_SERVER_VERSION = '1.31.2';

const CLI_PACKAGE = 'github.com/temporalio/cli';
const SERVER_PACKAGE = 'go.temporal.io/server';

const PROGRAMS = {
  cli: {
    title: 'the Temporal CLI',
    path: `${CLI_PACKAGE}/cmd/temporal`,
    linker: `-s -w -X ${CLI_PACKAGE}/internal/temporalcli.Version=${TEMPORAL_CLI_VERSION}`,
  },
  server: { title: 'the Temporal server', path: `${SERVER_PACKAGE}/cmd/server`, linker: '-s -w' },
  'sql-tool': {
    title: "the Temporal server's tool for SQL schemas",
    path: `${SERVER_PACKAGE}/cmd/tools/sql`,
    linker: '-s -w',
  },
} as const;

/** Printed with every so many seconds of building. */
const PROGRESS_EVERY_MS = 10_000;

export interface TemporalBuild {
  /** Default `cli`. */
  readonly program?: keyof typeof PROGRAMS;
  /** Path of the `go` program. */
  readonly go: string;
  /** Where the binary goes. */
  readonly output: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (line: string) => void;
}

/** Builds the program into `output`. @throws Error with the end of the compiler's output. */
export async function buildTemporal(options: TemporalBuild): Promise<void> {
  const { go, output, env, onProgress } = options;
  const program = PROGRAMS[options.program ?? 'cli'];
  const module = await temporalModule();
  const partial = `${output}.${process.pid}.partial`;
  const logFile = `${partial}.log`;
  onProgress(`building ${program.title} with go: this takes some minutes, once`);
  const startedAtMs = Date.now();
  try {
    const build = await startOwnedProcess({
      file: go,
      args: buildArguments(partial, program),
      cwd: module,
      // No C compiler is needed, and settings of the caller's own Go work must not reach this module.
      env: { ...env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '', GOOS: '', GOARCH: '' },
      logFile,
    });
    const telling = setInterval(() => {
      const seconds = Math.round((Date.now() - startedAtMs) / 1_000);
      countCompiled(logFile).then(
        (count) => onProgress(`building ${program.title}: ${seconds} s, ${count} of about 1,700 packages`),
        () => undefined,
      );
    }, PROGRESS_EVERY_MS);
    const { code, signal } = await build.exited;
    clearInterval(telling);
    if (code !== 0)
      throw new Error(`go build ended with ${signal ?? code}: ${await logTail(logFile, 1_000)}`);
    await rename(partial, output);
    onProgress(`built ${program.title} in ${Math.round((Date.now() - startedAtMs) / 1_000)} s`);
  } finally {
    await Promise.all([rm(partial, { force: true }), rm(logFile, { force: true })]);
  }
}

function buildArguments(
  output: string,
  { path, linker }: (typeof PROGRAMS)[keyof typeof PROGRAMS],
): string[] {
  // -v writes one line for each package compiled, which is what the progress counts.
  const flags = ['-v', '-mod=readonly', '-trimpath', '-buildvcs=false', `-ldflags=${linker}`];
  return ['build', ...flags, '-o', output, path];
}

async function countCompiled(logFile: string): Promise<number> {
  const lines = (await readFile(logFile, 'utf8')).split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('go: ')).length;
}

/** tools/temporal of this package, wherever it is installed and whether it runs from source or from dist. */
async function temporalModule(): Promise<string> {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!(await isFile(join(folder, 'package.json')))) {
    if (folder === dirname(folder)) throw new Error('this package has no package.json above it');
    folder = dirname(folder);
  }
  const module = join(folder, 'tools', 'temporal');
  if (!(await isFile(join(module, 'go.mod')))) throw new Error(`there is no Go module at ${module}`);
  return module;
}
