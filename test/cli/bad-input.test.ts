/** What a person can type wrong: each ends with exit code 2, nothing on stdout, and a line that says what and what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { InvalidInputError } from '../../src/contract/errors.ts';
import { checkSystem, readSystemFile } from '../../src/cli/system-file.ts';
import { runCli } from './run-cli.ts';

// Each command is a process that loads its sources, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const create = (...flags: string[]) => ['schedule', 'create', 'nightly', ...flags];

describe('a command line that cannot be understood', () => {
  test.concurrent.each([
    ['an unknown flag', ['schedule', 'list', '--bogus'], /unknown option '--bogus'/],
    ['an unknown command', ['shedule'], /unknown command 'shedule'/],
    ['no command', [], /Usage: escapement/],
    ['an expression that cannot be read', ['next', '* * *'], /error: expression/],
    ['neither spec nor target', create(), /--spec: is missing[^]*--target: is missing/],
    [
      'a date that never comes',
      create('--spec', '0 0 30 2 *', '--command', 'x'),
      /names no date that ever comes/,
    ],
    [
      'an unknown zone',
      create('--spec', '0 2 * * *', '--time-zone', 'Mars/Base', '--command', 'x'),
      /Mars\/Base/,
    ],
    ['a negative interval', create('--spec', 'every -5s', '--command', 'x'), /"-5s" is negative/],
    [
      'an id with a slash',
      ['schedule', 'create', 'a/b', '--spec', 'every 5s', '--command', 'x'],
      /contains "\/"/,
    ],
    [
      'an input that is no JSON',
      create('--spec', 'every 5s', '--target', 'x', '--input', '{n'),
      /--input: is no JSON/,
    ],
    ['a size that is no number', create('--spec', 'every 5s', '--command', 'x', '--size', 'big'), /--size/],
    ['an eval without its numbers', ['eval', 'explain', 'job/report'], /job\/report#1\.0/],
    ['another workflow than an invocation', ['invocation', 'explain', 'schedule/nightly'], /invocation id/],
    [
      'an id without end',
      ['schedule', 'describe', 'long-'.repeat(60)],
      /^error: .*'(long-){12}…' is invalid[^]* 300 characters, at most 200/,
    ],
    ['a pool with a slash', ['pool', 'drain', 'a/b'], /contains "\/"/],
    ['a length that is none', ['pool', 'create', 'p', '--worker-ttl', 'soon'], /--worker-ttl/],
    ['a negative size', create('--spec', 'every 5s', '--command', 'x', '--size', '-1'), /size/],
    ['a size with a fraction', create('--spec', 'every 5s', '--command', 'x', '--size', '1.5'), /--size/],
    ['a size of nothing', create('--spec', 'every 5s', '--command', 'x', '--size', '0'), /size: /],
    [
      'two ways to say the input',
      create('--spec', 'every 5s', '--command', 'x', '--input', '1'),
      /--input: is what/,
    ],
    [
      'a rule that there is not',
      create('--spec', 'every 5s', '--command', 'x', '--overlap', 'never'),
      /skip, bufferOne, .*allowAll/,
    ],
    [
      'overlap and triggering',
      create('--spec', 'every 5s', '--command', 'x', '--overlap', 'skip', '--triggering', 'greedy'),
      /overlap: "skip" and triggering "greedy" both say/,
    ],
    [
      'a catch-up window below the floor',
      create('--spec', 'every 5s', '--command', 'x', '--catch-up-window', '9s'),
      /catchUp\.window: must be at least 10000 ms/,
    ],
    [
      'a concurrency that is no number',
      create('--spec', 'every 5s', '--command', 'x', '--triggering', 'greedy', '--max-concurrent', 'x'),
      /--max-concurrent[^]*whole number/,
    ],
    [
      'a logarithm without end',
      create('--spec', 'every 5s', '--command', 'x', '--triggering', 'logarithmic', '--triggering-base', '1'),
      /triggering\.base/,
    ],
    [
      'a memo that is no object',
      create('--spec', '@daily', '--command', 'x', '--memo', '[1]'),
      /memo: must be an object/,
    ],
    [
      'a search attribute without a type',
      create('--spec', '@daily', '--command', 'x', '--search-attribute', 'Team=blue'),
      /--search-attribute: "Team=blue" is not NAME=TYPE:VALUE/,
    ],
    [
      'a search attribute of another type',
      create('--spec', '@daily', '--command', 'x', '--search-attribute', 'Cost=int:much'),
      /searchAttributes\.Cost: .*whole number, got "much"/,
    ],
    [
      'a setting of a triggering policy without one',
      create('--spec', 'every 5s', '--command', 'x', '--max-concurrent', '2'),
      /--max-concurrent: is for --triggering: give that too/,
    ],
    [
      'several settings of a triggering policy without one',
      create(
        ...['--spec', 'every 5s', '--command', 'x', '--max-batch', '2', '--triggering-base', '3'],
        ...['--pending-timeout', '1h'],
      ),
      /--max-batch: is for[^]*--triggering-base: is for[^]*--pending-timeout: is for/,
    ],
    [
      'fires that end before they begin',
      ['schedule', 'fires', 'x', '--from', '2026-01-02T00:00:00Z', '--until', '2026-01-01T00:00:00Z'],
      /--from: 2026-01-02T00:00:00Z is later than --until, 2026-01-01T00:00:00Z/,
    ],
    ['a backfill without an end', ['schedule', 'backfill', 'x', '--from', '2026-01-01T00:00:00Z'], /--to/],
    [
      'a backfill that ends before it begins',
      ['schedule', 'backfill', 'x', '--from', '2026-01-02T00:00:00Z', '--to', '2026-01-01T00:00:00Z'],
      /--to: 2026-01-01T00:00:00Z is not after --from/,
    ],
    ['an occurrence at nonsense', ['schedule', 'occurrence', 'skip', 'x', 'noon'], /instant[^]*ISO 8601/],
    ['a move to nowhere', ['schedule', 'occurrence', 'move', 'x', '2026-01-01T00:00:00Z'], /--to/],
    [
      'a setting that cannot be unset',
      ['schedule', 'change', 'x', '--unset', 'spec'],
      /--unset[^]*Give one of phase/,
    ],
    ['a revision that is none', ['schedule', 'revert', 'x', 'latest'], /revision[^]*whole number/],
    [
      'triggers in a file and beside it',
      ['schedule', 'trigger', 'x', '--file', 'x.json', '--key', 'k'],
      /--file: says it for each trigger, so --key cannot/,
    ],
    ['a file that is not there', create('--file', '/nowhere/x.yaml'), /\/nowhere\/x\.yaml: cannot be read/],
    ['a pause until nonsense', ['schedule', 'pause', 'x', '--until', 'later'], /--until[^]*such as 2h/],
    ['a job at nonsense', ['job', 'at', 'noon', '--command', 'x'], /"noon" is no instant/],
    ['a schedule as an invocation', ['invocation', 'cancel', 'schedule/x'], /"schedule\/x" is none/],
    ['an address that is none', ['pool', 'list', '--gateway-url', 'nowhere'], /is no http address/],
    ['looks that never rest', ['watch', '--every', '999ms'], /--every[^]*a second at least/],
    ['snapshots that never rest', ['snapshot', '--to', 'x', '--every', '0s'], /--every[^]*a second at least/],
    [
      'a file where snapshots go one after the other',
      ['snapshot', '--every', '1m', '--to', fileURLToPath(import.meta.url)],
      /--to: ".*bad-input\.test\.ts" cannot be the folder .*a file is there.*: give another/,
    ],
    [
      'a folder for snapshots below a file',
      ['snapshot', '--every', '1m', '--to', `${fileURLToPath(import.meta.url)}/deep`],
      /--to: .* cannot be the folder .*ENOTDIR/,
    ],
    ['how many snapshots are kept of one', ['snapshot', '--keep', '3'], /--keep: is for --every/],
    ['a worker without a database', ['worker'], /--database-url: is missing/],
    ['a worker of no capacity', ['pool-worker', '--capacity', 'x'], /--capacity/],
    ['targets that are not there', ['pool-worker', '--targets', '/nowhere.js'], /cannot be imported/],
  ])('%s', async (_what, args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

describe('a server that is not there', () => {
  test.concurrent.each([
    ['Temporal', ['schedule', 'list'], /the Temporal server at 127\.0\.0\.1:1 is out of reach: start it/],
    ['the gateway', ['pool', 'list'], /the gateway at http:\/\/127\.0\.0\.1:1 is out of reach/],
  ])('%s: one clear line and exit code 1', async (_what, args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('a command that needs no server', () => {
  test('next prints an array of instants with --json, and an empty one where there are none', async () => {
    const window = ['--from', '2026-01-01T00:00:00Z', '--until', '2026-01-02T12:00:00Z', '--json'];
    const found = await runCli(['next', '0 2 * * *', ...window]);
    expect(found).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(found.stdout)).toEqual(['2026-01-01T02:00:00Z', '2026-01-02T02:00:00Z']);
    const none = await runCli(['next', '0 2 1 6 *', ...window]);
    expect({ code: none.code, times: JSON.parse(none.stdout) as unknown }).toEqual({ code: 0, times: [] });
  });

  test('help names every command', async () => {
    const { code, stdout } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const name of [
      'dev',
      'demo',
      'worker',
      'gateway',
      'pool-worker',
      'schedule',
      'job',
      'invocation',
      'pool',
      'next',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    }
  });
});

describe('a file of a system', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'escapement-file-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is read with its pools, schedules and jobs', () => {
    const path = join(folder, 'good.yaml');
    writeFileSync(
      path,
      `pools: { files: { workerTtl: 3s, allocTtl: 6s } }
schedules:
  count: { spec: every 5s, target: command, input: { command: [date] } }
jobs:
  soon: { in: 5s, target: echo }
  later: { at: 2030-01-31T09:00:00Z, target: echo, input: 1 }
`,
    );
    expect(readSystemFile(path)).toEqual({
      pools: { files: { workerTtlMs: 3_000, allocTtlMs: 6_000 } },
      schedules: { count: { spec: 'every 5s', target: 'command', input: { command: ['date'] } } },
      jobs: {
        soon: { run: { target: 'echo' }, inMs: 5_000 },
        later: { run: { target: 'echo', input: 1 }, atMs: Date.UTC(2030, 0, 31, 9) },
      },
    });
  });

  test('tells of everything that is wrong in it at once, by entry and field', () => {
    const document = {
      pools: { p: { workerTtl: 'soon' } },
      schedules: {
        good: { spec: 'every 5s', target: 'x' },
        misspelt: { spec: 'every 5s', target: 'x', sise: 2 },
        never: { spec: '0 0 30 2 *', target: 'x' },
        'a/b': { spec: 'every 5s', target: 'x' },
      },
      jobs: { both: { in: '5s', at: '2030-01-31T09:00:00Z', target: 'x' }, aimless: { in: '5s' } },
      cron: {},
    };
    const error = refusal(() => checkSystem('demo.yaml', document));
    expect(error.issues.map((issue) => issue.path)).toEqual([
      'cron',
      'pools.p.workerTtl',
      'schedules.misspelt',
      'schedules.never.spec.expressions[0]',
      'schedules',
      'jobs.both',
      'jobs.aimless.target',
    ]);
    expect(error.message).toMatch(/^demo\.yaml: /);
  });

  test.each(['demo.yaml', 'schedules.yaml'])('that is an example of ours (%s) is accepted', (name) => {
    const path = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
    expect(Object.keys(readSystemFile(path).schedules).length).toBeGreaterThan(3);
  });

  test('that is no YAML is refused with its line', () => {
    const path = join(folder, 'bad.yaml');
    writeFileSync(path, 'schedules:\n  a: [1\n');
    expect(refusal(() => readSystemFile(path)).message).toMatch(/is no YAML or JSON.*line/);
  });
});

function refusal(act: () => unknown): InvalidInputError {
  try {
    act();
  } catch (error) {
    if (error instanceof InvalidInputError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}
