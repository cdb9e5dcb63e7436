/** `escapement next`: its flags. What it does is in next.ts, which needs no server. */
import type { Command } from 'commander';
import { repeated } from './arguments.ts';
import type { NextOptions } from './next.ts';

export function addNext(program: Command): void {
  program
    .command('next')
    .description('nominal times of an expression; needs no server')
    .argument('<expression>', 'a cron, "every 15m", "@daily", "cron(...)", …')
    .option('--from <instant>', 'times after it; default now')
    .option('--until <instant>', 'times up to it')
    .option('--count <n>', 'how many; default 10')
    .option('--time-zone <zone>', 'IANA name; default UTC')
    .option('--dst-gap <rule>', 'wall times that a clock change leaves out: next, skip or shift')
    .option('--dst-repeat <rule>', 'wall times that come twice: first, last or both')
    .option('--exclude <expression>', 'times left out, such as "* * 25 12 *" (repeatable)', repeated)
    .action(async (expression: string, _options: unknown, command: Command) => {
      const { runNext } = await import('./next.ts');
      const options = command.optsWithGlobals<Omit<NextOptions, 'expression'>>();
      const { stdout, stderr, exitCode } = runNext({ ...options, expression }, Date.now());
      process.stdout.write(stdout);
      process.stderr.write(stderr);
      process.exitCode = exitCode;
    });
}
