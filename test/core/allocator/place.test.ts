/** Placing, told as tables and stories. The rules are section 5 of the behaviour rules and the head of place.ts. */
import { describe, expect, test } from 'vitest';
import { type Candidate, type Demand, place } from '../../../src/core/allocator/place.ts';

const NOW_MS = 1_000_000;
const options = { nowMs: NOW_MS, reserveAfterMs: 30_000 };

function demand(evalId: string, more: Partial<Demand> = {}): Demand {
  return { evalId, target: 'resize', size: 1, priority: 0, enqueuedAtMs: NOW_MS, ...more };
}

function worker(id: string, free: number, more: Partial<Candidate> = {}): Candidate {
  return {
    id,
    state: 'active',
    capacity: Math.max(free, 0),
    free,
    targets: ['resize'],
    datasets: [],
    expiresAtMs: NOW_MS + 1,
    ...more,
  };
}

const films = (mode: 'required' | 'preferred', warmUntilMs = NOW_MS) => ({ id: 'films', mode, warmUntilMs });

function placed(demands: readonly Demand[], workers: readonly Candidate[]): Record<string, string> {
  const { placements } = place(demands, workers, options);
  return Object.fromEntries(placements.map((placement) => [placement.evalId, placement.workerId]));
}

describe('which worker', () => {
  test('the one that is left with least, then by id', () => {
    expect(placed([demand('e', { size: 2 })], [worker('a', 9), worker('c', 3), worker('b', 3)])).toEqual({
      e: 'b',
    });
  });

  test('what is taken counts for the next demand', () => {
    const demands = [demand('1', { size: 2 }), demand('2', { size: 2 }), demand('3', { size: 2 })];
    expect(placed(demands, [worker('a', 5), worker('b', 2)])).toEqual({ 1: 'b', 2: 'a', 3: 'a' });
  });

  test('spread takes the one with most left instead', () => {
    const { placements } = place([demand('1'), demand('2'), demand('3')], [worker('a', 2), worker('b', 3)], {
      ...options,
      strategy: 'spread',
    });
    expect(placements.map((placement) => placement.workerId)).toEqual(['b', 'a', 'b']);
  });

  test.each([
    ['expired', { expiresAtMs: NOW_MS }, 'no-workers'],
    ['draining', { state: 'draining' }, 'draining'],
    ['cordoned', { state: 'cordoned' }, 'draining'],
    ['of another target', { targets: ['sing'] }, 'no-worker-with-target'],
    ['full', { free: 0 }, 'no-free-capacity'],
    ['over-full', { free: -3 }, 'no-free-capacity'],
    ['too small', { capacity: 0, free: 0 }, 'larger-than-any-worker'],
  ] as const)('never one that is %s', (_, more, reason) => {
    const { placements, waiting } = place([demand('e')], [worker('w', 5, more)], options);
    expect(placements).toEqual([]);
    expect(waiting).toMatchObject([{ evalId: 'e', position: 1, reason: { kind: reason } }]);
  });

  test('no workers at all', () => {
    expect(place([demand('e')], [], options).waiting).toMatchObject([{ reason: { kind: 'no-workers' } }]);
  });
});

describe('datasets', () => {
  const workers = [worker('cold', 1), worker('warm', 9, { datasets: ['films'] })];

  test('required: the holder, though another fits better', () => {
    const { placements } = place([demand('e', { dataset: films('required') })], workers, options);
    expect(placements).toMatchObject([{ evalId: 'e', workerId: 'warm', warm: true }]);
  });

  test('required and nowhere: waits and blocks nobody', () => {
    const { placements, waiting } = place(
      [demand('1', { dataset: films('required'), enqueuedAtMs: 0, priority: 5 }), demand('2')],
      [worker('cold', 1)],
      options,
    );
    expect(waiting).toMatchObject([{ reason: { kind: 'no-worker-with-dataset', dataset: 'films' } }]);
    expect(placements).toMatchObject([{ evalId: '2', workerId: 'cold' }]);
  });

  test('preferred: the holder first; while it is full, waits; after that any, and says it is cold', () => {
    const full = [worker('cold', 1), worker('warm', 0, { datasets: ['films'], capacity: 9 })];
    const patient = demand('e', { dataset: films('preferred', NOW_MS + 1) });
    const done = demand('e', { dataset: films('preferred', NOW_MS) });
    expect(place([patient], workers, options).placements).toMatchObject([{ workerId: 'warm', warm: true }]);
    expect(place([patient], full, options).waiting).toMatchObject([
      { reason: { kind: 'warming', dataset: 'films' } },
    ]);
    expect(place([done], full, options).placements).toMatchObject([{ workerId: 'cold', warm: false }]);
    expect(place([done], workers, options).placements).toMatchObject([{ workerId: 'warm', warm: true }]);
  });
});

describe('who goes first', () => {
  test('priority, then age, then id, whatever the order they are given in', () => {
    const demands = [
      demand('d'),
      demand('c'),
      demand('b', { enqueuedAtMs: NOW_MS - 5 }),
      demand('a', { priority: 1, enqueuedAtMs: NOW_MS + 5 }),
    ];
    const { placements, waiting } = place(demands, [worker('w', 2)], options);
    expect(placements.map((placement) => placement.evalId)).toEqual(['a', 'b']);
    expect(waiting.map(({ evalId, position }) => [evalId, position])).toEqual([
      ['c', 1],
      ['d', 2],
    ]);
  });

  const big = (waitedMs: number) => demand('big', { size: 4, enqueuedAtMs: NOW_MS - waitedMs });
  const busy = worker('w', 3, { capacity: 4 });

  test('a small one passes a big one that has not waited long', () => {
    expect(placed([big(29_999), demand('small')], [busy])).toEqual({ small: 'w' });
  });

  test('once it has waited long, what is free is kept for the big one', () => {
    const { placements, waiting } = place([big(30_000), demand('small')], [busy], options);
    expect(placements).toEqual([]);
    expect(waiting).toMatchObject([
      { evalId: 'big', reason: { kind: 'no-free-capacity', largestFree: 3 } },
      { evalId: 'small', reason: { kind: 'reserved', forEval: 'big' } },
    ]);
  });

  test('only one worker is kept: the nearest to fitting among those large enough', () => {
    const others = [worker('small-but-free', 3), worker('far', 1, { capacity: 4 })];
    expect(placed([big(30_000), demand('1'), demand('2', { size: 3 })], [busy, ...others])).toEqual({
      1: 'far',
      2: 'small-but-free',
    });
  });

  test('with each such wait one more is kept for it, so that a run that does not end cannot keep it waiting', () => {
    const two = [
      worker('endless', 3, { capacity: 4 }),
      worker('short', 2, { capacity: 4 }),
      worker('shorter', 1, { capacity: 4 }),
      worker('too-small', 1, { capacity: 3 }),
    ];
    const small = ['1', '2', '3'].map((id) => demand(id));
    const passing = (waitedMs: number) =>
      Object.values(placed([big(waitedMs), ...small], two)).toSorted((a, b) => (a < b ? -1 : 1));
    expect(passing(29_999)).toEqual(['short', 'shorter', 'too-small']);
    expect(passing(59_999)).toEqual(['short', 'shorter', 'too-small']);
    expect(passing(60_000)).toEqual(['shorter', 'too-small']);
    expect(passing(90_000)).toEqual(['too-small']);
    expect(passing(9_000_000)).toEqual(['too-small']);
  });

  test('where nobody is to pass at all, every worker that could hold it is kept at once', () => {
    const workers = [busy, worker('v', 2, { capacity: 4 }), worker('small', 1, { capacity: 3 })];
    const { placements, waiting } = place([big(1), demand('1'), demand('2')], workers, {
      nowMs: NOW_MS,
      reserveAfterMs: 0,
    });
    expect(placements).toMatchObject([{ evalId: '1', workerId: 'small' }]);
    expect(waiting).toMatchObject([
      { evalId: 'big', reason: { kind: 'no-free-capacity', largestFree: 3 } },
      { evalId: '2', reason: { kind: 'reserved', forEval: 'big' } },
    ]);
  });

  test('two that waited long keep a worker each', () => {
    const second = demand('big-2', { size: 4, enqueuedAtMs: NOW_MS - 30_000 });
    const two = [busy, worker('v', 2, { capacity: 4 }), worker('u', 1, { capacity: 4 })];
    expect(placed([big(30_001), second, demand('small')], two)).toEqual({ small: 'u' });
  });

  test('one that no worker could ever hold keeps nothing', () => {
    const huge = demand('huge', { size: 99, enqueuedAtMs: 0, priority: 9 });
    expect(placed([huge, demand('small')], [busy])).toEqual({ small: 'w' });
  });
});
