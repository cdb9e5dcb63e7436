/** What a schedule leaves out: by cron expressions of its own, and by named calendars. */
import { describe, expect, test } from 'vitest';
import type { CalendarContent } from '../../../src/contract/calendars.ts';
import { compileSpec } from '../../../src/core/cron/spec.ts';
import { after, at, compiled, excluding, issuesOf, specOf } from './specs.ts';

const FROM = '2026-01-01T00:00:00Z';

describe('an exclusion', () => {
  test.each([
    ['0 9 * * *', ['* * 25 12 *'], '2026-12-24T00:00:00Z', ['2026-12-24T09:00', '2026-12-26T09:00']],
    ['0 9 * * 1-5', ['* * 1-6 1 *'], FROM, ['2026-01-07T09:00', '2026-01-08T09:00']],
    ['*/10 * * * *', ['* 0-22 * * *', '0-39 * * * *'], FROM, ['2026-01-01T23:40', '2026-01-01T23:50']],
    ['*/30 * * * * * *', ['0 * * * * * *'], FROM, ['2026-01-01T00:00:30', '2026-01-01T00:01:30']],
    ['*/30 * * * * * *', ['0-58 * * * *'], FROM, ['2026-01-01T00:59', '2026-01-01T00:59:30']],
    ['every 500ms', ['0-57 * * * * * *'], FROM, ['2026-01-01T00:00:58', '2026-01-01T00:00:58.500']],
    ['every 7h', ['* * ? * fri#1'], '2026-01-01T20:00:00Z', ['2026-01-01T21:00', '2026-01-03T01:00']],
    ['@hourly', ['cron(* * ? * 5 *)'], FROM, ['2026-01-02T00:00', '2026-01-02T01:00']],
    ['0 0 29 2 *', ['* * * * 0-5'], FROM, ['2048-02-29T00:00', '2076-02-29T00:00']],
    ['@daily', ['* * * * * 2026-2050'], FROM, ['2051-01-01T00:00', '2051-01-02T00:00']],
  ] as const)('%s without %s', (expression, exclude, from, times) => {
    expect(after(compiled(expression, excluding(exclude)), from, 2)).toEqual(times);
  });

  test('is read on the clock of the spec, or on that of its own prefix', () => {
    const noon = { timeZone: 'America/New_York' };
    expect(after(compiled('every 12h', { ...noon, ...excluding(['* 19 * * *']) }), FROM, 2)).toEqual([
      '2026-01-01T12:00',
      '2026-01-02T12:00',
    ]);
    const tokyo = excluding(['TZ=Asia/Tokyo * 9 * * *']);
    expect(after(compiled('every 12h', { ...noon, ...tokyo }), FROM, 2)).toEqual([
      '2026-01-01T12:00',
      '2026-01-02T12:00',
    ]);
    expect(compiled('every 12h', tokyo).zoned).toBe(true);
    expect(compiled('every 12h', excluding(['* 9 * * *'])).zoned).toBe(false);
  });

  test('covers what the clock shows, both passes of an hour that comes twice, and what it names in one left out', () => {
    const berlin = { timeZone: 'Europe/Berlin', ...excluding(['* 2 * * *']) };
    expect(after(compiled('every 30m', berlin), '2026-10-24T23:59:00Z', 3)).toEqual([
      '2026-10-25T02:00',
      '2026-10-25T02:30',
      '2026-10-25T03:00',
    ]);
    // The lost 02:30 would run at 03:00, which is 01:00 UTC.
    const twice = (exclude: string) =>
      compiled('30 2,4 * * *', { timeZone: 'Europe/Berlin', ...excluding([exclude]) });
    const before = '2026-03-28T12:00:00Z';
    expect(after(twice('* 1 * * *'), before, 1)).toEqual(['2026-03-29T01:00']);
    expect(after(twice('* 2 * * *'), before, 1)).toEqual(['2026-03-29T02:30']);
    expect(after(twice('* 3 * * *'), before, 1)).toEqual(['2026-03-29T02:30']);
  });

  test('takes affected dates with it', () => {
    const berlin = { timeZone: 'Europe/Berlin' };
    const year = [at(FROM), at('2027-01-01T00:00:00Z')] as const;
    expect(compiled('30 2 * * *', berlin).affectedDates(...year)).toHaveLength(2);
    const without = compiled('30 2 * * *', { ...berlin, ...excluding(['* * 25 10 *']) });
    expect(without.affectedDates(...year).map(({ kind }) => kind)).toEqual(['lost']);
  });

  test('is counted over months of seconds by kinds of days', () => {
    const schedule = compiled('* * * * * * *', {
      timeZone: 'America/New_York',
      ...excluding(['* 0-11 * * *', '*/2 * * * * * *', '* * * * sat,sun']),
    });
    const march = [at('2026-03-01T05:00:00Z'), at('2026-04-01T04:00:00Z')] as const;
    expect(schedule.count(...march)).toBe(22 * 12 * 1_800);
  });
});

const HOLIDAYS: CalendarContent = { dates: ['2026-01-01', '2026-01-03/2026-01-05', '--12-25', '--02-29'] };

describe('a named calendar', () => {
  const using = (calendars: Readonly<Record<string, CalendarContent>>, rest = {}) => {
    const spec = specOf('0 9 * * *', { ...excluding([], Object.keys(calendars)), ...rest });
    const result = compileSpec(spec, { firesAfterMs: -Infinity, calendars });
    if (!result.ok) throw new Error(JSON.stringify(result.issues));
    return result.compiled;
  };

  test('leaves out its dates, once or every year', () => {
    const schedule = using({ holidays: HOLIDAYS });
    expect(after(schedule, FROM, 2)).toEqual(['2026-01-02T09:00', '2026-01-06T09:00']);
    expect(after(schedule, '2031-12-24T10:00:00Z', 1)).toEqual(['2031-12-26T09:00']);
    expect(after(schedule, '2028-02-28T10:00:00Z', 1)).toEqual(['2028-03-01T09:00']);
  });

  test('is read on the clock of the schedule, or on its own', () => {
    const tokyo = { timeZone: 'Asia/Tokyo', dates: ['2026-01-02'] };
    expect(after(using({ tokyo }), FROM, 2)).toEqual(['2026-01-01T09:00', '2026-01-03T09:00']);
    expect(after(using({ tokyo }, { expressions: ['0 20 * * *'] }), FROM, 2)).toEqual([
      '2026-01-02T20:00',
      '2026-01-03T20:00',
    ]);
    const own = using({ plain: { dates: ['2026-01-02'] } }, { timeZone: 'Asia/Tokyo' });
    expect(after(own, FROM, 2)).toEqual(['2026-01-03T00:00', '2026-01-04T00:00']);
  });

  test('adds its expressions, and those of others', () => {
    const schedule = using({ holidays: HOLIDAYS, weekends: { dates: [], expressions: ['* * * * sat,sun'] } });
    expect(after(schedule, FROM, 3)).toEqual(['2026-01-02T09:00', '2026-01-06T09:00', '2026-01-07T09:00']);
  });

  test('that is not there is refused by name, or ignored with a note where it was accepted once', () => {
    const spec = specOf('@daily', excluding([], ['gone']));
    expect(issuesOf('@daily', excluding([], ['gone']))).toEqual([
      expect.stringMatching(/^exclude\.calendars\[0\]: there is no calendar "gone"/),
    ]);
    const result = compileSpec(spec, { missingCalendars: 'ignore' });
    expect(result.ok && result.compiled.notes).toEqual([expect.stringContaining('"gone"')]);
    expect(result.ok && result.compiled.next(at(FROM))).toBe(at('2026-01-02T00:00:00Z'));
  });

  test.each([
    [['2026-02-30'], 'dates[0]: "2026-02-30" is no date'],
    [['--13-01'], 'dates[0]: "--13-01" is a day that no year has'],
    [['--02-30'], 'no year has'],
    [['2026-01-02', '2026-01-05/2026-01-04'], 'dates[1]: "2026-01-05/2026-01-04" ends before it begins'],
    [['1st of May'], 'is no date of 1970 to 2099'],
    [['2026-01-01T00:00:00'], 'is no date of 1970 to 2099'],
  ])('with the dates %s is refused', (dates, said) => {
    const result = compileSpec(specOf('@daily', excluding([], ['c'])), { calendars: { c: { dates } } });
    expect(!result.ok && result.issues[0]?.path).toBe('exclude.calendars[0]');
    expect(!result.ok && result.issues[0]?.message).toContain(said);
  });
});

describe('refused at the door', () => {
  test.each([
    ['every 5m', 'is no cron expression'],
    ['triggered', 'is no cron expression'],
    ['at(2026-01-01T00:00:00)', 'is no cron expression'],
    ['* * * *', 'has 4 fields'],
    ['* 25 * * *', 'hour "25" is outside 0-23'],
    ['TZ=Mars/Olympus * * * * *', '"Mars/Olympus" is no time zone'],
    ['x'.repeat(1_001), 'at most 1000'],
  ])('%s: %s', (expression, said) => {
    const [issue = 'taken'] = issuesOf('@daily', excluding(['* * 1 1 *', expression]));
    expect(issue).toMatch(/^exclude\.expressions\[1\]: /);
    expect(issue).toContain(said);
  });

  test.each([
    ['* * * * *', ['* * * * *']],
    ['0 9 * * mon-fri', ['* * * * 1-5']],
    ['0 * * * *', ['0 * * * *']],
    ['0 9 * * *', ['0 9 * * *']],
    ['every 1s', ['*/2 * * * *', '1/2 * * * *']],
    ['*/2 * * * * * *', ['*/4 * * * * * *', '2/4 * * * * * *']],
    ['every 100ms', ['*/2 * * * * * *', '1/2 * * * * * *']],
    ['0 0 29 2 *', ['* * 29 2 *']],
    ['0 12 13 * fri', ['* 12 * * *']],
  ])('%s without %s, as it would never be due', (expression, exclude) => {
    for (const timeZone of ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe']) {
      // With `next` a time that the clock leaves out runs at another time, which need not be excluded.
      expect(issuesOf(expression, { timeZone, dstGap: 'skip', ...excluding(exclude) })).toEqual([
        expect.stringMatching(/^exclude: leaves out every time/),
      ]);
    }
  });

  test('an exclusion or a jitter of a schedule that has no times of its own', () => {
    for (const expression of ['with 3s interval', 'continuously', 'triggered']) {
      expect(issuesOf(expression, { jitterMs: 5, ...excluding(['* * 25 12 *']) })).toEqual([
        expect.stringMatching(/^jitter: applies to/),
        expect.stringMatching(/^exclude: applies to/),
      ]);
    }
    expect(issuesOf('@daily', { jitterMs: -1 })).toEqual([expect.stringMatching(/^jitter: /)]);
  });

  test('more than a schedule may hold', () => {
    expect(issuesOf('@daily', excluding(Array<string>(51).fill('* * 1 1 *')))).toEqual([
      expect.stringMatching(/^exclude\.expressions: there are 51, at most 50/),
    ]);
    const ids = Array.from({ length: 21 }, (_, i) => `c${i}`);
    expect(issuesOf('@daily', excluding([], ids))[0]).toMatch(/^exclude\.calendars: there are 21/);
  });
});
