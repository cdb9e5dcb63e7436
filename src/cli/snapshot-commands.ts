/** `escapement snapshot`, `restore` and `catch-up`: flags and help. */
import { InvalidArgumentError, type Command, Option } from 'commander';
import { InvalidInputError } from '../contract/errors.ts';
import { id as idOf, instant, pace, port } from './arguments.ts';
import type { CatchUpOptions } from './catch-up.ts';
import type { RestoreOptions } from './restore.ts';
import type { SnapshotOptions } from './snapshot.ts';

const KEEP_DEFAULT = 10;

export function addSnapshotCommands(program: Command): void {
  program
    .command('snapshot')
    .description('all schedules with definition, state and place, and their calendars, as one file')
    .option('--to <path>', 'a file, or a folder; default: stdout')
    .option('--every <length>', 'stays and takes one after the other, into the folder; 1s at least', pace)
    .addOption(
      new Option('--keep <n>', 'with --every: the newest so many').argParser(kept).default(KEEP_DEFAULT),
    )
    .addOption(
      new Option('--health-port <n>', 'with --every: of GET /healthz on 127.0.0.1; default: a free one')
        .env('ESCAPEMENT_HEALTH_PORT')
        .argParser(port),
    )
    .action(async (_options: unknown, command: Command) => {
      const { runSnapshots, snapshotOnce } = await import('./snapshot.ts');
      const { every, ...options } = command.optsWithGlobals<SnapshotOptions>();
      if (every === undefined) refuseWithoutEvery(command);
      if (every === undefined) await snapshotOnce(options);
      else process.exit(await runSnapshots({ ...options, every }));
    });
  program
    .command('restore')
    .description('creates the schedules of a snapshot that are absent; leaves those that exist')
    .argument('<path>', 'a snapshot, or a folder of them: its newest')
    .option('--dry-run', 'only says what it would do')
    .option('--only <ids>', 'these, commas between', (text) => text.split(',').map(idOf('schedule')))
    .option('--catch-up', 'what fell due since then, by the rule of each schedule')
    .addOption(
      new Option('--calendars <choice>', 'where one is there and differs from the snapshot').choices([
        'keep',
        'replace',
      ]),
    )
    .action(async (path: string, _options: unknown, command: Command) => {
      const { restoreSnapshot } = await import('./restore.ts');
      await restoreSnapshot(path, command.optsWithGlobals<RestoreOptions>());
    });
  program
    .command('catch-up')
    .description('runs what was missed, by the catch-up rule of each schedule')
    .argument('[id]', 'of the schedule', idOf('schedule'))
    .option('--all', 'all schedules')
    .requiredOption('--until <instant>', 'due up to then', instant)
    .option('--since <instant>', 'due after then; default: the last change of each', instant)
    .option('--reason <text>', 'kept in the record')
    .option('--actor <name>', 'kept in the record; default: you ($USER)')
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const { catchUp } = await import('./catch-up.ts');
      await catchUp(id, command.optsWithGlobals<CatchUpOptions>());
    });
}

/** @throws InvalidInputError where a flag is given that says nothing about one snapshot */
function refuseWithoutEvery(command: Command): void {
  const message = 'is for --every, which takes one snapshot after the other: give that too, or leave it out';
  const given = ['keep', 'healthPort'].filter((name) => command.getOptionValueSource(name) === 'cli');
  if (given.length === 0) return;
  const issues = given.map((name) => ({ path: name === 'keep' ? '--keep' : '--health-port', message }));
  throw new InvalidInputError('snapshot', issues);
}

function kept(text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1) return value;
  throw new InvalidArgumentError('Give a whole number of 1 or more.');
}
