/**
 * Reads the command line of `npm run bench`. Called by `main.ts`. Pure: it prints nothing and ends nothing.
 * Promise: whatever it does not understand is a BadArguments that names the word and what may stand there.
 */
import { parseArgs } from 'node:util';
import type { Settings, Suite } from './suite.ts';

/** Exit code 2: nothing was run. */
export class BadArguments extends Error {
  override readonly name = 'BadArguments';
}

export interface Order {
  readonly suite: string;
  readonly json: boolean;
  readonly settings: Settings;
}

const REPEATS_MAX = 20;
/** At an interval of a second, an hour; a suite may allow for more. */
const COUNT_MAX = 3_600;
const COUNT_MIN = 5;

/**
 * What to run; undefined where no suite is named, which asks for the list.
 * @throws BadArguments
 */
export function readOrder(
  args: readonly string[],
  suites: Readonly<Record<string, Suite>>,
): Order | undefined {
  const { values, positionals } = parse(args);
  const [name, ...rest] = positionals;
  if (rest.length > 0) throw new BadArguments(`"${rest.join(' ')}": one suite at a time`);
  if (name === undefined) {
    if (Object.keys(values).length > 0) throw new BadArguments('name a suite before its options');
    return undefined;
  }
  const suite = Object.hasOwn(suites, name) ? suites[name] : undefined;
  if (suite === undefined) {
    throw new BadArguments(`there is no suite "${name}": take one of ${Object.keys(suites).join(', ')}`);
  }
  const { repeats, count } = suite.defaults;
  if (count === undefined && values.count !== undefined) {
    throw new BadArguments(`suite "${name}" takes no --count`);
  }
  const countMax = suite.countMax ?? COUNT_MAX;
  return {
    suite: name,
    json: values.json ?? false,
    settings: {
      repeats: wholeNumber('--repeats', values.repeats, 1, REPEATS_MAX) ?? repeats,
      count: wholeNumber('--count', values.count, COUNT_MIN, countMax) ?? count ?? 0,
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, repeats: { type: 'string' }, count: { type: 'string' } },
    });
  } catch (error) {
    throw new BadArguments(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function wholeNumber(flag: string, text: string | undefined, least: number, most: number) {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new BadArguments(`${flag} must be a whole number from ${least} to ${most}, got "${text}"`);
}
