/** `escapement job …` and `escapement invocation …`: flags and help. */
import type { Command } from 'commander';
import { id as idOf, instantOrLength, length, limit } from './arguments.ts';
import type { ListOptions } from './invocations.ts';
import type { JobOptions, RescheduleOptions } from './jobs.ts';
import { addRunFlags } from './run-flags.ts';
import type { GlobalOptions } from './session.ts';

export function addWorkCommands(program: Command): void {
  addJobCommands(program.command('job').description('one-time work: at an instant, or in a while'));
  addInvocationCommands(program.command('invocation').description('runs of schedules and jobs'));
}

function addJobCommands(job: Command): void {
  addJobFlags(job.command('at').description('run once at an instant; one that has passed runs at once'))
    .argument('<instant>', 'ISO 8601; without an offset a wall time of --time-zone')
    .option('--time-zone <zone>', 'of a wall time; default UTC')
    .action(async (at: string, _options: unknown, command: Command) => {
      const { startJobAt } = await import('./jobs.ts');
      await startJobAt(at, command.optsWithGlobals<JobOptions>());
    });
  addJobFlags(job.command('in').description('run once after a length of time'))
    .argument('<length>', 'such as 5m', length)
    .action(async (delayMs: number, _options: unknown, command: Command) => {
      const { startJobIn } = await import('./jobs.ts');
      await startJobIn(delayMs, command.optsWithGlobals<JobOptions>());
    });
  job
    .command('describe')
    .description('where it stands, or what became of it')
    .argument('<id>', 'of the job', idOf('job'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const { describeJob } = await import('./jobs.ts');
      await describeJob(id, command.optsWithGlobals<GlobalOptions>());
    });
  job
    .command('cancel')
    .description('stop it, whether it waits or runs')
    .argument('<id>', 'of the job', idOf('job'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const { cancelJob } = await import('./jobs.ts');
      await cancelJob(id, command.optsWithGlobals<GlobalOptions>());
    });
  job
    .command('reschedule')
    .description('move the time of a job that still waits')
    .argument('<id>', 'of the job', idOf('job'))
    .argument('<when>', 'an instant, or a length from now', instantOrLength)
    .option('--reason <text>', 'kept in the record')
    .option('--actor <name>', 'kept in the record; default: you ($USER)')
    .action(async (id: string, atMs: number, _options: unknown, command: Command) => {
      const { rescheduleJob } = await import('./jobs.ts');
      await rescheduleJob(id, atMs, command.optsWithGlobals<RescheduleOptions>());
    });
}

function addJobFlags(command: Command): Command {
  return addRunFlags(command)
    .option('--id <id>', 'its name, used once; default: a new one', idOf('job'))
    .option('--strict', 'an error where no worker could run it now, instead of a warning')
    .option('--wait', 'wait for its end; exit code 1 unless it succeeds');
}

function addInvocationCommands(invocation: Command): void {
  invocation
    .command('list')
    .description('those that Temporal still knows, newest first')
    .option('--schedule <id>', 'only of this schedule', idOf('schedule'))
    .option('--running', 'only those that have not ended')
    .option('--limit <n>', 'at most so many', limit, 20)
    .action(async (_options: unknown, command: Command) => {
      const { listInvocations } = await import('./invocations.ts');
      await listInvocations(command.optsWithGlobals<ListOptions>());
    });
  invocation
    .command('describe')
    .description('where it stands and why it waits, or what became of it')
    .argument('<id>', 'such as schedule/nightly/2026-01-31T02:00:00Z')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { describeInvocation } = await import('./invocations.ts');
      await describeInvocation(id, command.optsWithGlobals<GlobalOptions>());
    });
  invocation
    .command('explain')
    .description('its requests for capacity: what each waited for and how long, where it went and why')
    .argument('<id>', 'such as job/report')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { explainInvocation } = await import('./explain.ts');
      await explainInvocation(id, command.optsWithGlobals<GlobalOptions>());
    });
  invocation
    .command('cancel')
    .description('stop it; what it holds is given back')
    .argument('<id>', 'such as job/report')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { cancelInvocation } = await import('./invocations.ts');
      await cancelInvocation(id, command.optsWithGlobals<GlobalOptions>());
    });
}
