/**
 * Starts and stops a Temporal development server from the CLI's binary. Called by `escapement dev`, the demo, the
 * benchmarks and the tests, with a binary that `findTemporal` found.
 * Promise: once started it serves its namespace and Web UI; it listens on 127.0.0.1 only; it never outlives this process.
 * May import: contract errors and its neighbours here; not the worker package.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { UnavailableError } from '../contract/errors.ts';
import { freePorts } from './free-ports.ts';
import { logTail, startOwnedProcess } from './owned-process.ts';

export interface TemporalServerOptions {
  /** Path of the Temporal CLI. */
  readonly binary: string;
  /** SQLite file that keeps everything over restarts. Default: in memory, gone with the server. */
  readonly dbFilename?: string;
  /** Created if absent. Default `default`. */
  readonly namespace?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Port of the Web UI. Default: a free one. */
  readonly uiPort?: number;
  /** Without the Web UI. Default false. */
  readonly headless?: boolean;
  /** Settings of the server, such as `{'limit.blobSize.error': 1000}`. */
  readonly dynamicConfig?: Readonly<Record<string, string | number | boolean>>;
  /** Search attributes to register: name to type. */
  readonly searchAttributes?: Readonly<Record<string, SearchAttributeType>>;
  /** Gets the server's output, appended. Default: a temporary file, removed at the end. */
  readonly logFile?: string;
  /** Default `warn`. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'never';
  /** How long it may take until it serves. Default 60 s. */
  readonly startTimeoutMs?: number;
}

export type SearchAttributeType = 'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList';

export interface TemporalServer {
  /** `127.0.0.1:<port>`, for `Connection.connect`. */
  readonly address: string;
  /** `http://127.0.0.1:<port>`; absent where headless. */
  readonly uiAddress?: string;
  readonly namespace: string;
  readonly pid: number;
  /** Settles when the server has ended: with an error that tells why, or undefined where `stop` ended it. */
  readonly exited: Promise<UnavailableError | undefined>;
  /** Ends it in order (SIGTERM, after 10 s SIGKILL). Idempotent. */
  stop(): Promise<void>;
}

const ADVICE_LOG_BYTES_MAX = 2_000;

/**
 * Starts the server and waits until it serves.
 * @throws UnavailableError where the binary cannot be run, ends at once, or does not serve in time; the message
 * carries the end of its log, and nothing is left running.
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const [freePort, freeUiPort] = await freePorts(2);
  const port = options.port ?? freePort;
  const uiPort = options.headless === true ? undefined : (options.uiPort ?? freeUiPort);
  const namespace = options.namespace ?? 'default';
  const address = `127.0.0.1:${port}`;
  const uiAddress = uiPort === undefined ? undefined : `http://127.0.0.1:${uiPort}`;
  const logFile = options.logFile ?? join(tmpdir(), `escapement-temporal-${randomUUID()}.log`);
  const forgetLog = () => (options.logFile === undefined ? rm(logFile, { force: true }) : Promise.resolve());

  const server = await startOwnedProcess({
    file: options.binary,
    args: serverArguments(options, String(port), uiPort, namespace),
    logFile,
  }).catch(async (cause: unknown) => {
    await forgetLog();
    throw cannotRun(options.binary, cause);
  });
  let stopping = false;
  const exited = server.exited.then(async ({ code, signal }) => {
    const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
    const error = stopping ? undefined : await died(`${options.binary} ${how}`, logFile);
    await forgetLog();
    return error;
  });
  const stop = async () => {
    stopping = true;
    await server.stop();
    await exited;
  };

  try {
    const timeoutMs = options.startTimeoutMs ?? 60_000;
    await serving({ exited, address, uiAddress, namespace, timeoutMs, logFile });
  } catch (error) {
    await stop();
    throw error;
  }
  const ui = uiAddress === undefined ? {} : { uiAddress };
  return { address, ...ui, namespace, pid: server.pid, exited, stop };
}

function serverArguments(
  options: TemporalServerOptions,
  port: string,
  uiPort: number | undefined,
  namespace: string,
): string[] {
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', port, '--namespace', namespace];
  args.push('--log-level', options.logLevel ?? 'warn');
  args.push(...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort)]));
  if (options.dbFilename !== undefined) args.push('--db-filename', options.dbFilename);
  for (const [key, value] of Object.entries(options.dynamicConfig ?? {})) {
    args.push('--dynamic-config-value', `${key}=${JSON.stringify(value)}`);
  }
  for (const [name, type] of Object.entries(options.searchAttributes ?? {})) {
    args.push('--search-attribute', `${name}=${type}`);
  }
  return args;
}

interface Starting {
  readonly exited: Promise<UnavailableError | undefined>;
  readonly address: string;
  readonly uiAddress: string | undefined;
  readonly namespace: string;
  readonly timeoutMs: number;
  readonly logFile: string;
}

/** Returns once the server answers for its namespace and its Web UI is up; throws what ended it, or that the time is over. */
async function serving(starting: Starting): Promise<void> {
  const { address, uiAddress, namespace, timeoutMs } = starting;
  const connection = Connection.lazy({
    address,
    // No retries of its own: this loop retries, and a retry that outlived the connection would throw at nobody.
    interceptors: [],
    // The channel would wait a second before it tries again, longer than the server takes to start.
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 200 },
  });
  const namespaceAnswers = () =>
    connection.withDeadline(Date.now() + 2_000, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  const uiAnswers = async () => {
    if (uiAddress === undefined) return;
    const page = await fetch(uiAddress, { signal: AbortSignal.timeout(2_000) });
    await page.body?.cancel();
  };
  const untilMs = Date.now() + timeoutMs;
  try {
    while (Date.now() < untilMs) {
      const served = await Promise.all([namespaceAnswers(), uiAnswers()]).then(
        () => true,
        () => false,
      );
      // A stranger may answer at that port: only a server that is still running counts.
      const ended = await Promise.race([starting.exited, sleep(served ? 0 : 50)]);
      if (ended !== undefined) throw ended;
      if (served) return;
    }
    throw await died(`it did not serve ${address} within ${timeoutMs} ms`, starting.logFile);
  } finally {
    await connection.close();
  }
}

function cannotRun(binary: string, cause: unknown): UnavailableError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const advice = `${binary} cannot be run (${reason}); name a working Temporal CLI in ESCAPEMENT_TEMPORAL_CLI`;
  return new UnavailableError('the Temporal server', advice, { cause });
}

async function died(what: string, logFile: string): Promise<UnavailableError> {
  const tail = await logTail(logFile, ADVICE_LOG_BYTES_MAX);
  const log = tail === '' ? 'it has logged nothing' : `the end of its log:\n${tail}`;
  return new UnavailableError('the Temporal server', `${what}; ${log}`);
}
