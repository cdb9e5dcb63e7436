/** `escapement migrate`: flags and help. */
import { type Command, Option } from 'commander';
import type { MigrateOptions } from './migrate.ts';

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description(
      'bring the database schema up to date, as its owner; workers and gateways then need no more than rows',
    )
    .option('--database-url <url>', "PostgreSQL, with the owner's user (ESCAPEMENT_DATABASE_URL)")
    .addOption(
      new Option('--grant-to <role>', 'gives this role what workers and gateways need').env(
        'ESCAPEMENT_RUNNING_ROLE',
      ),
    )
    .action(async (_options: unknown, command: Command) => {
      const { runMigrate } = await import('./migrate.ts');
      await runMigrate(command.optsWithGlobals<MigrateOptions>());
    });
}
