/** `escapement schedule …`: flags and help. What the commands do is loaded when one of them runs. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { id as idOf, instant, instantOrLength, limit, repeated, wholeNumber } from './arguments.ts';
import type { Act, ActOptions, SuspendOptions } from './schedule-acts.ts';
import type { ManyOptions } from './schedule-bulk.ts';
import { addScheduleFlags } from './schedule-flags.ts';
import type { FiresOptions } from './schedule-read.ts';
import {
  addBacklogs,
  addNoteFlags,
  addOccurrences,
  addRevisions,
  addTrigger,
} from './schedule-times-commands.ts';
import { UNSETTABLE } from './schedule-unset.ts';
import type { ChangeOptions, CreateOptions } from './schedule-write.ts';
import type { GlobalOptions } from './session.ts';

const STRICT = 'an error where no worker could run it now, instead of a warning';

export function addScheduleCommands(program: Command): void {
  const schedule = program.command('schedule').description('schedules: make, look at, change, run');
  addWriting(schedule);
  addReading(schedule);
  addActing(schedule);
  addTrigger(schedule);
  addBacklogs(schedule);
  addOccurrences(schedule);
  addRevisions(schedule);
}

function addWriting(schedule: Command): void {
  addScheduleFlags(
    schedule
      .command('create')
      .description('make a schedule')
      .argument('<id>', 'of the schedule', idOf('schedule')),
  )
    .option('--disabled', 'made switched off')
    .option('--dry-run', 'make nothing: show how it is read, when it is due, and what clock changes do to it')
    .option('--count <n>', 'with --dry-run: times shown; default 10', limit)
    .option('--strict', STRICT)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { createSchedule } = await import('./schedule-write.ts');
      await createSchedule(id, command.optsWithGlobals<CreateOptions>());
    });
  const change = schedule
    .command('change')
    .description('change what the flags name, or all of it with --file')
    .argument('<id>', 'of the schedule', idOf('schedule'));
  addNoteFlags(addScheduleFlags(change))
    .addOption(
      new Option(
        '--unset <setting>',
        `back to its default, named as its flag (repeatable): ${UNSETTABLE.join(', ')}`,
      ).argParser(oneOfUnsettable),
    )
    .option('--revision <n>', 'refused unless it is at this revision', wholeNumber)
    .option('--strict', STRICT)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { changeSchedule } = await import('./schedule-write.ts');
      await changeSchedule(id, command.optsWithGlobals<ChangeOptions>());
    });
}

function oneOfUnsettable(text: string, before: readonly string[] | undefined): readonly string[] {
  if (UNSETTABLE.includes(text)) return repeated(text, before);
  throw new InvalidArgumentError(`Give one of ${UNSETTABLE.join(', ')}.`);
}

function addReading(schedule: Command): void {
  schedule
    .command('list')
    .description('all schedules')
    .action(async (_options: unknown, command: Command) => {
      const { listSchedules } = await import('./schedule-read.ts');
      await listSchedules(command.optsWithGlobals<GlobalOptions>());
    });
  schedule
    .command('describe')
    .description('one schedule: definition, state, next times, problems')
    .argument('<id>', 'of the schedule', idOf('schedule'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const { describeSchedule } = await import('./schedule-read.ts');
      await describeSchedule(id, command.optsWithGlobals<GlobalOptions>());
    });
  schedule
    .command('fires')
    .description('what became of its due times')
    .argument('<id>', 'of the schedule', idOf('schedule'))
    .option('--from <instant>', 'due from then on', instant)
    .option('--until <instant>', 'due before then', instant)
    .addOption(new Option('--outcome <outcome>', 'only these').choices(OUTCOMES))
    .option('--limit <n>', 'at most so many', limit, 20)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { listFires } = await import('./schedule-read.ts');
      await listFires(id, command.optsWithGlobals<FiresOptions>());
    });
}

const OUTCOMES = [
  ...['started', 'skipped-overlap', 'skipped-occurrence', 'held', 'moved', 'disabled', 'paused'],
  ...['missed', 'superseded', 'dropped', 'duplicate', 'deleted', 'refused'],
];

const ACTS: readonly (readonly [Act, string])[] = [
  ['enable', 'switch on; counts afresh from now'],
  ['disable', 'switch off; its place is forgotten'],
  ['pause', 'hold; it keeps its place'],
  ['resume', 'go on after a pause'],
];

function addActing(schedule: Command): void {
  for (const [act, description] of ACTS) {
    const command = addNoteFlags(
      schedule.command(act).description(description).argument('[id]', 'of the schedule', idOf('schedule')),
    );
    addManyFlags(command);
    if (act === 'disable' || act === 'pause') {
      command.option(
        '--until <when>',
        'goes back by itself at an instant, or after a length',
        instantOrLength,
      );
    }
    command.action(async (id: string | undefined, _options: unknown, self: Command) => {
      const options = self.optsWithGlobals<SuspendOptions & ManyOptions>();
      const { actOnSchedules, oneNamed } = await import('./schedule-bulk.ts');
      const one = oneNamed(act, id, options);
      if (one === undefined) return await actOnSchedules(act, options);
      const { actOnSchedule } = await import('./schedule-acts.ts');
      await actOnSchedule(act, one, options);
    });
  }
  const ending = addNoteFlags(
    schedule
      .command('delete')
      .description('end it; its record stays')
      .argument('[id]', 'of the schedule', idOf('schedule')),
  );
  addManyFlags(ending)
    .option('--cancel-running', 'cancel what it runs, too')
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ActOptions & ManyOptions & { cancelRunning?: boolean }>();
      const { actOnSchedules, oneNamed } = await import('./schedule-bulk.ts');
      const one = oneNamed('delete', id, options);
      if (one === undefined) return await actOnSchedules('delete', options);
      const { deleteSchedule } = await import('./schedule-acts.ts');
      await deleteSchedule(one, options);
    });
}

function addManyFlags(command: Command): Command {
  return command
    .option('--all', 'all schedules, instead of one')
    .option('--query <query>', 'those that a visibility query finds, such as \'EscapementPool = "gpu"\'')
    .option('--dry-run', 'with --all or --query: only lists them');
}
