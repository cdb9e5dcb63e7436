/**
 * A health address for a worker process: `GET /healthz` on this machine. Used by the pool worker and by
 * the orchestration worker, through the CLI. It answers 200 while the process is fit and 503 otherwise.
 */
import { createServer, type Server } from 'node:http';
import { EscapementError } from '../contract/errors.ts';

export interface HealthReport {
  readonly healthy: boolean;
  /** Sent as JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface HealthServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Listens.
 * @param options.host default 127.0.0.1
 * @param options.port 0 takes a free one
 * @throws EscapementError (Unavailable) where the address cannot be listened on
 */
export function serveHealth(options: {
  readonly host?: string;
  readonly port: number;
  readonly report: () => HealthReport;
}): Promise<HealthServer> {
  const { host = '127.0.0.1', port, report } = options;
  const server = createServer((request, response) => {
    const found = request.method === 'GET' && request.url === '/healthz';
    const { healthy, body } = found ? report() : { healthy: false, body: { error: 'try GET /healthz' } };
    response.writeHead(found ? (healthy ? 200 : 503) : 404, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `the health address ${host}:${port} cannot be listened on (${cause.message}): choose another`;
      reject(new EscapementError('Unavailable', message, { host, port }, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      const taken = address !== null && typeof address === 'object' ? address.port : port;
      resolve({ url: `http://${host}:${taken}/healthz`, close: () => closeServer(server) });
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
