/**
 * `escapement schedule trigger`, `backfill`, `backlog`, `occurrence`, `revisions` and `revert`: flags and help. Added by
 * schedule-commands.ts.
 */
import { type Command, Option } from 'commander';
import { OVERLAPS } from '../contract/message-shape.ts';
import { decimal, id as idOf, instant, instantOrLength, limit, wholeNumber } from './arguments.ts';
import type { ActOptions } from './schedule-acts.ts';
import type { BackfillOptions } from './schedule-backlogs.ts';
import type { TriggerOptions } from './schedule-trigger.ts';
import type { GlobalOptions } from './session.ts';

export function addNoteFlags(command: Command): Command {
  return command
    .option('--reason <text>', 'kept in the record')
    .option('--actor <name>', 'kept in the record; default: you ($USER)');
}

function onSchedule(parent: Command, name: string, description: string): Command {
  return parent.command(name).description(description).argument('<id>', 'of the schedule', idOf('schedule'));
}

export function addTrigger(schedule: Command): void {
  addNoteFlags(onSchedule(schedule, 'trigger', 'run it now, by its overlap rule'))
    .option('--key <key>', 'makes asking twice one run')
    .option('--input <json>', "instead of the target's input")
    .addOption(
      new Option('--overlap <rule>', "for this run, instead of the schedule's own").choices(OVERLAPS),
    )
    .option('--file <path>', 'a list of triggers, YAML or JSON: [{"key": "a", "input": …}, …]; all or none')
    .option('--wait', 'wait for its end; exit code 1 unless it succeeds')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { triggerSchedule } = await import('./schedule-trigger.ts');
      await triggerSchedule(id, command.optsWithGlobals<TriggerOptions>());
    });
}

export function addBacklogs(schedule: Command): void {
  addNoteFlags(onSchedule(schedule, 'backfill', 'run the due times of a stretch that has passed'))
    .requiredOption('--from <instant>', 'due after then', instant)
    .requiredOption('--to <instant>', 'due up to then', instant)
    .addOption(new Option('--order <order>', 'which go first; default oldest').choices(['oldest', 'newest']))
    .option('--concurrency <n>', 'runs at once, 0 for no limit; default 1', wholeNumber)
    .option('--per-second <n>', 'starts per second; default 10', decimal)
    .option('--rerun', 'also what has run already')
    .option('--key <key>', 'makes asking twice one backfill')
    .option('--dry-run', 'do nothing: list the due times, and say how many there are')
    .option('--count <n>', 'with --dry-run: due times listed; default 20', limit)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { backfill } = await import('./schedule-backlogs.ts');
      await backfill(id, command.optsWithGlobals<BackfillOptions>());
    });
  const backlog = schedule.command('backlog').description('backfills and catch-ups that are going on');
  onSchedule(backlog, 'list', 'those of one schedule').action(
    async (id: string, _options: unknown, command: Command) => {
      const { listBacklogs } = await import('./schedule-backlogs.ts');
      await listBacklogs(id, command.optsWithGlobals<GlobalOptions>());
    },
  );
  addNoteFlags(onSchedule(backlog, 'stop', 'end one; its runs go on'))
    .argument('<backlog>', 'its id, as `backlog list` shows it')
    .action(async (id: string, one: string, _options: unknown, command: Command) => {
      const { stopBacklog } = await import('./schedule-backlogs.ts');
      await stopBacklog(id, one, command.optsWithGlobals<ActOptions>());
    });
}

const OCCURRENCE_ACTS = [
  ['skip', 'do not run it'],
  ['hold', 'run it only when it is restored'],
  ['restore', 'undo a skip, a move or a hold; what is held and due runs at once'],
] as const;

export function addOccurrences(schedule: Command): void {
  const occurrence = schedule
    .command('occurrence')
    .description('one nominal time that is not to run as planned');
  for (const [act, description] of OCCURRENCE_ACTS) {
    addNoteFlags(onSchedule(occurrence, act, description))
      .argument('<instant>', 'the nominal time', instant)
      .action(async (id: string, atMs: number, _options: unknown, command: Command) => {
        const { changeOccurrence } = await import('./schedule-occurrences.ts');
        await changeOccurrence(act, id, atMs, command.optsWithGlobals<ActOptions>());
      });
  }
  addNoteFlags(onSchedule(occurrence, 'move', 'run it at another instant; its name stays'))
    .argument('<instant>', 'the nominal time', instant)
    .requiredOption('--to <when>', 'an instant, or a length from now', instantOrLength)
    .action(async (id: string, atMs: number, _options: unknown, command: Command) => {
      const { moveOccurrence } = await import('./schedule-occurrences.ts');
      await moveOccurrence(id, atMs, command.optsWithGlobals<ActOptions & { to: number }>());
    });
}

export function addRevisions(schedule: Command): void {
  onSchedule(schedule, 'revisions', 'who changed it, when and why; the newest first').action(
    async (id: string, _options: unknown, command: Command) => {
      const { listRevisions } = await import('./schedule-revisions.ts');
      await listRevisions(id, command.optsWithGlobals<GlobalOptions>());
    },
  );
  addNoteFlags(onSchedule(schedule, 'revert', 'go back to the definition of an earlier revision'))
    .argument('<revision>', 'as `revisions` shows it', wholeNumber)
    .option('--revision <n>', 'refused unless it is at this revision', wholeNumber)
    .action(async (id: string, to: number, _options: unknown, command: Command) => {
      const { revertSchedule } = await import('./schedule-revisions.ts');
      await revertSchedule(id, to, command.optsWithGlobals<ActOptions & { revision?: number }>());
    });
}
