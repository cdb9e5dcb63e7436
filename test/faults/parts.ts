/** The processes of the system under faults: what each is started with, and through which lines it reaches its servers. */
import { join } from 'node:path';
import { freePorts } from '../../src/embedded/free-ports.ts';
import type { Line } from './line.ts';
import { type Part, partOf } from './part.ts';
import type { ProgramFiles } from '../support/program.ts';

/** Short, so that what must expire does so while a test waits. */
export const TTL_MS = 4_000;
export const POOL = 'default';
export const DEPLOYMENT = 'faults';
/** Of the gateway, and of the role that runs. */
export const KEY = '0123456789abcdef0123456789abcdef';

/** By name, with what it offers. */
export const CAPACITIES = { one: 3, two: 2 } as const;
export type PoolWorkerName = keyof typeof CAPACITIES;

export type LineName =
  | 'workerTemporal'
  | 'workerPostgres'
  | 'gatewayTemporal'
  | 'gatewayPostgres'
  | 'poolTemporal';

export interface Ground {
  /** For logs. */
  readonly folder: string;
  readonly lines: Readonly<Record<LineName, Line>>;
  /** Of the role that runs. */
  readonly databaseUrl: string;
  readonly namespace: string;
  readonly program: ProgramFiles;
}

type Env = Readonly<Record<string, string>>;

export async function partsOf({ folder, lines, databaseUrl, namespace, program }: Ground) {
  const [workerPort = 0, gatewayPort = 0, onePort = 0, twoPort = 0] = await freePorts(4);
  const healthOf = (port: number) => `http://127.0.0.1:${port}/healthz`;
  const gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
  const common = {
    TEMPORAL_NAMESPACE: namespace,
    ESCAPEMENT_DEPLOYMENT: DEPLOYMENT,
    ESCAPEMENT_STATE: join(folder, 'state'),
    ESCAPEMENT_GATEWAY_URL: gatewayUrl,
    ESCAPEMENT_GATEWAY_KEY: KEY,
  };
  const part = (name: string, port: number, args: readonly string[], env: Env): Part =>
    partOf({
      ...{ name, args, healthUrl: healthOf(port), logFile: join(folder, `${name}.log`) },
      env: { ...common, ...env },
    });
  const servers = (temporal: Line, postgres: Line): Env => ({
    TEMPORAL_ADDRESS: `127.0.0.1:${temporal.port}`,
    ESCAPEMENT_DATABASE_URL: through(postgres, databaseUrl),
  });
  const poolWorker = (name: PoolWorkerName, port: number): Part => {
    const offers = ['--pool', POOL, '--name', name, '--capacity', String(CAPACITIES[name])];
    const more = ['--targets', program.targets, '--health-port', String(port)];
    const env = { TEMPORAL_ADDRESS: `127.0.0.1:${lines.poolTemporal.port}` };
    return part(name, port, [program.main, 'pool-worker', ...offers, ...more], env);
  };
  const forWorker = servers(lines.workerTemporal, lines.workerPostgres);
  const forGateway = servers(lines.gatewayTemporal, lines.gatewayPostgres);
  const [ofWorker, ofGateway] = [String(workerPort), String(gatewayPort)];
  return {
    gatewayUrl,
    worker: part('worker', workerPort, [program.main, 'worker', '--health-port', ofWorker], forWorker),
    gateway: part('gateway', gatewayPort, [program.main, 'gateway', '--port', ofGateway], forGateway),
    poolWorkers: { one: poolWorker('one', onePort), two: poolWorker('two', twoPort) },
    // They take the places of the real ones.
    flaky: [
      part('flaky-worker', workerPort, [program.flaky, 'worker', ofWorker], forWorker),
      part('flaky-gateway', gatewayPort, [program.flaky, 'gateway', ofGateway], forGateway),
    ],
  };
}

function through(line: Line, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.port = String(line.port);
  return url.href;
}
