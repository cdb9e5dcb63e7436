/** `escapement pool …`: flags and help. */
import type { Command } from 'commander';
import { id as idOf, length, wholeNumber } from './arguments.ts';
import type { CreatePoolOptions } from './pools.ts';
import type { GlobalOptions } from './session.ts';

export function addPoolCommands(program: Command): void {
  const pool = program.command('pool').description('pools of workers: make, look at, drain, disband');
  pool
    .command('create')
    .description('make a pool')
    .argument('<id>', 'of the pool', idOf('pool'))
    .option('--worker-ttl <length>', 'a worker silent for this long is lost; default 15s', length)
    .option('--replica-ttl <length>', 'the same for a dataset; default 60s', length)
    .option('--alloc-ttl <length>', 'capacity not confirmed for this long is given back; default 30s', length)
    .option('--pool-ttl <length>', 'disbanded after this long without a worker; default 0s, never', length)
    .option('--retry-max <n>', 'lost workers before a dead letter; default 5', wholeNumber)
    .option('--reserve-after <length>', 'capacity is kept for who waited this long; default 30s', length)
    .option('--spread', 'take the worker with most left over; default: with least')
    .option('--if-absent', 'one that is there already is a success; its time to expire begins anew')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { createPool } = await import('./pools.ts');
      await createPool(id, command.optsWithGlobals<CreatePoolOptions>());
    });
  pool
    .command('list')
    .description('all pools and how full they are')
    .action(async (_options: unknown, command: Command) => {
      const { listPools } = await import('./pools.ts');
      await listPools(command.optsWithGlobals<GlobalOptions>());
    });
  pool
    .command('describe')
    .description('workers, what they run, and who waits for what')
    .argument('<id>', 'of the pool', idOf('pool'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const { describePool } = await import('./pools.ts');
      await describePool(id, command.optsWithGlobals<GlobalOptions>());
    });
  pool
    .command('drain')
    .description('grant nothing new in it; what runs may finish, what waits goes on waiting')
    .argument('<id>', 'of the pool', idOf('pool'))
    .option('--off', 'take new ones again')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { drainPool } = await import('./pools.ts');
      await drainPool(id, command.optsWithGlobals<GlobalOptions & { readonly off?: boolean }>());
    });
  pool
    .command('disband')
    .description('for good: what runs may finish, what waits becomes dead letters; its id is not used again')
    .argument('<id>', 'of the pool', idOf('pool'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const { disbandPool } = await import('./pools.ts');
      await disbandPool(id, command.optsWithGlobals<GlobalOptions>());
    });
}
