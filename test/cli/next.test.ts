/** `escapement next`, by what it prints and how it exits. */
import { describe, expect, test } from 'vitest';
import { NEXT_COUNT_MAX, type NextOptions, runNext } from '../../src/cli/next.ts';

const NOW = Date.UTC(2026, 2, 7);

const run = (expression: string, options: Omit<NextOptions, 'expression'> = {}) =>
  runNext({ expression, ...options }, NOW);

const listed = (expression: string, options: Omit<NextOptions, 'expression'> = {}): unknown => {
  const output = run(expression, { ...options, json: true });
  expect(output.exitCode).toBe(0);
  return JSON.parse(output.stdout);
};

describe('with --json', () => {
  test('prints exactly one array of UTC instants, ten of them from now on', () => {
    const output = run('*/5 * * * *', { json: true });
    expect(output).toMatchObject({ exitCode: 0, stderr: '' });
    expect(output.stdout).toMatch(/^\["2026-03-07T00:05:00Z",.*"2026-03-07T00:50:00Z"\]\n$/);
    expect(JSON.parse(output.stdout)).toHaveLength(10);
  });

  test('takes from as exclusive and until as inclusive', () => {
    expect(listed('0 * * * *', { from: '2026-01-01T01:00:00Z', until: '2026-01-01T03:00:00Z' })).toEqual([
      '2026-01-01T02:00:00Z',
      '2026-01-01T03:00:00Z',
    ]);
  });

  test('lists all up to until, and no more than the count', () => {
    const window = { from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' };
    expect(listed('0 * * * *', window)).toHaveLength(24);
    expect(listed('0 * * * *', { ...window, count: '3' })).toHaveLength(3);
  });

  test('says when a window without a count holds more than it lists', () => {
    const window = { from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z', json: true };
    const output = run('* * * * *', window);
    expect(JSON.parse(output.stdout)).toHaveLength(NEXT_COUNT_MAX);
    expect(output.stderr).toMatch(/only the first 10000/);
  });

  test('prints an empty array where the window holds none', () => {
    const window = { from: '2026-01-01T00:00:00Z', until: '2026-01-01T00:30:00Z' };
    expect(listed('0 9 * * *', window)).toEqual([]);
    expect(listed('0 0 1 1 * 2020', window)).toEqual([]);
    expect(listed('triggered')).toEqual([]);
    expect(listed('continuously')).toEqual([]);
  });

  test('keeps milliseconds only where there are any', () => {
    expect(listed('every 500ms', { count: 2 })).toEqual(['2026-03-07T00:00:00.500Z', '2026-03-07T00:00:01Z']);
  });

  test('counts @every and relative schedules from --from', () => {
    const from = '2026-01-01T00:00:07.900Z';
    expect(listed('@every 1m', { from, count: 1 })).toEqual(['2026-01-01T00:01:07Z']);
    expect(listed('with 3s interval', { from, count: 2 })).toEqual([
      '2026-01-01T00:00:10.900Z',
      '2026-01-01T00:00:13.900Z',
    ]);
  });

  test('applies the DST rules', () => {
    const window = { from: '2026-03-08T00:00:00-05:00', until: '2026-03-08T12:00:00-04:00' };
    const zone = { ...window, timeZone: 'America/New_York' };
    expect(listed('30 2 * * *', zone)).toEqual(['2026-03-08T07:00:00Z']);
    expect(listed('30 2 * * *', { ...zone, dstGap: 'shift' })).toEqual(['2026-03-08T07:30:00Z']);
    expect(listed('30 2 * * *', { ...zone, dstGap: 'skip' })).toEqual([]);
    const november = { from: '2026-11-01', count: 2, timeZone: 'America/New_York' };
    expect(listed('30 1 * * *', { ...november, dstRepeat: 'both' })).toEqual([
      '2026-11-01T05:30:00Z',
      '2026-11-01T06:30:00Z',
    ]);
  });
});

describe('for people', () => {
  test('prints the wall time beside UTC, and the clock changes ahead', () => {
    expect(
      run('30 2 * * *', { timeZone: 'America/New_York', count: 2 }).stdout.split('\n').slice(0, 3),
    ).toEqual([
      '2026-03-07T02:30:00-05:00  Sat  2026-03-07T07:30:00Z',
      '2026-03-08T03:00:00-04:00  Sun  2026-03-08T07:00:00Z',
      'clock change: 2026-03-08T02:30:00 (America/New_York) is left out by the clock: runs once, at the first instant after the gap',
    ]);
  });

  test('prints UTC alone where that is the zone', () => {
    expect(run('@daily', { count: 1 }).stdout).toBe('2026-03-08T00:00:00Z  Sun\n');
  });

  test('says how six fields are read, and what relative times mean', () => {
    expect(run('0 */5 * * * *').stdout).toContain('note: six fields are read as');
    expect(run('with 3s interval').stdout).toContain('as if a run took no time');
    expect(run('triggered').stdout).toContain('no times\nnote: a triggered schedule');
  });
});

describe('bad input exits with 2 and says what to do', () => {
  test.each<[string, Omit<NextOptions, 'expression'>, RegExp]>([
    ['61 * * * *', {}, /^error: expression: minute "61" is outside 0-59/],
    ['0 0 30 2 *', {}, /names no date that ever comes/],
    ['0 0 30 2 *', { until: '2027-01-01T00:00:00Z' }, /names no date that ever comes/],
    ['0 0 1 1 * 2020', {}, /no date that is still to come/],
    ['@daily', { timeZone: 'Mars/Olympus' }, /^error: --time-zone: "Mars\/Olympus"/],
    ['@daily', { from: 'yesterday' }, /^error: --from: "yesterday"/],
    ['@daily', { until: '2026-02-30' }, /^error: --until: "2026-02-30"/],
    ['@daily', { until: '2026-01-01' }, /^error: --until: .*lies before --from/],
    ['@daily', { count: '0' }, /^error: --count: 0 /],
    ['@daily', { count: '1e3' }, /^error: --count: 1e3 /],
    ['@daily', { count: NEXT_COUNT_MAX + 1 }, /^error: --count: 10001 .*1 to 10000/],
    ['@daily', { dstGap: 'both' }, /^error: --dst-gap: "both" is none of next, skip, shift/],
    ['@daily', { dstRepeat: 'skip' }, /^error: --dst-repeat: "skip" is none of first, last, both/],
  ])('%s %o', (expression, options, message) => {
    const output = run(expression, options);
    expect(output).toMatchObject({ exitCode: 2, stdout: '' });
    expect(output.stderr).toMatch(message);
    const asked = run(expression, { ...options, json: true });
    expect(asked).toMatchObject({ exitCode: 2, stdout: '' });
    const { error } = JSON.parse(asked.stderr) as { error: { issues: { path: string; message: string }[] } };
    const lines = error.issues.map((issue) => `error: ${issue.path}: ${issue.message}\n`);
    expect(lines.join('')).toBe(output.stderr);
  });
});
