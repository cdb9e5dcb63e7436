/** `escapement eval …`: flags and help. */
import { type Command, InvalidArgumentError } from 'commander';
import type { GlobalOptions } from './session.ts';

export function addEvalCommands(program: Command): void {
  program
    .command('eval')
    .description('requests for capacity: one try of an invocation makes one or more')
    .command('explain')
    .description('why it waits and when it may begin, or why it went to its worker')
    .argument('<id>', 'such as job/report#1.0, as `invocation explain` shows it', evalId)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { explainEval } = await import('./explain.ts');
      await explainEval(id, command.optsWithGlobals<GlobalOptions>());
    });
}

function evalId(text: string): string {
  if (/^.+#\d+\.\d+$/.test(text) && text.length <= ID_LENGTH_MAX) return text;
  throw new InvalidArgumentError('Write the invocation, the attempt and the evaluation: job/report#1.0.');
}

const ID_LENGTH_MAX = 1_000;
