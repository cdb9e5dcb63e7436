/** The commands that stay: `worker`, `gateway`, `pool-worker`, and the one-machine `dev` and `demo`. Flags and help. */
import { type Command, Option } from 'commander';
import type { DevOptions } from '../embedded/dev.ts';
import { length, port, repeated, wholeNumber } from './arguments.ts';
import type { GatewayOptions } from './serve-gateway.ts';
import type { PoolWorkerCommandOptions } from './serve-pool-worker.ts';
import type { WorkerOptions } from './serve-worker.ts';

export function addServerCommands(program: Command): void {
  addOneMachine(program);
  program
    .command('worker')
    .description('orchestration worker: runs schedules and invocations')
    .addOption(databaseUrl())
    .addOption(healthPort())
    .action(async (_options: unknown, command: Command) => {
      const { runWorker } = await import('./serve-worker.ts');
      process.exit(await runWorker(command.optsWithGlobals<WorkerOptions>()));
    });
  program
    .command('gateway')
    .description('REST gateway: pools, the worker protocol, the ledger')
    .addOption(databaseUrl())
    .addOption(new Option('--host <address>', 'default 127.0.0.1').env('ESCAPEMENT_GATEWAY_HOST'))
    .addOption(
      new Option('--port <n>', 'default 7280; 0 takes a free one')
        .env('ESCAPEMENT_GATEWAY_PORT')
        .argParser(port),
    )
    .option(
      '--ledger-retention <length>',
      'how long the record is kept; default 90d (ESCAPEMENT_LEDGER_RETENTION)',
    )
    .action(async (_options: unknown, command: Command) => {
      const { runGateway } = await import('./serve-gateway.ts');
      process.exit(await runGateway(command.optsWithGlobals<GatewayOptions>()));
    });
  addPoolWorker(program);
}

function addOneMachine(program: Command): void {
  program
    .command('dev')
    .description('everything on one machine, staying up: Temporal, database, workers, gateway')
    .addOption(new Option('--state <folder>', 'default .escapement').env('ESCAPEMENT_STATE'))
    .addOption(new Option('--port <n>', 'of Temporal; default 7233, or a free one').argParser(port))
    .addOption(new Option('--ui-port <n>', 'of the Web UI; default 8233, or a free one').argParser(port))
    .addOption(new Option('--gateway-port <n>', 'default 7280, or a free one').argParser(port))
    .option('--capacity <units>', 'of the pool worker; 0: none; default: one for each processor', wholeNumber)
    .option('--targets <module>', 'targets of your own')
    .action(async (_options: unknown, command: Command) => {
      const { runDev } = await import('../embedded/dev.ts');
      const { state, ...options } = command.optsWithGlobals<DevOptions & { readonly state?: string }>();
      process.exit(await runDev({ ...options, ...(state !== undefined && { stateFolder: state }) }));
    });
  program
    .command('demo')
    .description('see it at work: 40 s of schedules, a lost worker, and the account of it all')
    .option('--seconds <n>', 'how long the schedules run; default 40', wholeNumber)
    .action(async ({ seconds }: { readonly seconds?: number }) => {
      const { runDemo } = await import('../embedded/demo.ts');
      process.exit(await runDemo(seconds === undefined ? {} : { lengthMs: seconds * 1_000 }));
    });
}

function addPoolWorker(program: Command): void {
  program
    .command('pool-worker')
    .description('pool worker: runs targets; needs no database')
    .addOption(new Option('--pool <id>', 'default "default"').env('ESCAPEMENT_POOL'))
    .addOption(
      new Option('--name <id>', "unique in its pool; default: the host's name").env('ESCAPEMENT_WORKER_NAME'),
    )
    .addOption(
      new Option('--capacity <units>', 'default 1').env('ESCAPEMENT_CAPACITY').argParser(wholeNumber),
    )
    .option('--dataset <id[=path]>', 'held here (repeatable; ESCAPEMENT_DATASETS, commas between)', repeated)
    .option(
      '--targets <module>',
      'targets of your own (repeatable; ESCAPEMENT_TARGETS, commas between)',
      repeated,
    )
    .addOption(
      new Option('--grace <length>', 'how long running targets may finish once it is to stop; default 30s')
        .env('ESCAPEMENT_GRACE')
        .argParser(length),
    )
    .addOption(healthPort())
    .action(async (_options: unknown, command: Command) => {
      const { runPoolWorker } = await import('./serve-pool-worker.ts');
      process.exit(await runPoolWorker(command.optsWithGlobals<PoolWorkerCommandOptions>()));
    });
}

function databaseUrl(): Option {
  return new Option('--database-url <url>', 'PostgreSQL (ESCAPEMENT_DATABASE_URL)');
}

function healthPort(): Option {
  return new Option('--health-port <n>', 'of GET /healthz on 127.0.0.1; default: a free one')
    .env('ESCAPEMENT_HEALTH_PORT')
    .argParser(port);
}
