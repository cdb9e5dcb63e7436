/** Fixed rates, relative schedules, unions and the bounds of a spec. */
import { describe, expect, test } from 'vitest';
import { after, at, compiled } from './specs.ts';

const FROM = '2026-01-01T00:00:00Z';
const CREATED = at('2026-01-01T00:00:10.700Z');

describe('fixed rates', () => {
  test('every is aligned to the epoch, whenever it was created', () => {
    expect(after(compiled('every 15m', { createdAtMs: CREATED }), '2026-01-01T00:07:00Z', 2)).toEqual([
      '2026-01-01T00:15',
      '2026-01-01T00:30',
    ]);
  });

  test('phase moves the grid', () => {
    expect(after(compiled('every 15m', { phaseMs: 300_000 }), FROM, 2)).toEqual([
      '2026-01-01T00:05',
      '2026-01-01T00:20',
    ]);
    expect(after(compiled('every 15m', { phaseMs: 1_200_000 }), FROM, 1)).toEqual(['2026-01-01T00:05']);
  });

  test('an anchor is the first time and the origin: every 365 days from this date', () => {
    const schedule = compiled('every 365 days', { anchorMs: at('2027-05-01T12:00:00Z') });
    expect(after(schedule, FROM, 3)).toEqual(['2027-05-01T12:00', '2028-04-30T12:00', '2029-04-30T12:00']);
  });

  test.each(['@every 1m30s', '@every 90.9s'])(
    '%s counts from the creation, in whole seconds',
    (expression) => {
      const schedule = compiled(expression, { createdAtMs: CREATED });
      expect(after(schedule, FROM, 2)).toEqual(['2026-01-01T00:01:40', '2026-01-01T00:03:10']);
      expect(schedule.notes.length).toBe(expression.includes('.') ? 1 : 0);
    },
  );

  test('rate counts from the creation, as in EventBridge', () => {
    expect(after(compiled('rate(1 minute)', { createdAtMs: CREATED }), FROM, 2)).toEqual([
      '2026-01-01T00:01:10',
      '2026-01-01T00:02:10',
    ]);
  });
});

describe('relative schedules', () => {
  test('are due one interval after the end of the last run', () => {
    const schedule = compiled('with 3s interval');
    expect(schedule.next(1_000)).toBe(4_000);
    expect(schedule.count(0, 10_000)).toBe(3);
    expect(schedule.times(0, 9_000, 10)).toEqual([3_000, 6_000, 9_000]);
  });

  test('have no times of their own without an interval, or when only triggered', () => {
    for (const expression of ['continuously', 'with 0s interval', 'triggered']) {
      const schedule = compiled(expression);
      expect(schedule.next(0)).toBeUndefined();
      expect(schedule.times(0, Infinity, 10)).toEqual([]);
      expect(schedule.count(0, Infinity)).toBe(0);
    }
  });

  test('keep to their bounds', () => {
    const bounds = { startAtMs: at('2026-01-02T00:00:00Z'), endAtMs: at('2026-01-02T00:02:00Z') };
    expect(after(compiled('with 1m interval', bounds), FROM, 9)).toEqual([
      '2026-01-02T00:00',
      '2026-01-02T00:01',
      '2026-01-02T00:02',
    ]);
  });
});

describe('unions and bounds', () => {
  test('times that coincide count once', () => {
    const schedule = compiled([
      '*/15 * * * *',
      'every 10m',
      'at(2026-01-01T00:07:00)',
      'TZ=Asia/Tokyo 20 9 * * *',
    ]);
    expect(after(schedule, FROM, 6)).toEqual([
      '2026-01-01T00:07',
      '2026-01-01T00:10',
      '2026-01-01T00:15',
      '2026-01-01T00:20',
      '2026-01-01T00:30',
      '2026-01-01T00:40',
    ]);
    expect(schedule.count(at(FROM), at('2026-01-02T00:00:00Z'))).toBe(4 * 24 + 6 * 24 - 2 * 24 + 1);
  });

  test('startAt and endAt are within', () => {
    const bounds = { startAtMs: at('2026-02-01T00:00:00Z'), endAtMs: at('2026-02-03T00:00:00Z') };
    const schedule = compiled('@daily', bounds);
    expect(after(schedule, FROM, 9)).toEqual(['2026-02-01T00:00', '2026-02-02T00:00', '2026-02-03T00:00']);
    expect(schedule.count(at(FROM), Infinity)).toBe(3);
    expect(schedule.next(bounds.endAtMs)).toBeUndefined();
  });

  test('a window is exclusive at its beginning and inclusive at its end', () => {
    const schedule = compiled('0 * * * *');
    expect(schedule.times(at(FROM), at('2026-01-01T02:00:00Z'), 9)).toHaveLength(2);
    expect(schedule.next(at(FROM))).toBe(at('2026-01-01T01:00:00Z'));
    expect(schedule.next(at(FROM) - 1)).toBe(at(FROM));
    expect(schedule.count(at(FROM), at(FROM))).toBe(0);
    expect(schedule.count(at(FROM), at(FROM) - 1)).toBe(0);
  });

  test('a month of seconds is counted, not listed', () => {
    const march = [at('2026-03-01T00:00:00Z'), at('2026-04-01T00:00:00Z')] as const;
    const everySecond = compiled('* * * * * * *', { timeZone: 'America/New_York' });
    expect(everySecond.count(...march)).toBe(31 * 86_400);
    const union = compiled(['*/2 * * * * * *', '*/3 * * * * * *'], { timeZone: 'America/New_York' });
    expect(union.count(...march)).toBe(31 * 86_400 * (4 / 6));
  });

  test('a century of it too', () => {
    const century = [-1, at('2099-12-31T23:59:59Z')] as const;
    const days = 47_482;
    expect(compiled('* * * * * * *').count(...century)).toBe(days * 86_400);
    expect(compiled(['0 */2 * * *', '0 */3 * * *']).count(...century)).toBe(days * 16);
  });
});
