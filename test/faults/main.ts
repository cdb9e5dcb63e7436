/**
 * `npm run faults -- --seeds 200`: plays every scenario with that many seeds, tells of each how long the system took to go on,
 * and stops at the first that went wrong or took too long, with its name, its seed and exit code 1.
 * `--first <seed>` begins elsewhere, `--only <text>` plays the scenarios whose names hold that text, `--within <seconds>` is how
 * soon new work must be done once a fault is over (see `WITHIN_MS` for the default).
 */
import { parseArgs } from 'node:util';
import { MIN_BACKOFF_MS_DEFAULT } from '../../src/core/limits.ts';
import { temporalBinary } from '../support/temporal-binary.ts';
import { play } from './play.ts';
import { TTL_MS } from './parts.ts';
import { makeProgram } from '../support/program.ts';
import { randomOf } from './random.ts';
import { SCENARIOS } from './scenarios.ts';
import { devServer, makeWhole, startSystem, type System } from './system.ts';

/** Temporal's default: another worker gets the task of one that was killed no sooner. With TTLs as short as these it comes first. */
const TASK_TIMEOUT_MS = 10_000;
/** By then a system goes on by itself: what has died has expired, and what failed is tried again. */
const PROMISED_MS = TASK_TIMEOUT_MS + TTL_MS + MIN_BACKOFF_MS_DEFAULT;
/** How much slower a machine of two processors is that has other work to do. */
const LOAD = 2;
const WITHIN_MS = PROMISED_MS * LOAD;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    first: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    within: { type: 'string', default: String(WITHIN_MS / 1_000) },
  },
});

const withinMs = whole('within', values.within) * 1_000;
process.exitCode = await main(whole('seeds', values.seeds), whole('first', values.first), values.only);

async function main(seeds: number, first: number, only: string): Promise<number> {
  const scenarios = SCENARIOS.filter(({ name }) => name.includes(only));
  if (scenarios.length === 0) throw new Error(`no scenario has "${only}" in its name`);
  const program = await makeProgram();
  const system = await startSystem({ startTemporal: devServer(await temporalBinary()), program });
  try {
    for (let seed = first, nth = 0; seed < first + seeds; seed += 1) {
      console.log(`seed ${seed}`);
      for (const scenario of scenarios) {
        if (!(await holds(system, scenario, seed, nth))) return 1;
        nth += 1;
      }
    }
    return 0;
  } finally {
    await system.close();
    await program.remove();
  }
}

async function holds(
  system: System,
  scenario: (typeof SCENARIOS)[number],
  seed: number,
  nth: number,
): Promise<boolean> {
  const wrong = await wrongOf(system, scenario, seed, nth).catch((error: unknown) => [String(error)]);
  for (const what of wrong) console.error(`    ${what}`);
  if (wrong.length === 0) return true;
  console.error(
    `seed ${seed}: "${scenario.name}" went wrong; again: npm run faults -- --first ${seed} --only '${scenario.name}'`,
  );
  return false;
}

/** @throws Error where what was waited for did not come at all */
async function wrongOf(
  system: System,
  scenario: (typeof SCENARIOS)[number],
  seed: number,
  nth: number,
): Promise<readonly string[]> {
  await makeWhole(system);
  const { recoveredMs, settledMs, fires, wrong } = await play(system, scenario, randomOf(seed), nth);
  const figures = `new work done after ${seconds(recoveredMs)}, the old after ${seconds(settledMs)}, ${fires} ledger rows`;
  console.log(`  ${scenario.name}: ${figures}`);
  const late = Object.entries({ new: recoveredMs, old: settledMs }).filter(([, ms]) => ms > withinMs);
  return [
    ...wrong,
    ...late.map(
      ([which, ms]) => `the ${which} work was done after ${seconds(ms)}, ${seconds(withinMs)} are allowed`,
    ),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${flag} is "${text}": give a whole number above 0`);
}
