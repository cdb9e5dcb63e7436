/** The command line of the benchmarks: what it runs, and what it refuses before anything is started. */
import { expect, test } from 'vitest';
import { BadArguments, readOrder } from '../../bench/command-line.ts';
import type { Suite } from '../../bench/suite.ts';

const suite = (defaults: Suite['defaults']): Suite => ({
  summary: '',
  defaults,
  lengthMs: () => 0,
  run: async () => [],
});
const SUITES = { fires: suite({ repeats: 3, count: 60 }), start: suite({ repeats: 2 }) };
const read = (...args: string[]) => readOrder(args, SUITES);

test('without a suite it asks for the list', () => {
  expect(read()).toBeUndefined();
});

test('a suite alone runs with its defaults', () => {
  expect(read('fires')).toEqual({ suite: 'fires', json: false, settings: { repeats: 3, count: 60 } });
  expect(read('start')).toEqual({ suite: 'start', json: false, settings: { repeats: 2, count: 0 } });
});

test('options may stand on either side of the suite', () => {
  const order = { suite: 'fires', json: true, settings: { repeats: 1, count: 150 } };
  expect(read('fires', '--json', '--repeats', '1', '--count', '150')).toEqual(order);
  expect(read('--count=150', '--repeats=1', '--json', 'fires')).toEqual(order);
});

test('a suite may count further than others', () => {
  const suites = { flood: { ...suite({ repeats: 1, count: 10_000 }), countMax: 100_000 } };
  expect(readOrder(['flood', '--count', '50000'], suites)?.settings.count).toBe(50_000);
  expect(() => readOrder(['flood', '--count', '100001'], suites)).toThrow('from 5 to 100000, got "100001"');
});

test.each([
  { args: ['wires'], says: /no suite "wires".*fires, start/ },
  { args: ['toString'], says: /no suite "toString"/ },
  { args: ['fires', 'start'], says: /"start": one suite at a time/ },
  { args: ['--json'], says: /name a suite/ },
  { args: ['fires', '--fast'], says: /--fast/ },
  { args: ['fires', '--repeats'], says: /--repeats/ },
  { args: ['fires', '--repeats', '0'], says: /--repeats must be a whole number from 1 to 20, got "0"/ },
  { args: ['fires', '--repeats', '1.5'], says: /got "1.5"/ },
  { args: ['fires', '--count', '4'], says: /--count must be a whole number from 5 to 3600, got "4"/ },
  { args: ['fires', '--count', 'many'], says: /got "many"/ },
  { args: ['start', '--count', '10'], says: /"start" takes no --count/ },
])('refuses $args', ({ args, says }) => {
  expect(() => read(...args)).toThrow(BadArguments);
  expect(() => read(...args)).toThrow(says);
});
