/** Connections to the Temporal server, and its silence as an error that a person can act on. Used by SDK and CLI. */
import { Connection, isGrpcServiceError } from '@temporalio/client';
import type { Config } from '../config/config.ts';
import { EscapementError, InvalidInputError, UnavailableError } from '../contract/errors.ts';

/** gRPC status codes of a call that may succeed later. */
const PASSING = new Set([1, 4, 14]);
const NOT_FOUND = 5;
const CONNECT_TIMEOUT_MS = 10_000;
/** gRPC waits up to two minutes after a long outage, all that time no start and no signal would get through. */
const RECONNECT = {
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 5_000,
} as const;

/**
 * @param namespace looked for where it is given; a process that serves may start before it is made
 * @throws UnavailableError where nobody answers; InvalidInputError where the server has no such namespace
 */
export async function connectTemporal(temporal: Config['temporal'], namespace?: string): Promise<Connection> {
  const connection = await reach(temporal);
  try {
    if (namespace !== undefined) await refuseUnknownNamespace(connection, namespace);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function reach(temporal: Config['temporal']): Promise<Connection> {
  try {
    const channelArgs = { ...RECONNECT, ...temporal.channelArgs };
    return await Connection.connect({ connectTimeout: CONNECT_TIMEOUT_MS, ...temporal, channelArgs });
  } catch (error) {
    throw new UnavailableError(
      `the Temporal server at ${temporal.address}`,
      'start it (`escapement dev` runs one) or give its address with --address or TEMPORAL_ADDRESS',
      { cause: error },
    );
  }
}

/** Whatever else the server answers is left to the calls that follow. */
async function refuseUnknownNamespace(connection: Connection, namespace: string): Promise<void> {
  try {
    await connection.withDeadline(Date.now() + CONNECT_TIMEOUT_MS, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  } catch (error) {
    if (!isGrpcServiceError(error) || Number(error.code) !== NOT_FOUND) return;
    const message = `the Temporal server has no namespace "${namespace}": name one that it has, or make it (\`temporal operator namespace create\`)`;
    throw new InvalidInputError('temporal', [{ path: 'namespace', message }], { cause: error });
  }
}

/** Runs a call to Temporal; silence becomes an UnavailableError that says `advice`. */
export async function orUnavailable<T>(what: string, advice: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof EscapementError) throw error;
    if (isPassing(error)) throw new UnavailableError(what, advice, { cause: error });
    throw error;
  }
}

function isPassing(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause) && PASSING.has(cause.code)) return true;
  }
  return false;
}
