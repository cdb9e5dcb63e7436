/** Why a placement went where it went: told as tables, and held against a look at every worker. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verdictOf } from '../../../src/core/allocator/explain.ts';
import {
  type Candidate,
  compareDemands,
  createPlacer,
  type Demand,
} from '../../../src/core/allocator/place.ts';
import { NAMED_LOSERS_MAX } from '../../../src/core/limits.ts';

const NOW_MS = 100_000;
const options = { nowMs: NOW_MS, reserveAfterMs: 30_000 };

function demand(evalId: string, more: Partial<Demand> = {}): Demand {
  return { evalId, target: 'resize', size: 1, priority: 0, enqueuedAtMs: NOW_MS, ...more };
}

function worker(id: string, free: number, more: Partial<Candidate> = {}): Candidate {
  const base = { state: 'active' as const, targets: ['resize'], datasets: [], expiresAtMs: NOW_MS + 1 };
  return { id, capacity: Math.max(free, 0), free, ...base, ...more };
}

function reasons(workers: readonly Candidate[], asked: Demand) {
  const offer = createPlacer(workers, options).offer(asked);
  if (offer.kind !== 'placed') throw new Error(`it waits: ${JSON.stringify(offer.reason)}`);
  return offer;
}

describe('why the others lost', () => {
  const films = { id: 'films', mode: 'required' as const, warmUntilMs: NOW_MS };
  test.each([
    ['it is silent', { expiresAtMs: NOW_MS }, {}, 'expired'],
    ['it drains', { state: 'draining' as const }, {}, 'draining'],
    ['it was given up as lost', { state: 'cordoned' as const }, {}, 'cordoned'],
    ['it has not the target', { targets: ['sing'] }, {}, 'no-target'],
    ['it has not the dataset', {}, { dataset: films }, 'no-dataset'],
    ['its replica is colder', {}, { dataset: { ...films, mode: 'preferred' as const } }, 'colder'],
    ['it is too small', { capacity: 1, free: 1 }, { size: 2 }, 'too-small'],
    ['it is full', { capacity: 9, free: 1 }, { size: 2 }, 'full'],
    ['another fits better', { capacity: 9, free: 9 }, {}, 'less-good-fit'],
  ] as const)('because %s', (_what, more, asked, by) => {
    const found = reasons(
      [worker('winner', 4, { datasets: ['films'] }), worker('loser', 9, more)],
      demand('e', asked),
    );
    expect(found.workerId).toBe('winner');
    expect(found.reasons.lost).toEqual({ [by]: 1 });
    expect(found.reasons.nearest).toMatchObject([{ workerId: 'loser', by }]);
  });

  test('because what it has is kept for one that waited too long', () => {
    const placer = createPlacer([worker('kept', 3, { capacity: 9 }), worker('other', 2)], options);
    placer.offer(demand('long', { size: 5, enqueuedAtMs: 0 }));
    expect(placer.offer(demand('e'))).toMatchObject({
      workerId: 'other',
      reasons: { left: 1, lost: { reserved: 1 }, nearest: [{ workerId: 'kept', by: 'reserved', free: 3 }] },
    });
  });

  test('the nearest are named, best fits first, and never more than a few', () => {
    const workers = [9, 3, 1, 2, 8, 7].map((free) => worker(`w${free}`, free, { capacity: 9 }));
    const { reasons: found } = reasons(workers, demand('e', { size: 3 }));
    expect(found.lost).toEqual({ 'less-good-fit': 3, full: 2 });
    expect(found.nearest.map(({ workerId }) => workerId)).toEqual(['w7', 'w8', 'w9']);
    expect(found.nearest).toHaveLength(NAMED_LOSERS_MAX);
  });
});

const anyWorker = (id: string) =>
  fc
    .record({
      state: fc.constantFrom('active' as const, 'active' as const, 'active' as const, 'draining' as const),
      capacity: fc.integer({ min: 0, max: 6 }),
      used: fc.integer({ min: 0, max: 7 }),
      targets: fc.subarray(['a', 'b']),
      datasets: fc.subarray(['x']),
      expiresAtMs: fc.constantFrom(NOW_MS, NOW_MS + 1, NOW_MS + 1),
    })
    .map(({ used, ...rest }): Candidate => ({ id, free: rest.capacity - used, ...rest }));

const anyDemand = (evalId: string) =>
  fc
    .record({
      target: fc.constantFrom('a', 'b'),
      size: fc.integer({ min: 1, max: 6 }),
      dataset: fc.option(
        fc.record({
          id: fc.constant('x'),
          mode: fc.constantFrom('required' as const, 'preferred' as const),
          warmUntilMs: fc.constantFrom(NOW_MS, NOW_MS + 1),
        }),
      ),
      enqueuedAtMs: fc.constantFrom(0, NOW_MS),
      priority: fc.nat(1),
    })
    .map(({ dataset, ...rest }): Demand => ({ evalId, ...rest, ...(dataset !== null && { dataset }) }));

test('the counts of a placement are those of a look at every worker', () => {
  const workers = fc
    .nat(7)
    .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => anyWorker(`w${i}`))));
  const demands = fc
    .nat(12)
    .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => anyDemand(`e${i}`))));
  const strategy = fc.constantFrom('pack' as const, 'spread' as const);
  const property = (all: readonly Candidate[], asked: readonly Demand[], how: 'pack' | 'spread') => {
    const placer = createPlacer(all, { ...options, strategy: how });
    for (const one of asked.toSorted(compareDemands)) {
      // As it stands before the demand is served; what is kept shows as `reserved` in the placer's own verdicts.
      const before = new Map(placer.verdicts(one).map((seen) => [seen.workerId, seen]));
      const offer = placer.offer(one);
      if (offer.kind !== 'placed') continue;
      const counted: Record<string, number> = {};
      for (const candidate of all) {
        if (candidate.id === offer.workerId) continue;
        const seen = before.get(candidate.id);
        const kept = seen?.by === 'reserved' ? 'somebody' : undefined;
        const slot = { worker: candidate, free: seen?.free ?? 0, keptFor: kept };
        const by = verdictOf(slot, one, { nowMs: NOW_MS, cold: offer.warm === false });
        counted[by] = (counted[by] ?? 0) + 1;
      }
      expect(offer.reasons.lost).toEqual(counted);
      expect(offer.reasons.left).toBe((before.get(offer.workerId)?.free ?? 0) - one.size);
      const named = offer.reasons.nearest.map(({ workerId }) => workerId);
      expect(new Set(named).size).toBe(named.length);
      expect(named).not.toContain(offer.workerId);
      expect(named).toHaveLength(Math.min(NAMED_LOSERS_MAX, all.length - 1));
    }
  };
  fc.assert(fc.property(workers, demands, strategy, property), { numRuns: 500 });
});
