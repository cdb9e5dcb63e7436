/** What becomes of wall times that a clock change leaves out or repeats, rule by rule. */
import { describe, expect, test } from 'vitest';
import type { ScheduleSpec } from '../../../src/contract/schedule.ts';
import { findZone, localText, parseInstant } from '../../../src/core/cron/zone.ts';
import { after, at, compiled, short } from './specs.ts';

const inNewYork = (expression: string, rest: Partial<ScheduleSpec> = {}) =>
  compiled(expression, { timeZone: 'America/New_York', ...rest });

describe('a wall time the clock jumps over (New York, 2026-03-08 02:30)', () => {
  test.each([
    [undefined, ['2026-03-07T07:30', '2026-03-08T07:00', '2026-03-09T06:30']],
    ['next', ['2026-03-07T07:30', '2026-03-08T07:00', '2026-03-09T06:30']],
    ['skip', ['2026-03-07T07:30', '2026-03-09T06:30', '2026-03-10T06:30']],
    ['shift', ['2026-03-07T07:30', '2026-03-08T07:30', '2026-03-09T06:30']],
  ] as const)('%s', (dstGap, times) => {
    const schedule = inNewYork('30 2 * * *', dstGap === undefined ? {} : { dstGap });
    expect(after(schedule, '2026-03-07T00:00:00Z', 3)).toEqual(times);
  });

  test('runs once for all that fall on the first instant after the gap', () => {
    const schedule = inNewYork('0,15,30,45 2,3 * * *');
    expect(after(schedule, '2026-03-08T06:59:59Z', 3)).toEqual([
      '2026-03-08T07:00',
      '2026-03-08T07:15',
      '2026-03-08T07:30',
    ]);
    expect(schedule.count(at('2026-03-08T05:00:00Z'), at('2026-03-09T04:00:00Z'))).toBe(4);
  });

  test('also when the gap is a whole day (Samoa, 2011-12-30)', () => {
    const samoa = { timeZone: 'Pacific/Apia' };
    const from = '2011-12-29T12:00:00Z';
    expect(after(compiled('0 9 * * *', samoa), from, 3)).toEqual([
      '2011-12-29T19:00',
      '2011-12-30T10:00',
      '2011-12-30T19:00',
    ]);
    expect(after(compiled('0 9 30 12 *', { ...samoa, dstGap: 'skip' }), from, 1)).toEqual([
      '2012-12-29T19:00',
    ]);
  });
});

describe('a wall time the clock shows twice (New York, 2026-11-01 01:30)', () => {
  test.each([
    [undefined, ['2026-11-01T05:30', '2026-11-02T06:30']],
    ['first', ['2026-11-01T05:30', '2026-11-02T06:30']],
    ['last', ['2026-11-01T06:30', '2026-11-02T06:30']],
    ['both', ['2026-11-01T05:30', '2026-11-01T06:30']],
  ] as const)('%s', (dstRepeat, times) => {
    const schedule = inNewYork('30 1 * * *', dstRepeat === undefined ? {} : { dstRepeat });
    expect(after(schedule, '2026-11-01T00:00:00Z', 2)).toEqual(times);
  });

  test.each(['30 * * * *', '30 */1 * * *', '30 0-23 * * *'])(
    '%s has no fixed hours: every elapsed hour runs',
    (expression) => {
      expect(after(inNewYork(expression), '2026-11-01T05:00:00Z', 3)).toEqual([
        '2026-11-01T05:30',
        '2026-11-01T06:30',
        '2026-11-01T07:30',
      ]);
    },
  );

  test('to the second', () => {
    const seconds = (dstRepeat: 'first' | 'last') => inNewYork('59,0 59,0 1 * * * *', { dstRepeat });
    expect(after(seconds('first'), '2026-11-01T05:59:00Z', 2)).toEqual([
      '2026-11-01T05:59:59',
      '2026-11-02T06:00',
    ]);
    expect(after(seconds('last'), '2026-11-01T00:00:00Z', 1)).toEqual(['2026-11-01T06:00']);
  });
});

describe('one-time and fixed-rate forms', () => {
  test('at() follows the same rules', () => {
    const gap = 'at(2026-03-08T02:30:00)';
    expect(after(inNewYork(gap), '2026-01-01T00:00:00Z', 2)).toEqual(['2026-03-08T07:00']);
    expect(after(inNewYork(gap, { dstGap: 'shift' }), '2026-01-01T00:00:00Z', 2)).toEqual([
      '2026-03-08T07:30',
    ]);
    expect(
      after(inNewYork('at(2026-11-01T01:30:00)', { dstRepeat: 'last' }), '2026-11-01T05:45:00Z', 2),
    ).toEqual(['2026-11-01T06:30']);
  });

  test('every 24h keeps its distance whatever clocks do', () => {
    const schedule = inNewYork('every 24h', { anchorMs: at('2026-03-07T07:30:00Z') });
    expect(after(schedule, '2026-03-01T00:00:00Z', 3)).toEqual([
      '2026-03-07T07:30',
      '2026-03-08T07:30',
      '2026-03-09T07:30',
    ]);
  });
});

describe('the list of affected dates', () => {
  test('says which wall times are lost or doubled, and what becomes of them', () => {
    const dates = inNewYork('30 1,2 * * *').affectedDates(
      at('2026-01-01T00:00:00Z'),
      at('2027-01-01T00:00:00Z'),
    );
    expect(dates).toEqual([
      {
        expression: '30 1,2 * * *',
        timeZone: 'America/New_York',
        kind: 'lost',
        changeAtMs: at('2026-03-08T07:00:00Z'),
        wallTimes: ['2026-03-08T02:30:00'],
        count: 1,
        runsAtMs: [at('2026-03-08T07:00:00Z')],
        becomes: 'runs once, at the first instant after the gap',
      },
      {
        expression: '30 1,2 * * *',
        timeZone: 'America/New_York',
        kind: 'doubled',
        changeAtMs: at('2026-11-01T06:00:00Z'),
        wallTimes: ['2026-11-01T01:30:00'],
        count: 1,
        runsAtMs: [at('2026-11-01T05:30:00Z')],
        becomes: 'runs once, the first time the clock shows it',
      },
    ]);
  });

  test('is short where many are affected, and empty where none is', () => {
    const year = [at('2026-01-01T00:00:00Z'), at('2027-01-01T00:00:00Z')] as const;
    const [lost, doubled] = inNewYork('* * * * *', { dstGap: 'skip' }).affectedDates(...year);
    expect(lost).toMatchObject({ count: 60, runsAtMs: [] });
    expect(lost?.wallTimes).toHaveLength(5);
    expect(doubled).toMatchObject({ kind: 'doubled', count: 60 });
    expect(inNewYork('0 9 * * *').affectedDates(...year)).toEqual([]);
    expect(compiled('0 2 * * *').affectedDates(...year)).toEqual([]);
    expect(compiled('every 5m').affectedDates(...year)).toEqual([]);
  });

  test('names times that really run', () => {
    for (const dstGap of ['next', 'shift'] as const) {
      for (const dstRepeat of ['first', 'last', 'both'] as const) {
        const schedule = inNewYork('*/20 1,2 * * *', { dstGap, dstRepeat });
        const dates = schedule.affectedDates(at('2026-01-01T00:00:00Z'), at('2028-01-01T00:00:00Z'));
        expect(dates).toHaveLength(4);
        for (const runsAtMs of dates.flatMap((d) => d.runsAtMs)) {
          expect(short(schedule.next(runsAtMs - 1) ?? 0)).toBe(short(runsAtMs));
        }
      }
    }
  });
});

describe('instants as people write them', () => {
  const newYork = findZone('America/New_York');
  const read = (text: string) => {
    if (newYork === undefined) throw new Error('no zone data for America/New_York');
    const atMs = parseInstant(text, newYork);
    return atMs === undefined ? undefined : new Date(atMs).toISOString();
  };

  test.each([
    ['2026-03-08T07:00:00Z', '2026-03-08T07:00:00.000Z'],
    ['2026-03-08T07:00Z', '2026-03-08T07:00:00.000Z'],
    ['2026-03-08 07:00:00.25+02:00', '2026-03-08T05:00:00.250Z'],
    ['2026-03-08T07:00:00-0530', '2026-03-08T12:30:00.000Z'],
    ['2026-07-01', '2026-07-01T04:00:00.000Z'],
    ['2026-07-01T12:00', '2026-07-01T16:00:00.000Z'],
    ['2026-03-08T02:30', '2026-03-08T07:00:00.000Z'],
    ['2026-11-01T01:30', '2026-11-01T05:30:00.000Z'],
  ])('%s', (text, iso) => {
    expect(read(text)).toBe(iso);
  });

  test.each([
    '',
    'tomorrow',
    '2026-02-30',
    '2026-13-01T00:00Z',
    '2026-01-01T24:00Z',
    '2026-01-01Z',
    '1969-12-31',
    '12',
  ])('%s is none', (text) => {
    expect(read(text)).toBeUndefined();
  });

  test('are shown on the clock of a zone', () => {
    if (newYork === undefined) throw new Error('no zone data for America/New_York');
    expect(localText(newYork, at('2026-03-08T07:00:00Z'))).toBe('2026-03-08T03:00:00-04:00');
    expect(localText(newYork, at('2026-03-08T06:59:59.250Z'))).toBe('2026-03-08T01:59:59.250-05:00');
  });
});
