#!/usr/bin/env node
/**
 * The command `escapement`. Reads the command line, runs one command, and turns its end into an exit code: 0 done,
 * 2 bad input (nothing was changed), 1 anything else. Heavy packages are loaded by the command that needs them, so
 * that `--help` and `next` start at once. Nothing imports this file.
 */
import { exitCodeOf } from './failure.ts';
import { createProgram } from './program.ts';

// `escapement … | head` closes our output early: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

// Looked for here as well: a command line that cannot be parsed has no options.
const options = { json: process.argv.includes('--json'), verbose: process.argv.includes('--verbose') };

try {
  await createProgram(options).parseAsync();
} catch (error) {
  // At once: a runtime of Temporal's that was set up before the failure would keep the process for ever.
  process.exit(exitCodeOf(error, options));
}
