/**
 * `npm run bench -- <suite> [--json] [--repeats N] [--count N]`; without a suite it lists them.
 * Promise: results on stdout, all else on stderr; exit code 0 when it ran (a missed goal is shown, it is no error), 2
 * for arguments it does not understand, 130 when it was interrupted, 1 otherwise; it ends by itself and leaves nothing
 * running.
 */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { BadArguments, type Order, readOrder } from './command-line.ts';
import { alloc } from './alloc/suite.ts';
import { catchUp } from './catch-up/suite.ts';
import { fires } from './fires/suite.ts';
import { flood } from './flood/suite.ts';
import { herd } from './herd/suite.ts';
import { memory } from './memory/suite.ts';
import { next } from './next/suite.ts';
import { queues } from './queues/suite.ts';
import { start } from './start/suite.ts';
import { state } from './state/suite.ts';
import { type Suite, toJson, toTable } from './suite.ts';

const SUITES: Readonly<Record<string, Suite>> = {
  alloc,
  'catch-up': catchUp,
  fires,
  flood,
  herd,
  memory,
  next,
  queues,
  start,
  state,
};
/** A run may take this much longer than it said, for a cold cache and a busy machine, before it is given up. */
const SPARE_MS = 5 * 60_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let order: Order | undefined;
  try {
    order = readOrder(args, SUITES);
  } catch (error) {
    if (!(error instanceof BadArguments)) throw error;
    console.error(`bench: ${error.message}\n\n${usage()}`);
    return 2;
  }
  if (order === undefined) {
    console.log(usage());
    return 0;
  }
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  try {
    await run(order, stopping.signal);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 130;
    throw error;
  }
}

async function run({ suite: name, json, settings }: Order, interrupted: AbortSignal): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const suite = SUITES[name];
  if (suite === undefined) return;
  const lengthMs = suite.lengthMs(settings);
  const beganMs = performance.now();
  const progress = (line: string): void => {
    const seconds = ((performance.now() - beganMs) / 1_000).toFixed(0).padStart(4);
    console.error(`${seconds}s  ${line}`);
  };
  progress(`${name}: ${settings.repeats} repeats, about ${(lengthMs / 60_000).toFixed(1)} min in all`);
  const signal = AbortSignal.any([interrupted, AbortSignal.timeout(lengthMs + SPARE_MS)]);
  const rows = await suite.run(settings, { progress, signal });
  console.log(json ? toJson(name, rows) : toTable(rows));
}

function usage(): string {
  const suites = Object.entries(SUITES).map(([name, { summary, defaults, counts, lengthMs }]) => {
    const { repeats, count = 0 } = defaults;
    const minutes = (lengthMs({ repeats, count }) / 60_000).toFixed(1);
    const counted = counts === undefined ? '' : `, --count ${count} (${counts})`;
    return `  ${name.padEnd(8)} ${summary}\n           --repeats ${repeats}${counted}: about ${minutes} min`;
  });
  return [
    'npm run bench -- <suite> [--json] [--repeats N] [--count N]',
    'npm run --silent bench -- <suite> --json    leaves nothing but the JSON on stdout',
    '',
    'Suites, with the defaults of their options:',
    ...suites,
  ].join('\n');
}
