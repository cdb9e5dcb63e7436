/** `escapement watch`: flags and help. */
import { type Command, Option } from 'commander';
import { length, pace, port } from './arguments.ts';
import type { WatchCommandOptions } from './watch.ts';

const EVERY_MS_DEFAULT = 10_000;
const GRACE_MS_DEFAULT = 30_000;
const BACK_MS_DEFAULT = 3_600_000;

export function addWatch(program: Command): void {
  program
    .command('watch')
    .description('names schedules with a fire that is late or without outcome; stays, or looks --once')
    .option('--once', 'one look; exit code 1 where something is wrong')
    .addOption(
      new Option('--every <length>', 'between looks; 1s at least')
        .argParser(pace)
        .default(EVERY_MS_DEFAULT, '10s'),
    )
    .addOption(
      new Option('--grace <length>', 'a fire, or its row, may be so late')
        .argParser(length)
        .default(GRACE_MS_DEFAULT, '30s'),
    )
    .addOption(
      new Option('--back <length>', 'how far back is looked')
        .argParser(length)
        .default(BACK_MS_DEFAULT, '1h'),
    )
    .addOption(
      new Option('--health-port <n>', 'of GET /healthz on 127.0.0.1; default: a free one')
        .env('ESCAPEMENT_HEALTH_PORT')
        .argParser(port),
    )
    .action(async (_options: unknown, command: Command) => {
      const { runWatch, watchOnce } = await import('./watch.ts');
      const options = command.optsWithGlobals<WatchCommandOptions>();
      if (options.once === true) await watchOnce(options);
      else process.exit(await runWatch(options));
    });
}
