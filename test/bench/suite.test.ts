/** From measured values to what is printed: medians, ratios, goals, and the JSON that other programs read. */
import { expect, test } from 'vitest';
import { toJson, toRow, toTable } from '../../bench/suite.ts';

const EVENTS = { metric: 'events', ours: [5, 6, 9], peer: [8, 8, 8.5] };

test('a row holds the medians over the repeats and their ratio', () => {
  expect(toRow(EVENTS)).toEqual({ metric: 'events', ours: 6, peer: 8, ratio: 0.75, goal: null, ok: true });
});

test('every bound of a goal must be met', () => {
  expect(toRow({ ...EVENTS, goal: { ours: 6.5, ratio: 0.8 } })).toMatchObject({
    goal: 'ours <= 6.5 and ratio <= 0.8',
    ok: true,
  });
  expect(toRow({ ...EVENTS, goal: { ours: 5.9, ratio: 0.8 } }).ok).toBe(false);
  expect(toRow({ ...EVENTS, goal: { ours: 6.5, ratio: 0.7 } }).ok).toBe(false);
});

test('a goal may be a lower bound, where more is better', () => {
  expect(toRow({ ...EVENTS, goal: { ratio: 0.8, atLeast: { ours: 6, ratio: 0.7 } } })).toMatchObject({
    goal: 'ours >= 6 and ratio <= 0.8 and ratio >= 0.7',
    ok: true,
  });
  expect(toRow({ ...EVENTS, goal: { atLeast: { ours: 6.1 } } }).ok).toBe(false);
  expect(toRow({ metric: 'm', ours: [Number.NaN], goal: { atLeast: { ours: 0 } } }).ok).toBe(false);
});

test('a goal is judged before the figures are rounded', () => {
  expect(toRow({ metric: 'm', ours: [1.0001], goal: { ours: 1 } })).toMatchObject({ ours: 1, ok: false });
});

test('what was not measured is null and meets no goal', () => {
  const nothing = toRow({ metric: 'm', ours: [Number.NaN], peer: [2], goal: { ratio: 1 } });
  expect(nothing).toEqual({ metric: 'm', ours: null, peer: 2, ratio: null, goal: 'ratio <= 1', ok: false });
  expect(toRow({ metric: 'm', ours: [3], goal: { ratio: 1 } })).toMatchObject({ peer: null, ok: false });
  expect(toRow({ metric: 'm', ours: [3], peer: [0] }).ratio).toBeNull();
});

test('the JSON is the suite and its rows, and nothing else', () => {
  const rows = [toRow({ ...EVENTS, goal: { ours: 6.5 } }), toRow({ metric: 'idle', ours: [0] })];
  const printed: unknown = JSON.parse(toJson('fires', rows));
  expect(printed).toEqual({
    suite: 'fires',
    results: [
      { metric: 'events', ours: 6, peer: 8, ratio: 0.75, goal: 'ours <= 6.5', ok: true },
      { metric: 'idle', ours: 0, peer: null, ratio: null, goal: null, ok: true },
    ],
  });
});

test('the table names what was missed', () => {
  const table = toTable([
    toRow({ metric: 'good', ours: [1], goal: { ours: 1 } }),
    toRow({ metric: 'bad', ours: [2], goal: { ours: 1 } }),
    toRow({ metric: 'free', ours: [3] }),
  ]);
  const line = (metric: string) => table.split('\n').find((text) => text.includes(metric)) ?? '';
  expect(line('good')).toContain('met');
  expect(line('bad')).toContain('MISSED');
  expect(line('free')).not.toMatch(/met|MISSED/);
});
