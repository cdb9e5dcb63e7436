/** Every form an expression can take, with the times it names; and every refusal, with what it says. */
import { describe, expect, test } from 'vitest';
import { AFFECTED_DATES_MAX, compileSpec } from '../../../src/core/cron/spec.ts';
import { EXPRESSIONS_MAX } from '../../../src/core/cron/spec-issues.ts';
import { EXPRESSION_LENGTH_MAX } from '../../../src/core/cron/recurrence.ts';
import { after, compiled, issuesOf, specOf } from './specs.ts';

const FROM = '2026-01-01T00:00:00Z';

describe('cron fields', () => {
  test.each([
    ['*/20 * * * *', ['2026-01-01T00:20', '2026-01-01T00:40', '2026-01-01T01:00']],
    ['5,10-12,58/1 0 * * *', ['2026-01-01T00:05', '2026-01-01T00:10', '2026-01-01T00:11']],
    ['50/5 * * * *', ['2026-01-01T00:50', '2026-01-01T00:55', '2026-01-01T01:50']],
    ['10-30/10 0 * * *', ['2026-01-01T00:10', '2026-01-01T00:20', '2026-01-01T00:30']],
    ['0 9 ? * MON', ['2026-01-05T09:00', '2026-01-12T09:00', '2026-01-19T09:00']],
    ['0 0 1 jan,Jul *', ['2026-07-01T00:00', '2027-01-01T00:00', '2027-07-01T00:00']],
    ['0 0 1 mar-MAY *', ['2026-03-01T00:00', '2026-04-01T00:00', '2026-05-01T00:00']],
    ['0 0 * * 0', ['2026-01-04T00:00', '2026-01-11T00:00', '2026-01-18T00:00']],
    ['0 0 * * 7', ['2026-01-04T00:00', '2026-01-11T00:00', '2026-01-18T00:00']],
    ['0 0 * * 6-7', ['2026-01-03T00:00', '2026-01-04T00:00', '2026-01-10T00:00']],
    ['0 0 * * sat-sun', ['2026-01-03T00:00', '2026-01-04T00:00', '2026-01-10T00:00']],
    ['0 0 * * 1/2', ['2026-01-02T00:00', '2026-01-05T00:00', '2026-01-07T00:00']],
    ['0 0 L * *', ['2026-01-31T00:00', '2026-02-28T00:00', '2026-03-31T00:00']],
    ['0 0 LW * *', ['2026-01-30T00:00', '2026-02-27T00:00', '2026-03-31T00:00']],
    ['0 0 15W * *', ['2026-01-15T00:00', '2026-02-16T00:00', '2026-03-16T00:00']],
    ['0 0 1W 2,8 *', ['2026-02-02T00:00', '2026-08-03T00:00', '2027-02-01T00:00']],
    ['0 0 31W * *', ['2026-01-30T00:00', '2026-03-31T00:00', '2026-05-29T00:00']],
    ['0 0 * * 5L', ['2026-01-30T00:00', '2026-02-27T00:00', '2026-03-27T00:00']],
    ['0 0 * * friL', ['2026-01-30T00:00', '2026-02-27T00:00', '2026-03-27T00:00']],
    ['0 0 * * L', ['2026-01-03T00:00', '2026-01-10T00:00', '2026-01-17T00:00']],
    ['0 0 * * 5#2', ['2026-01-09T00:00', '2026-02-13T00:00', '2026-03-13T00:00']],
    ['0 0 * * mon#5', ['2026-03-30T00:00', '2026-06-29T00:00', '2026-08-31T00:00']],
    ['0 0 29 2 *', ['2028-02-29T00:00', '2032-02-29T00:00', '2036-02-29T00:00']],
    ['0 0 29 2 ? 2028/8', ['2028-02-29T00:00', '2036-02-29T00:00', '2044-02-29T00:00']],
    ['0 0 1 1 * 2027-2028', ['2027-01-01T00:00', '2028-01-01T00:00']],
    ['0 */5 * * * *', ['2026-01-01T05:00', '2026-01-01T10:00', '2026-01-01T15:00']],
    ['*/20 0 0 * * * *', ['2026-01-01T00:00:20', '2026-01-01T00:00:40', '2026-01-02T00:00']],
    ['  0\t 9  * * * ', ['2026-01-01T09:00', '2026-01-02T09:00', '2026-01-03T09:00']],
  ])('%s', (expression, times) => {
    expect(after(compiled(expression), FROM, 3)).toEqual(times);
  });

  test('restricted in both day fields match on either', () => {
    const spec = compiled('0 0 13 * fri');
    expect(after(spec, FROM, 4)).toEqual([
      '2026-01-02T00:00',
      '2026-01-09T00:00',
      '2026-01-13T00:00',
      '2026-01-16T00:00',
    ]);
    expect(spec.notes).toEqual([expect.stringContaining('EITHER')]);
    expect(after(compiled('0 0 */10 * fri'), FROM, 3)).toEqual([
      '2026-01-02T00:00',
      '2026-01-09T00:00',
      '2026-01-11T00:00',
    ]);
    expect(after(compiled('0 0 */1 * fri'), FROM, 2)).toEqual(['2026-01-02T00:00', '2026-01-09T00:00']);
    expect(compiled('0 0 13 * ?').notes).toEqual([]);
  });

  test('six of them end with the year, and the answer says so', () => {
    expect(compiled('0 */5 * * * *').notes).toEqual([
      expect.stringMatching(/minute "0", hour "\*\/5", year "\*".*"0 \*\/5 \* \* \* \* \*"/),
    ]);
    expect(issuesOf('0 0 9 * * 1-5').join()).toContain('add a year: "0 0 9 * * 1-5 *"');
  });
});

describe('aliases and other forms', () => {
  test.each([
    ['@yearly', ['2027-01-01T00:00', '2028-01-01T00:00']],
    ['@annually', ['2027-01-01T00:00', '2028-01-01T00:00']],
    ['@monthly', ['2026-02-01T00:00', '2026-03-01T00:00']],
    ['@weekly', ['2026-01-04T00:00', '2026-01-11T00:00']],
    ['@daily', ['2026-01-02T00:00', '2026-01-03T00:00']],
    ['@midnight', ['2026-01-02T00:00', '2026-01-03T00:00']],
    ['@Hourly', ['2026-01-01T01:00', '2026-01-01T02:00']],
    ['TZ=Asia/Tokyo 0 9 * * *', ['2026-01-02T00:00', '2026-01-03T00:00']],
    ['CRON_TZ=Europe/Berlin @daily', ['2026-01-01T23:00', '2026-01-02T23:00']],
    ['cron(0 9 ? * 2 *)', ['2026-01-05T09:00', '2026-01-12T09:00']],
    ['cron(15 10 ? * 6L 2026-2027)', ['2026-01-30T10:15', '2026-02-27T10:15']],
    ['cron(0 9 ? * 7#1 *)', ['2026-01-03T09:00', '2026-02-07T09:00']],
    ['cron(0 9 ? * MON-FRI *)', ['2026-01-01T09:00', '2026-01-02T09:00']],
    ['cron(0 18 L * ? *)', ['2026-01-31T18:00', '2026-02-28T18:00']],
    ['cron(05 14 01 08 ? 2026)', ['2026-08-01T14:05']],
    ['rate(5 minutes)', ['2026-01-01T00:05', '2026-01-01T00:10']],
    ['rate(1 hour)', ['2026-01-01T01:00', '2026-01-01T02:00']],
    ['rate(2 days)', ['2026-01-03T00:00', '2026-01-05T00:00']],
    ['at(2026-05-05T05:05:05)', ['2026-05-05T05:05:05']],
    ['TZ=Asia/Tokyo at(2026-05-05T05:05:05)', ['2026-05-04T20:05:05']],
    ['every 7h', ['2026-01-01T07:00', '2026-01-01T14:00']],
    ['every 1h30m', ['2026-01-01T01:30', '2026-01-01T03:00']],
    ['every 250ms', ['2026-01-01T00:00:00.250', '2026-01-01T00:00:00.500']],
    ['@every 90s', ['2026-01-01T00:01:30', '2026-01-01T00:03']],
    ['triggered', []],
    ['continuously', []],
    ['with 1.5s interval', ['2026-01-01T00:00:01.500', '2026-01-01T00:00:03']],
  ])('%s', (expression, times) => {
    expect(after(compiled(expression), FROM, 2)).toEqual(times);
  });

  test('tell their timing', () => {
    expect(compiled('every 5m').timing).toEqual({ kind: 'absolute' });
    expect(compiled('with 1h30m interval').timing).toEqual({ kind: 'relative', intervalMs: 5_400_000 });
    expect(compiled('continuously').timing).toEqual({ kind: 'relative', intervalMs: 0 });
    expect(compiled('Triggered').timing).toEqual({ kind: 'triggered' });
  });

  test('tell whether zone data matters', () => {
    expect(compiled('0 9 * * *').zoned).toBe(false);
    expect(compiled('every 5m', { timeZone: 'Europe/Berlin' }).zoned).toBe(false);
    expect(compiled('0 9 * * *', { timeZone: 'Asia/Tokyo' }).zoned).toBe(true);
    expect(compiled('TZ=us/eastern 0 9 * * *').timeZone).toBe('America/New_York');
  });
});

describe('refused at the door', () => {
  test.each([
    ['', 'expression is empty'],
    ['* * *', 'has 3 fields'],
    ['0 0 0 0 0 0 0 0', 'has 8 fields'],
    ['60 * * * *', 'minute "60" is outside 0-59'],
    ['* 24 * * *', 'hour "24" is outside 0-23'],
    ['* * 0 * *', 'day of month "0" is outside 1-31'],
    ['* * * 13 *', 'month "13" is outside 1-12'],
    ['* * * * 8', 'day of week "8" is outside 0-7'],
    ['0 0 1 1 * 1969', 'year "1969" is outside 1970-2099'],
    ['60 * * * * * *', 'second "60" is outside 0-59'],
    ['*/0 * * * *', 'step of 0'],
    ['*/60 * * * *', 'step above 59'],
    ['* */24 * * *', 'step above 23'],
    ['0 0 */32 * *', 'step above 31'],
    ['0 0 * * */8', 'step above 7'],
    ['30-10 * * * *', 'reversed range'],
    ['0 0 * * fri-mon', 'reversed range'],
    ['1,,2 * * * *', 'empty place'],
    ['*-5 * * * *', 'cannot be read'],
    ['0 0 1-5W * *', 'cannot be read'],
    ['0 0 * * fry', 'cannot be read'],
    ['L * * * *', 'cannot be read'],
    ['0 0 * L *', 'cannot be read'],
    ['0 0 * * 5#0', '#1 to #5'],
    ['0 0 * * 5#6', '#1 to #5'],
    ['0 0 32W * *', 'outside 1-31'],
    ['-1 * * * *', 'cannot be read'],
    ['@fortnightly', 'no known alias'],
    ['@every', 'no known alias'],
    ['@every 10', 'no unit'],
    ['@every 900ms', 'whole seconds'],
    ['every 0s', 'too fast'],
    ['every -5m', 'negative'],
    ['every tuesday', 'cannot be read'],
    ['with -3s interval', 'negative'],
    ['with interval', 'duration is empty'],
    ['rate(0 minutes)', 'rate(<n> minutes)'],
    ['rate(5 weeks)', 'rate(<n> minutes)'],
    ['rate(999999999 days)', 'longer than 100 years'],
    ['cron(0 9 * * MON)', 'has 5 fields'],
    ['cron(0 9 1 * MON *)', 'put ? in one of them'],
    ['cron(0 9 ? * 0 *)', 'day of week "0" is outside 1-7'],
    ['cron(0 9 ? * FRI-SUN *)', 'reversed range'],
    ['at(2026-02-30T00:00:00)', 'no date and time'],
    ['at(2026-05-05 05:05)', 'no date and time'],
    ['TZ=Mars/Olympus 0 0 * * *', '"Mars/Olympus" is no time zone'],
    ['TZ= 0 0 * * *', '"" is no time zone'],
    ['TZ=+02:00 0 0 * * *', '"+02:00" is no time zone'],
    ['TZ=UTC', 'names a zone but no time'],
    ['0 0 30 2 *', 'names no date that ever comes'],
    ['0 0 31 2,4,6,9,11 *', 'names no date that ever comes'],
    ['0 0 29 2 * 2027', 'names no date that ever comes'],
    ['0 0 ? 2 1#5 2027', 'names no date that ever comes'],
    ['0 0 1 1 * 2025', 'no date that is still to come'],
    ['at(2025-12-31T23:59:59)', 'no date that is still to come'],
  ])('%s: %s', (expression, why) => {
    const [issue = 'taken', ...more] = issuesOf(expression);
    expect(issue).toMatch(/^expressions\[0\]: /);
    expect([issue, ...more].join('\n')).toContain(why);
  });

  test('when longer than anybody writes', () => {
    expect(issuesOf(`${'1,'.repeat(EXPRESSION_LENGTH_MAX)}1 * * * *`).join()).toContain(
      'characters, at most',
    );
  });

  test('with every wrong field and expression named', () => {
    expect(issuesOf(['0 0 * * *', '61 25 * * *'])).toEqual([
      expect.stringMatching(/^expressions\[1\]: minute "61"/),
      expect.stringMatching(/^expressions\[1\]: hour "25"/),
    ]);
  });

  test.each([
    ['unknown zone', '@daily', { timeZone: 'Europe/Atlantis' }, 'timeZone'],
    ['phase and anchor', 'every 5m', { phaseMs: 1, anchorMs: 1 }, 'phase'],
    ['a negative phase', 'every 5m', { phaseMs: -1 }, 'phase'],
    ['a phase without every', '@daily', { phaseMs: 1 }, 'phase'],
    ['an anchor without every', 'rate(1 day)', { anchorMs: 1 }, 'anchor'],
    ['an anchor that is no instant', 'every 5m', { anchorMs: Number.NaN }, 'anchor'],
    ['a start after all times', '0 0 1 1 * 2027', { startAtMs: Date.UTC(2028, 0, 1) }, 'startAt'],
    ['an end before the first time', '@yearly', { endAtMs: Date.UTC(2026, 11, 31) }, 'endAt'],
    ['an end before the first run', 'with 1h interval', { endAtMs: Date.UTC(2026, 0, 1, 0, 59) }, 'endAt'],
    ['an end before the start', '@daily', { startAtMs: 2, endAtMs: 1 }, 'endAt'],
    ['no expression', [], {}, 'expressions'],
    ['too many', Array(EXPRESSIONS_MAX + 1).fill('@daily'), {}, 'expressions'],
  ] as const)('%s', (_, expressions, rest, path) => {
    expect(issuesOf(expressions as string | string[], rest)).toEqual([expect.stringMatching(`^${path}: `)]);
  });

  test.each(['with 3s interval', 'continuously', 'triggered'])('%s beside another expression', (lone) => {
    expect(issuesOf(['@daily', lone])).toEqual([
      expect.stringMatching(/^expressions\[1\]: .*cannot be combined/),
    ]);
  });

  test('unless its time is still to come by the caller’s measure', () => {
    const spec = specOf('0 0 1 1 * 2020');
    expect(compileSpec(spec).ok).toBe(false);
    expect(compileSpec(spec, { firesAfterMs: Date.UTC(2019, 0, 1) }).ok).toBe(true);
  });
});

describe('bounds', () => {
  test('nothing is named after 2099 or before 1970', () => {
    const far = Date.UTC(2099, 11, 31, 23, 59);
    expect(compiled('* * * * *').next(far)).toBeUndefined();
    expect(compiled('every 5m').next(far)).toBeUndefined();
    expect(compiled('* * * * *').next(-1e15)).toBe(0);
    expect(compiled('every 1m').next(-1e15)).toBe(0);
    expect(compiled('* * * * *', { timeZone: 'Asia/Tokyo' }).next(-Infinity)).toBe(0);
  });

  test('lists end at what was asked for', () => {
    expect(compiled('* * * * * * *').times(0, Infinity, 3)).toHaveLength(3);
    expect(compiled('* * * * * * *').times(0, Infinity, 0)).toEqual([]);
    const listed = compiled('30 1,2 * * *', { timeZone: 'Europe/Berlin' }).affectedDates(0, Infinity);
    expect(listed).toHaveLength(AFFECTED_DATES_MAX);
  });
});
