/**
 * The gateway on a port. Called by the CLI and by the one-machine mode.
 * Promise: it never listens beyond this machine without a key, says which address is taken, and closes
 * gracefully: requests under way are answered, then the notifications they caused are delivered. While it
 * listens it gives the store its sign of life, so that an outage of all gateways is told from dead workers, and has it
 * remove what is past its time.
 */
import { getRequestListener } from '@hono/node-server';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EscapementError } from '../contract/errors.ts';
import { GATEWAY_SIGN_MS, LEDGER_RETENTION_MS_DEFAULT } from '../core/limits.ts';
import { createGateway, type Gateway, type GatewayOptions } from './app.ts';
import { isLoopback } from './auth.ts';
import { forgetDeleted, type ForgetOptions, keepWithinTime } from './retention.ts';
import { again } from './again.ts';

export interface ServeGatewayOptions extends GatewayOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Ledger rows and records of runs older than this are removed. Default 90 days. */
  readonly ledgerRetentionMs?: number;
  /** Which creations of schedules are no more: then what their next run would be told can go. Absent: it stays. */
  readonly schedulesGone?: ForgetOptions['schedulesGone'] | undefined;
  /** Records the ends of invocations that were terminated since an instant (ms). Absent: sweeps find what waited or ran. */
  readonly settleTerminated?: ((sinceMs: number) => Promise<number>) | undefined;
}

export interface GatewayServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Takes no new request, waits for those under way (at most 5 s), then returns. Idempotent. */
  close(): Promise<void>;
}

/** Longer than a renewal's period, so that a pool worker keeps one connection. */
const KEEP_ALIVE_MS = 65_000;
const REQUEST_MS_MAX = 30_000;
const CLOSE_MS_MAX = 5_000;

/**
 * Listens.
 * @throws EscapementError (InvalidInput) where the host is not loopback and no key is given, or the key is
 * too short; (Unavailable) where the address cannot be listened on
 */
export async function serveGateway(options: ServeGatewayOptions): Promise<GatewayServer> {
  const host = options.host ?? '127.0.0.1';
  if (options.key === undefined && !isLoopback(host)) {
    throw new EscapementError(
      'InvalidInput',
      `the gateway will not listen on "${host}" without a key, as others could reach it: ` +
        'give it a key, or listen on 127.0.0.1',
      { host },
    );
  }
  const gateway = createGateway(options);
  const server = await listen(gateway, host, options.port);
  const signing = signOfLife(options);
  const { store, logger, ledgerRetentionMs: keptMs = LEDGER_RETENTION_MS_DEFAULT } = options;
  const tidying = keepWithinTime({ store, keptMs, logger });
  const { schedulesGone } = options;
  const forgetting = schedulesGone && forgetDeleted({ store, keptMs, schedulesGone, logger });
  const settling = settleAgain(options);
  let closing: Promise<void> | undefined;
  return {
    url: urlOf(server, host),
    close() {
      // From here on nobody can renew through it.
      signing.stop();
      tidying.stop();
      forgetting?.stop();
      settling.stop();
      closing ??= closeServer(server).then(() => gateway.settled());
      return closing;
    },
  };
}

const SETTLE_MS = 10_000;
/** Temporal's list learns of an end a moment later; what was seen twice is recorded once. */
const SETTLE_AGAIN_MS = 120_000;
/** A gateway that comes after an outage looks back as far. */
const SETTLE_FIRST_MS = 24 * 3_600_000;

function settleAgain({ settleTerminated, logger }: ServeGatewayOptions): { stop(): void } {
  if (settleTerminated === undefined) return { stop: () => undefined };
  let sinceMs = Date.now() - SETTLE_FIRST_MS;
  const act = async (): Promise<number> => {
    const beganAtMs = Date.now();
    const settled = await settleTerminated(sinceMs);
    if (settled > 0) logger?.info('recorded invocations that were terminated', { settled });
    sinceMs = beganAtMs - SETTLE_AGAIN_MS;
    return SETTLE_MS;
  };
  const failure = 'it could not be looked for invocations that were terminated';
  return again({ act, afterFailureMs: SETTLE_MS, failure, logger });
}

/** One sign after the other, so that a slow database is not asked again before it has answered. */
function signOfLife({ store, logger }: Pick<GatewayOptions, 'store' | 'logger'>): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let failing = false;
  const sign = async (): Promise<void> => {
    try {
      await store.gatewayAlive();
      failing = false;
    } catch (error) {
      // One line for each outage: the silence itself is what the store goes by.
      if (!failing && !stopped) logger?.warn('the gateway could not give its sign of life', { error });
      failing = true;
    }
    if (stopped) return;
    timer = setTimeout(() => void sign(), GATEWAY_SIGN_MS);
    timer.unref();
  };
  void sign();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function listen(gateway: Gateway, host: string, port: number): Promise<Server> {
  const listener = getRequestListener(gateway.app.fetch);
  const timeouts = { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MS_MAX };
  const server = createServer(timeouts, (request, response) => {
    // A connection that is kept alive after its last answer would hold `close` up.
    response.once('finish', () => {
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    });
    void listener(request, response);
  });
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      reject(
        new EscapementError(
          'Unavailable',
          `the gateway cannot listen on ${host}:${port} (${error.message}): choose another address or port`,
          { host, port },
          { cause: error },
        ),
      );
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve(server);
    });
  });
}

function urlOf(server: Server, host: string): string {
  const address: AddressInfo | string | null = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS_MAX);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
