/** Connections to the Temporal server, and its silence as an error that a person can act on. Used by SDK and CLI. */
import { Connection, isGrpcServiceError } from '@temporalio/client';
import type { Config } from '../config/config.ts';
import { EscapementError, UnavailableError } from '../contract/errors.ts';

/** gRPC status codes of a call that may succeed later. */
const PASSING = new Set([1, 4, 14]);
const CONNECT_TIMEOUT_MS = 10_000;
/** gRPC waits up to two minutes after a long outage, all that time no start and no signal would get through. */
const RECONNECT = {
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 5_000,
} as const;

/** @throws UnavailableError where nobody answers */
export async function connectTemporal(temporal: Config['temporal']): Promise<Connection> {
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
