/** When what waits may begin: exact where lengths are, honest where they are not known, and a band that holds. */
import { describe, expect, test } from 'vitest';
import { estimateStarts, type Outlook, type Running } from '../../../src/core/allocator/estimate.ts';
import { type Candidate, createPlacer, type Demand } from '../../../src/core/allocator/place.ts';
import { bucketOf, drawFrom, type RunTimes } from '../../../src/core/allocator/run-times.ts';
import { ESTIMATE_QUEUE_MAX } from '../../../src/core/limits.ts';

const NOW_MS = 1_000_000;

/** Small and the same each time (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function times(lengthsMs: readonly number[]): RunTimes {
  const runs = new Map<number, number>();
  for (const ms of lengthsMs) runs.set(bucketOf(ms), (runs.get(bucketOf(ms)) ?? 0) + 1);
  return Array.from(runs, ([bucket, n]) => ({ bucket, runs: n }));
}

function worker(id: string, capacity: number, free: number, more: Partial<Candidate> = {}): Candidate {
  const base = { state: 'active' as const, targets: ['t', 'u'], datasets: [], expiresAtMs: Infinity };
  return { id, capacity, free, ...base, ...more };
}

const waits = (evalId: string, more: Partial<Demand> = {}): Demand => ({
  evalId,
  target: 't',
  size: 1,
  priority: 0,
  enqueuedAtMs: NOW_MS,
  ...more,
});

const running = (workerId: string, sinceMs: number, more: Partial<Running> = {}): Running => ({
  workerId,
  target: 't',
  size: 1,
  sinceMs,
  ...more,
});

function estimate(more: Partial<Outlook>, of = 'e') {
  const outlook = { workers: [], running: [], waiting: [], runTimes: new Map(), reserveAfterMs: 30_000 };
  return estimateStarts({ nowMs: NOW_MS, random: createRandom(1), ...outlook, ...more }).get(of);
}

const alike = (ms: number) => times(Array.from({ length: 50 }, () => ms));

describe('what runs on', () => {
  test.each([
    [0, 0.5, 10_000],
    [4_000, 0.5, 6_000],
  ])('after %d ms of runs of 10 s', (elapsedMs, share, expected) => {
    expect(drawFrom(alike(10_000), elapsedMs)(share)).toBeGreaterThan(expected * 0.8);
    expect(drawFrom(alike(10_000), elapsedMs)(share)).toBeLessThan(expected * 1.25);
  });

  test('one that has outrun all others may need as long again', () => {
    expect(drawFrom(alike(10), 60_000)(0.5)).toBe(30_000);
  });

  test('short ones tell nothing of one that has run for long', () => {
    const mixed = times([
      ...Array.from({ length: 90 }, () => 10),
      ...Array.from({ length: 10 }, () => 60_000),
    ]);
    expect(drawFrom(mixed, 0)(0.5)).toBeLessThan(100);
    expect(drawFrom(mixed, 30_000)(0.5)).toBeGreaterThan(20_000);
  });
});

describe('an estimate', () => {
  test('is the end of what runs, and then of what waits before it', () => {
    const pool = {
      workers: [worker('w', 1, 0)],
      running: [running('w', NOW_MS - 4_000)],
      waiting: [waits('first', { enqueuedAtMs: 1 }), waits('e')],
      runTimes: new Map([['t', alike(10_000)]]),
    };
    const first = estimate(pool, 'first');
    const second = estimate(pool);
    if (first?.kind !== 'estimate' || second?.kind !== 'estimate') throw new Error('no estimate');
    expect((first.medianAtMs - NOW_MS) / 6_000).toBeCloseTo(1, 0);
    expect((second.medianAtMs - NOW_MS) / 16_000).toBeCloseTo(1, 0);
    for (const one of [first, second]) {
      expect(one.fromAtMs).toBeLessThanOrEqual(one.medianAtMs);
      expect(one.untilAtMs).toBeGreaterThanOrEqual(one.medianAtMs);
      expect(one.runs).toBe(50);
    }
  });

  test('is unknown without past runs, and says of what', () => {
    const pool = { workers: [worker('w', 1, 0)], running: [running('w', 0)], waiting: [waits('e')] };
    expect(estimate(pool)).toEqual({ kind: 'unknown', why: 'no-past-runs', targets: ['t'] });
    // Two are no experience.
    const few = { ...pool, runTimes: new Map([['t', times([1_000, 1_000])]]) };
    expect(estimate(few)).toMatchObject({ kind: 'unknown', why: 'no-past-runs' });
  });

  test('names the targets it knows nothing of, and takes their runs never to end', () => {
    const pool = {
      workers: [worker('w', 2, 0)],
      running: [running('w', NOW_MS, { target: 'u' }), running('w', NOW_MS)],
      waiting: [waits('e')],
      runTimes: new Map([['t', alike(1_000)]]),
    };
    expect(estimate(pool)).toMatchObject({ kind: 'estimate', withoutRuns: ['u'] });
    const blocked = { ...pool, waiting: [waits('e', { size: 2 })] };
    expect(estimate(blocked)).toEqual({ kind: 'unknown', why: 'no-past-runs', targets: ['u'] });
  });

  test.each([
    ['no worker at all', []],
    ['only one that is too small', [worker('w', 1, 1)]],
    ['only one that drains', [worker('w', 4, 4, { state: 'draining' })]],
    ['only one of another target', [worker('w', 4, 4, { targets: ['u'] })]],
  ])('is unknown where nobody could: %s', (_what, workers) => {
    const pool = { workers, waiting: [waits('e', { size: 2 })], runTimes: new Map([['t', alike(1_000)]]) };
    expect(estimate(pool)).toEqual({ kind: 'unknown', why: 'nobody-could' });
  });

  test('is not made for what waits too far back', () => {
    const ahead = Array.from({ length: ESTIMATE_QUEUE_MAX }, (_, n) => waits(`a${n}`, { priority: 1 }));
    const pool = {
      workers: [worker('w', 1, 0)],
      running: [running('w', 0)],
      waiting: [...ahead, waits('e')],
    };
    const found = estimate({ ...pool, runTimes: new Map([['t', alike(1_000)]]) });
    expect(found).toEqual({ kind: 'unknown', why: 'too-far-back' });
  });

  test('waits for the warm worker no longer than is asked', () => {
    const pool = {
      workers: [worker('warm', 1, 0, { datasets: ['films'] }), worker('cold', 1, 1)],
      running: [running('warm', NOW_MS)],
      waiting: [waits('e', { dataset: { id: 'films', mode: 'preferred', warmUntilMs: NOW_MS + 5_000 } })],
      runTimes: new Map([['t', alike(600_000)]]),
    };
    expect(estimate(pool)).toMatchObject({ medianAtMs: NOW_MS + 5_000, untilAtMs: NOW_MS + 5_000 });
  });

  test('knows that what is freed is kept for a large one that waited long', () => {
    const pool = {
      workers: [worker('w', 2, 0)],
      running: [running('w', NOW_MS - 9_000), running('w', NOW_MS - 1_000)],
      waiting: [waits('large', { size: 2, enqueuedAtMs: 0 }), waits('e')],
      runTimes: new Map([['t', alike(10_000)]]),
    };
    const [large, small] = [estimate(pool, 'large'), estimate(pool)];
    if (large?.kind !== 'estimate' || small?.kind !== 'estimate') throw new Error('no estimate');
    expect(small.medianAtMs).toBeGreaterThan(large.medianAtMs);
  });

  test('knows that for one that waited longer still, more than the worker with a run that does not end is kept', () => {
    const pool = {
      workers: [worker('endless', 2, 1), worker('w', 2, 0)],
      running: [
        running('endless', 0, { target: 'u' }),
        running('w', NOW_MS - 9_000),
        running('w', NOW_MS - 1_000),
      ],
      waiting: [waits('large', { size: 2, enqueuedAtMs: NOW_MS - 60_000 }), waits('e')],
      runTimes: new Map([['t', alike(10_000)]]),
    };
    const [large, small] = [estimate(pool, 'large'), estimate(pool)];
    if (large?.kind !== 'estimate') throw new Error('no estimate');
    // The small one gets what is free beside the endless run as soon as that is not kept any more.
    expect(small).toMatchObject({ kind: 'estimate', medianAtMs: large.medianAtMs });
  });
});

/** What really happens, by the real placer: who waits is offered again whenever a run ends. */
function really(outlook: Outlook, lengthMs: (target: string) => number, endsMs: readonly number[]) {
  const free = new Map(outlook.workers.map(({ id, free: units }) => [id, units]));
  const ends = outlook.running.map(({ workerId, size }, n) => ({ atMs: endsMs[n] ?? 0, workerId, size }));
  const starts = new Map<string, number>();
  for (let atMs = outlook.nowMs; ; ) {
    const now = outlook.workers.map((one) => ({ ...one, free: free.get(one.id) ?? 0 }));
    const placer = createPlacer(now, { nowMs: atMs, reserveAfterMs: outlook.reserveAfterMs });
    for (const demand of outlook.waiting) {
      const offer = starts.has(demand.evalId) ? undefined : placer.offer(demand);
      if (offer?.kind !== 'placed') continue;
      starts.set(demand.evalId, atMs);
      free.set(offer.workerId, (free.get(offer.workerId) ?? 0) - demand.size);
      ends.push({ atMs: atMs + lengthMs(demand.target), workerId: offer.workerId, size: demand.size });
    }
    ends.sort((a, b) => a.atMs - b.atMs);
    const next = ends.shift();
    if (next === undefined) return starts;
    atMs = next.atMs;
    free.set(next.workerId, (free.get(next.workerId) ?? 0) + next.size);
  }
}

test('four times of five the start is in the band, by and large', () => {
  const random = createRandom(7);
  const pick = (below: number) => Math.floor(random() * below);
  // Heavy-tailed, as run times are.
  const lengths = Array.from({ length: 500 }, () => Math.exp(6 + 3 * (random() + random() - 1)));
  const draw = () => lengths[pick(lengths.length)] ?? 1;
  let [inside, below, all] = [0, 0, 0];
  for (let round = 0; round < 60; round += 1) {
    const workers = Array.from({ length: 1 + pick(4) }, (_, n) => worker(`w${n}`, 4, 0));
    const going = workers.flatMap(({ id }) =>
      [2, 1, 1].map((size) => ({ id, size, ageMs: draw() * random() })),
    );
    const outlook: Outlook = {
      nowMs: NOW_MS,
      reserveAfterMs: 1_000,
      workers,
      running: going.map(({ id, size, ageMs }) => running(id, NOW_MS - ageMs, { size })),
      waiting: Array.from({ length: 12 }, (_, n) => waits(`e${n}`, { size: 1 + pick(3), enqueuedAtMs: n })),
      runTimes: new Map([['t', times(lengths)]]),
      random,
    };
    const longer = (ageMs: number): number => {
      const found = draw();
      return found > ageMs ? found : longer(ageMs);
    };
    const ends = going.map(({ ageMs }) => NOW_MS - ageMs + longer(ageMs));
    const starts = really(outlook, draw, ends);
    for (const [evalId, found] of estimateStarts(outlook)) {
      const atMs = starts.get(evalId);
      if (found.kind !== 'estimate' || atMs === undefined) throw new Error(`nothing of ${evalId}`);
      all += 1;
      if (atMs >= found.fromAtMs && atMs <= (found.untilAtMs ?? Infinity)) inside += 1;
      if (atMs < found.medianAtMs) below += 1;
    }
  }
  expect(inside / all).toBeGreaterThan(0.7);
  expect(inside / all).toBeLessThan(0.95);
  expect(below / all).toBeGreaterThan(0.35);
  expect(below / all).toBeLessThan(0.65);
});
