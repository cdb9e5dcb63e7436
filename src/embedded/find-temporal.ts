/**
 * Finds a Temporal server, or the program that is one: the ways are tried in a fixed order, the cheap ones first.
 * Called by `escapement dev`, the demo, the benchmarks and the tests before they start anything.
 * Promise: what it answers can be connected to or run; where nothing works one error names every way and why it failed.
 * May import: contract errors and its neighbours here; not the worker package.
 */
import { basename, join } from 'node:path';
import { InvalidInputError, UnavailableError } from '../contract/errors.ts';
import { isProgram, programOnPath } from './program-path.ts';
import { buildTemporal, TEMPORAL_CLI_VERSION } from './temporal-build.ts';
import { cacheFolder, withCacheLock } from './temporal-cache.ts';
import { downloadBySdk, sdkDownloadFile } from './temporal-download.ts';

/** The ways, in the order in which they are tried. */
export const TEMPORAL_WAYS = ['address', 'named', 'path', 'cache', 'download', 'build'] as const;

export type TemporalWay = (typeof TEMPORAL_WAYS)[number];

export interface FindTemporalOptions {
  /** Default: this process's environment. Read: TEMPORAL_ADDRESS, ESCAPEMENT_TEMPORAL_CLI, PATH, ESCAPEMENT_CACHE, XDG_CACHE_HOME. */
  readonly env?: NodeJS.ProcessEnv;
  /** Gets lines for a person while something takes long. Default: nobody is told. */
  readonly onProgress?: (line: string) => void;
  /** Ways that may be tried. Default: all. */
  readonly ways?: readonly TemporalWay[];
}

export type TemporalFound =
  /** A server that runs already. */
  | { readonly kind: 'address'; readonly address: string }
  /** A Temporal CLI, for `startTemporalServer`. */
  | { readonly kind: 'binary'; readonly path: string; readonly source: Exclude<TemporalWay, 'address'> };

interface Search {
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (line: string) => void;
}

/** Each answers what it found, or why there is nothing, after the words that tell what a person can do about it. */
const FINDERS: Record<
  TemporalWay,
  { advice: string; find(search: Search): Promise<TemporalFound | string> }
> = {
  address: { advice: 'set TEMPORAL_ADDRESS to a running server', find: findAddress },
  named: { advice: 'name a Temporal CLI in ESCAPEMENT_TEMPORAL_CLI', find: findNamed },
  path: { advice: 'put the Temporal CLI on PATH as `temporal`', find: findOnPath },
  cache: { advice: 'put it into the cache', find: findCached },
  download: { advice: 'allow its download by the Temporal SDK', find: findByDownload },
  build: { advice: 'install Go, which builds it once from tools/temporal', find: findByBuild },
};

/**
 * Finds a server or its program; may download or build for minutes, once.
 * @throws InvalidInputError where ESCAPEMENT_TEMPORAL_CLI names nothing that can be run
 * @throws UnavailableError where no way leads anywhere
 */
export async function findTemporal(options: FindTemporalOptions = {}): Promise<TemporalFound> {
  const search = { env: options.env ?? process.env, onProgress: options.onProgress ?? (() => undefined) };
  const failures: string[] = [];
  for (const way of TEMPORAL_WAYS) {
    if (!(options.ways ?? TEMPORAL_WAYS).includes(way)) continue;
    const found = await FINDERS[way].find(search);
    if (typeof found !== 'string') return found;
    failures.push(`- ${FINDERS[way].advice} (${found})`);
  }
  throw new UnavailableError('the Temporal server', `do one of these\n${failures.join('\n')}`);
}

async function findAddress({ env }: Search): Promise<TemporalFound | string> {
  const address = env.TEMPORAL_ADDRESS;
  return address ? { kind: 'address', address } : 'it is not set';
}

/** What a user names must work: going on with another program would hide the mistake. */
async function findNamed({ env }: Search): Promise<TemporalFound | string> {
  const named = env.ESCAPEMENT_TEMPORAL_CLI;
  if (!named) return 'it is not set';
  const path = basename(named) === named ? await programOnPath(named, env) : named;
  if (path !== undefined && (await isProgram(path))) return { kind: 'binary', path, source: 'named' };
  const message = `"${named}" is no program that can be run: give the path of a Temporal CLI, or unset it`;
  throw new InvalidInputError('ESCAPEMENT_TEMPORAL_CLI', [{ path: '', message }]);
}

async function findOnPath({ env }: Search): Promise<TemporalFound | string> {
  const path = await programOnPath('temporal', env);
  return path === undefined ? 'it is not there' : { kind: 'binary', path, source: 'path' };
}

async function findCached({ env }: Search): Promise<TemporalFound | string> {
  const folder = await cacheFolder(env);
  for (const path of [builtFile(folder), sdkDownloadFile({ program: 'dev-server', folder })]) {
    if (await isProgram(path)) return { kind: 'binary', path, source: 'cache' };
  }
  return `${builtFile(folder)} is not there`;
}

async function findByDownload({ env, onProgress }: Search): Promise<TemporalFound | string> {
  const folder = await cacheFolder(env);
  onProgress('looking for a Temporal CLI to download');
  try {
    const path = await downloadBySdk({ program: 'dev-server', folder });
    return { kind: 'binary', path, source: 'download' };
  } catch (error) {
    return `it failed: ${reasonOf(error)}`;
  }
}

async function findByBuild({ env, onProgress }: Search): Promise<TemporalFound | string> {
  const go = await programOnPath('go', env);
  if (go === undefined) return 'there is no `go` on PATH';
  const output = builtFile(await cacheFolder(env));
  const onWait = () => onProgress('waiting for another process that is building the Temporal CLI');
  try {
    await withCacheLock(`${output}.lock`, onWait, async () => {
      // Whoever held the lock before may have built it.
      if (!(await isProgram(output))) await buildTemporal({ go, output, env, onProgress });
    });
    return { kind: 'binary', path: output, source: 'build' };
  } catch (error) {
    return `it failed: ${reasonOf(error)}`;
  }
}

function builtFile(folder: string): string {
  const extension = process.platform === 'win32' ? '.exe' : '';
  return join(folder, `temporal-${TEMPORAL_CLI_VERSION}-${process.platform}-${process.arch}${extension}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
