/** What placing promises for any demands and workers, and over time in a small simulated pool. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Candidate,
  compareDemands,
  createPlacer,
  type Demand,
  place,
} from '../../../src/core/allocator/place.ts';

const NOW_MS = 100_000;
const TARGETS = ['a', 'b', 'c'];
const DATASETS = ['x', 'y'];

const anyWorker = (id: string): fc.Arbitrary<Candidate> =>
  fc.record({
    id: fc.constant(id),
    state: fc.constantFrom('active', 'active', 'active', 'draining', 'cordoned'),
    capacity: fc.integer({ min: 0, max: 8 }),
    free: fc.integer({ min: -2, max: 8 }),
    targets: fc.subarray(TARGETS),
    datasets: fc.subarray(DATASETS),
    expiresAtMs: fc.constantFrom(NOW_MS, NOW_MS + 1, NOW_MS + 1, NOW_MS + 1),
  });

const anyDataset = fc.record({
  id: fc.constantFrom(...DATASETS, 'nowhere'),
  mode: fc.constantFrom('required' as const, 'preferred' as const),
  warmUntilMs: fc.constantFrom(NOW_MS - 1, NOW_MS, NOW_MS + 1),
});

const anyDemand = (evalId: string): fc.Arbitrary<Demand> =>
  fc
    .record({
      target: fc.constantFrom(...TARGETS, 'nobody'),
      size: fc.integer({ min: 1, max: 9 }),
      dataset: fc.option(anyDataset),
      priority: fc.integer({ min: 0, max: 2 }),
      enqueuedAtMs: fc.integer({ min: NOW_MS - 20, max: NOW_MS }),
    })
    .map(({ dataset, ...rest }) => ({ evalId, ...rest, ...(dataset === null ? {} : { dataset }) }));

const many = <T>(one: (id: string) => fc.Arbitrary<T>, most: number) =>
  fc.nat(most).chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => one(`${i}`))));

const workers = many(anyWorker, 8).map((all) =>
  all.map((w) => ({ ...w, free: Math.min(w.free, w.capacity) })),
);
const demands = many(anyDemand, 25);
const options = fc.record({
  nowMs: fc.constant(NOW_MS),
  reserveAfterMs: fc.constantFrom(0, 10, 1_000),
  strategy: fc.constantFrom('pack' as const, 'spread' as const),
});

/** The rule written out the slow way: may this worker ever take this demand, leaving capacity aside? */
function mayTake(worker: Candidate, { target, dataset }: Demand): boolean {
  if (worker.state !== 'active' || worker.expiresAtMs <= NOW_MS || !worker.targets.includes(target))
    return false;
  if (dataset === undefined || worker.datasets.includes(dataset.id)) return true;
  return dataset.mode === 'preferred' && NOW_MS >= dataset.warmUntilMs;
}

describe('for any demands and workers', () => {
  test('every demand is answered once, no worker gets more than it has free, and only what it may take', () => {
    fc.assert(
      fc.property(demands, workers, options, (asked, pool, how) => {
        const { placements, waiting } = place(asked, pool, how);
        const answered = [...placements, ...waiting].map((answer) => answer.evalId).sort();
        expect(answered).toEqual(asked.map((demand) => demand.evalId).sort());
        for (const worker of pool) {
          const taken = placements
            .filter((placement) => placement.workerId === worker.id)
            .map((placement) => asked.find((demand) => demand.evalId === placement.evalId));
          const size = taken.reduce((sum, demand) => sum + (demand?.size ?? 0), 0);
          if (size > 0) expect(size).toBeLessThanOrEqual(worker.free);
          expect(taken.every((demand) => demand !== undefined && mayTake(worker, demand))).toBe(true);
        }
      }),
    );
  });

  test('the answer does not depend on the order they are given in', () => {
    const shuffled = fc.tuple(demands, workers, options).chain(([asked, pool, how]) =>
      fc.record({
        before: fc.constant({ asked, pool, how }),
        asked: fc.shuffledSubarray(asked, { minLength: asked.length }),
        pool: fc.shuffledSubarray(pool, { minLength: pool.length }),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ before, asked, pool }) => {
        expect(place(asked, pool, before.how)).toEqual(place(before.asked, before.pool, before.how));
      }),
    );
  });

  test('nothing that fits what is left waits, unless that is kept for one who waited long', () => {
    fc.assert(
      fc.property(demands, workers, options, (asked, pool, how) => {
        const { placements, waiting } = place(asked, pool, how);
        const left = new Map(pool.map((worker) => [worker.id, worker.free]));
        for (const { evalId, workerId } of placements) {
          const size = asked.find((demand) => demand.evalId === evalId)?.size ?? 0;
          left.set(workerId, (left.get(workerId) ?? 0) - size);
        }
        const overdue = asked.filter((demand) => NOW_MS - demand.enqueuedAtMs >= how.reserveAfterMs);
        const waits = new Set(waiting.map((one) => one.evalId));
        const kept = overdue
          .filter((demand) => waits.has(demand.evalId))
          .reduce((sum, demand) => sum + Math.floor((NOW_MS - demand.enqueuedAtMs) / how.reserveAfterMs), 0);
        for (const demand of asked.filter((one) => waits.has(one.evalId))) {
          const fitting = pool.filter(
            (worker) => mayTake(worker, demand) && (left.get(worker.id) ?? 0) >= demand.size,
          );
          // Each overdue demand keeps one worker for each time that it has waited so long; all of them where that is 0.
          if (how.reserveAfterMs > 0) expect(fitting.length).toBeLessThanOrEqual(kept);
        }
      }),
    );
  });

  test('best fit: no worker that may take it would have been left with less', () => {
    fc.assert(
      fc.property(demands, workers, (asked, pool) => {
        const placer = createPlacer(pool, { nowMs: NOW_MS, reserveAfterMs: 1_000 });
        const free = new Map(pool.map((worker) => [worker.id, worker.free]));
        for (const demand of asked.toSorted(compareDemands)) {
          const offer = placer.offer(demand);
          if (offer.kind === 'waits') continue;
          const rivals = pool.filter((worker) => {
            const warm = demand.dataset === undefined || worker.datasets.includes(demand.dataset.id);
            return (
              mayTake(worker, demand) &&
              (offer.warm !== true || warm) &&
              (free.get(worker.id) ?? 0) >= demand.size
            );
          });
          const best = rivals.toSorted(
            (a, b) => (free.get(a.id) ?? 0) - (free.get(b.id) ?? 0) || (a.id < b.id ? -1 : 1),
          )[0];
          expect(offer.workerId).toBe(best?.id);
          free.set(offer.workerId, (free.get(offer.workerId) ?? 0) - demand.size);
        }
      }),
    );
  });
});

test('a placer that was kept answers as one made anew, whatever was given back meanwhile', () => {
  const unreserved = options.map((how) => ({ ...how, reserveAfterMs: 1_000 }));
  fc.assert(
    fc.property(
      demands,
      demands,
      workers,
      unreserved,
      fc.func(fc.boolean()),
      (first, second, pool, how, ends) => {
        const kept = createPlacer(pool, how);
        const free = new Map(pool.map((worker) => [worker.id, worker.free]));
        for (const demand of first.toSorted(compareDemands)) {
          const offer = kept.offer(demand);
          if (offer.kind === 'waits') continue;
          if (ends(demand.evalId)) kept.give(offer.workerId, demand.size);
          else free.set(offer.workerId, (free.get(offer.workerId) ?? 0) - demand.size);
        }
        const anew = createPlacer(
          pool.map((worker) => ({ ...worker, free: free.get(worker.id) ?? 0 })),
          how,
        );
        for (const demand of second.toSorted(compareDemands))
          expect(kept.offer(demand)).toEqual(anew.offer(demand));
      },
    ),
  );
});

test('nobody starves: a demand is served in the end while small ones keep coming and some runs never end', () => {
  const worker = fc.record({ capacity: fc.integer({ min: 1, max: 6 }), endless: fc.boolean() });
  const scenario = fc
    .record({
      workers: fc.array(worker, { minLength: 1, maxLength: 4 }),
      small: fc.array(
        fc.record({ size: fc.integer({ min: 1, max: 3 }), runs: fc.integer({ min: 1, max: RUN_TURNS_MAX }) }),
        { minLength: 1, maxLength: 8 },
      ),
      strategy: fc.constantFrom('pack' as const, 'spread' as const),
    })
    .filter(({ workers }) => workers.some(({ endless }) => !endless));
  fc.assert(
    fc.property(scenario, (given) => {
      const size = Math.max(...given.workers.map(({ capacity, endless }) => (endless ? 0 : capacity)));
      // Once all workers are kept for it, it waits for no longer than one run.
      const allKept = COMES_AT + RESERVE_TURNS * given.workers.length;
      expect(simulate({ ...given, size })).toBeLessThanOrEqual(allKept + RUN_TURNS_MAX);
    }),
    { numRuns: 300 },
  );
});

/** By then the workers are as full as they get. */
const COMES_AT = 20;
const RESERVE_TURNS = 5;
const RUN_TURNS_MAX = 5;

interface Scenario {
  /** On an endless one, something of size 1 runs for ever. */
  readonly workers: readonly { readonly capacity: number; readonly endless: boolean }[];
  /** They come in turn, for ever. */
  readonly small: readonly { readonly size: number; readonly runs: number }[];
  readonly size: number;
  readonly strategy: 'pack' | 'spread';
}

/**
 * Two small demands arrive each turn, for ever. At `COMES_AT` comes one that needs the largest worker whole: it is
 * first in the queue, and passed only because it does not fit. Answers the turn in which it is placed.
 */
function simulate({ workers: given, small, size, strategy }: Scenario): number {
  const pool = given.map(({ capacity, endless }, n) => ({
    ...{ id: `w${n}`, capacity, free: endless ? capacity - 1 : capacity },
  }));
  const running: { workerId: string; size: number; endsAt: number }[] = [];
  let queue: Demand[] = [];
  for (let turn = 0; turn < 400; turn += 1) {
    for (const run of running.filter((one) => one.endsAt === turn)) {
      const worker = pool.find((one) => one.id === run.workerId);
      if (worker !== undefined) worker.free += run.size;
    }
    const runsOf = (evalId: string) => small[Number(evalId) % small.length]?.runs ?? 1;
    for (const n of [2 * turn, 2 * turn + 1]) {
      const one = small[n % small.length];
      queue.push({ evalId: `${n}`, target: 'a', size: one?.size ?? 1, priority: 1, enqueuedAtMs: turn });
    }
    if (turn === COMES_AT) queue.push({ evalId: 'big', target: 'a', size, priority: 2, enqueuedAtMs: turn });
    const candidates = pool.map((worker) => ({
      ...worker,
      state: 'active' as const,
      targets: ['a'],
      datasets: [],
      expiresAtMs: turn + 1,
    }));
    const options = { nowMs: turn, reserveAfterMs: RESERVE_TURNS, strategy };
    const { placements } = place(queue, candidates, options);
    for (const { evalId, workerId } of placements) {
      if (evalId === 'big') return turn;
      const demand = queue.find((one) => one.evalId === evalId);
      const worker = pool.find((one) => one.id === workerId);
      if (demand === undefined || worker === undefined) throw new Error(`${evalId} was placed on nothing`);
      worker.free -= demand.size;
      running.push({ workerId, size: demand.size, endsAt: turn + runsOf(evalId) });
    }
    const done = new Set(placements.map((placement) => placement.evalId));
    queue = queue.filter((demand) => !done.has(demand.evalId)).slice(0, 300);
  }
  return Number.POSITIVE_INFINITY;
}
