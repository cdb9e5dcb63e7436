/** `escapement calendar …`: flags and help. */
import type { Command } from 'commander';
import { id as idOf, repeated, wholeNumber } from './arguments.ts';
import type { PutCalendarOptions } from './calendars.ts';
import type { GlobalOptions } from './session.ts';

export function addCalendarCommands(program: Command): void {
  const calendar = program
    .command('calendar')
    .description('named calendars: days and times that schedules leave out');
  calendar
    .command('put')
    .description('make or change one; the schedules that use it are told')
    .argument('<id>', 'of the calendar', idOf('calendar'))
    .option('--file <path>', 'dates, expressions and timeZone from a YAML or JSON file, instead of flags')
    .option('--dates <date>', '2026-12-25, 2026-12-24/2027-01-06 or =--12-25 (repeatable)', repeated)
    .option('--cron <expression>', '"* 12-13 * * *": times to leave out, too (repeatable)', repeated)
    .option('--time-zone <zone>', 'the clock they are read on; default that of each schedule')
    .option('--revision <n>', 'refused unless it is at this revision; 0: unless there is none', wholeNumber)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { putCalendar } = await import('./calendars.ts');
      await putCalendar(id, command.optsWithGlobals<PutCalendarOptions>());
    });
  calendar
    .command('list')
    .description('all calendars')
    .action(async (_options: unknown, command: Command) => {
      const { listCalendars } = await import('./calendars.ts');
      await listCalendars(command.optsWithGlobals<GlobalOptions>());
    });
  calendar
    .command('describe')
    .description('what it holds, and which schedules leave it out')
    .argument('<id>', 'of the calendar', idOf('calendar'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const { describeCalendar } = await import('./calendars.ts');
      await describeCalendar(id, command.optsWithGlobals<GlobalOptions>());
    });
  calendar
    .command('delete')
    .description('remove it; refused while schedules use it')
    .argument('<id>', 'of the calendar', idOf('calendar'))
    .option('--force', 'also where schedules use it: they go on as if it were empty')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { deleteCalendar } = await import('./calendars.ts');
      await deleteCalendar(id, command.optsWithGlobals<GlobalOptions & { force?: boolean }>());
    });
}
