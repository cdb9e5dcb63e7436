/**
 * The tree of commands with their flags and help. Called by main.ts, and by tests that look at the help.
 * Promise: building it loads nothing but commander; each command imports its own code when it runs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addCalendarCommands } from './calendar-commands.ts';
import { addEvalCommands } from './eval-commands.ts';
import { addMigrate } from './migrate-command.ts';
import { addNext } from './next-command.ts';
import { shortened } from './output.ts';
import { addPoolCommands } from './pool-commands.ts';
import { addScheduleCommands } from './schedule-commands.ts';
import { addServerCommands } from './server-commands.ts';
import { addSnapshotCommands } from './snapshot-commands.ts';
import { addWatch } from './watch-command.ts';
import { addWorkCommands } from './work-commands.ts';

/** @param options `json`: commander's own complaints are not printed, its caller prints the error that it throws */
export function createProgram({ json = false }: { readonly json?: boolean } = {}): Command {
  const program = new Command('escapement')
    .description('A durable scheduler on Temporal: schedules, jobs, and pools of workers.')
    .version(version())
    .option('--address <host:port>', 'Temporal server (TEMPORAL_ADDRESS)')
    .option('--namespace <name>', 'Temporal namespace (TEMPORAL_NAMESPACE)')
    .option('--profile <name>', "profile of Temporal's configuration file (TEMPORAL_PROFILE)")
    .option('--deployment <prefix>', 'prefix of all names (ESCAPEMENT_DEPLOYMENT)')
    .option('--gateway-url <url>', 'address of the gateway (ESCAPEMENT_GATEWAY_URL)')
    .option('--gateway-key <key>', 'key of the gateway (ESCAPEMENT_GATEWAY_KEY)')
    .option('--json', 'print exactly one JSON document')
    .option('--verbose', 'show where an unexpected error comes from')
    .addHelpText('after', '\nExit codes: 0 done, 2 bad input (nothing was changed), 1 anything else.');
  // Commands made from here on take these over.
  program.configureOutput(
    json ? { writeErr: () => undefined } : { outputError: (text, write) => write(shortened(text)) },
  );
  program.exitOverride().showHelpAfterError('(--help shows what is possible)');
  program.configureHelp({ showGlobalOptions: true });
  addServerCommands(program);
  addMigrate(program);
  addScheduleCommands(program);
  addWorkCommands(program);
  addPoolCommands(program);
  addEvalCommands(program);
  addCalendarCommands(program);
  addWatch(program);
  addSnapshotCommands(program);
  addNext(program);
  return program;
}

/** The package's, found upwards: sources and compiled files lie at different depths. */
function version(): string {
  for (let folder = new URL('.', import.meta.url); folder.pathname !== '/'; folder = new URL('..', folder)) {
    const file = new URL('package.json', folder);
    if (!existsSync(file)) continue;
    const found: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version);
  }
  return 'unknown';
}
