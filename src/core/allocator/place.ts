/**
 * Decides which waiting demands go to which workers. Called by the store inside the transaction of a
 * batch, and by `explain`. Pure: the same demands and workers give the same answer in any input order.
 * Promise: no worker is given more than it has free; the first demand that fits is never left waiting;
 * a demand passed over for too long gets its turn as soon as one of the workers that could hold it finishes what it runs.
 * It may import the contract's types only.
 *
 * A demand fits a worker that is live and active, offers its target, holds its dataset (`required`, or
 * `preferred` until `warmUntilMs`) and has `size` free. Demands are served by priority, then age, then id.
 * A demand that could fit some worker, but none now, lets later ones pass; once it has waited
 * `reserveAfterMs`, one worker (the nearest to fitting) keeps all its free capacity for it, and one more with each
 * further `reserveAfterMs`: whichever worker has a run that does not end, in the end the others drain for it, too.
 * A demand that no present worker could ever hold keeps nothing and blocks nobody.
 */
import type { LosingCandidate, PlacementReasons } from '../../contract/explanations.ts';
import type { PlacementStrategy, WaitReason, WorkerState } from '../../contract/pools.ts';
import { reasonsFor, type Unfit, unfitWorkers, verdictOf } from './explain.ts';
import {
  bestFit,
  createShelf,
  give,
  keepNearest,
  largestFree,
  type Shelf,
  type Slot,
  take,
  widestFit,
} from './shelf.ts';

/** A request for capacity. */
export interface Demand {
  readonly evalId: string;
  readonly target: string;
  /** Integer units, at least 1. */
  readonly size: number;
  /** `preferred` waits for a holder until `warmUntilMs`, then takes any worker. */
  readonly dataset?: {
    readonly id: string;
    readonly mode: 'required' | 'preferred';
    readonly warmUntilMs: number;
  };
  readonly priority: number;
  readonly enqueuedAtMs: number;
}

/** A worker as placing sees it. */
export interface Candidate {
  readonly id: string;
  readonly state: WorkerState;
  readonly capacity: number;
  /** Negative where the capacity was lowered below what is used. */
  readonly free: number;
  readonly targets: readonly string[];
  /** Live replicas. */
  readonly datasets: readonly string[];
  /** Not live from this instant on. */
  readonly expiresAtMs: number;
}

export interface PlaceOptions {
  readonly nowMs: number;
  /** 0: nothing passes a demand that does not fit on any of the workers that could hold it. */
  readonly reserveAfterMs: number;
  /** `pack` (default): least capacity left over. `spread`: most capacity left over. */
  readonly strategy?: PlacementStrategy;
}

export interface Placement {
  readonly evalId: string;
  readonly workerId: string;
  /** Only for a demand with a dataset: whether the worker holds it. */
  readonly warm?: boolean;
  readonly reasons: PlacementReasons;
}

export interface Waiting {
  readonly evalId: string;
  readonly reason: WaitReason;
  /** 1 for the first that waits. */
  readonly position: number;
}

export type Offer =
  | {
      readonly kind: 'placed';
      readonly workerId: string;
      readonly warm?: boolean;
      readonly reasons: PlacementReasons;
    }
  | { readonly kind: 'waits'; readonly reason: WaitReason };

/**
 * Places demands one by one. They must be offered in the order of `compareDemands`. It may be kept for later demands as long as
 * nothing but what is free changes.
 */
export interface Placer {
  offer(demand: Demand): Offer;
  /** What was taken from a worker is free again; of one that is not there nothing comes. */
  give(workerId: string, size: number): void;
  /** Why each worker cannot take a demand that was offered and waits. */
  verdicts(demand: Demand): readonly LosingCandidate[];
  /** Greatest free capacity that is not kept for anybody: at 0 nothing more can be placed. */
  largestFree(): number;
}

/** Order of service: priority (larger first), age, id. */
export function compareDemands(a: Demand, b: Demand): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.enqueuedAtMs !== b.enqueuedAtMs) return a.enqueuedAtMs - b.enqueuedAtMs;
  return a.evalId < b.evalId ? -1 : a.evalId > b.evalId ? 1 : 0;
}

/** Places all demands at once. */
export function place(
  demands: readonly Demand[],
  workers: readonly Candidate[],
  options: PlaceOptions,
): { readonly placements: readonly Placement[]; readonly waiting: readonly Waiting[] } {
  const placer = createPlacer(workers, options);
  const placements: Placement[] = [];
  const waiting: Waiting[] = [];
  for (const demand of demands.toSorted(compareDemands)) {
    const offer = placer.offer(demand);
    const { evalId } = demand;
    if (offer.kind === 'waits') waiting.push({ evalId, reason: offer.reason, position: waiting.length + 1 });
    else {
      const { kind: _placed, ...placement } = offer;
      placements.push({ evalId, ...placement });
    }
  }
  return { placements, waiting };
}

/** How many workers are kept for a demand that does not fit: one for each time that it has waited so long. */
export function workersKept({ enqueuedAtMs }: Demand, nowMs: number, reserveAfterMs: number): number {
  return reserveAfterMs === 0 ? Infinity : Math.max(0, Math.floor((nowMs - enqueuedAtMs) / reserveAfterMs));
}

/** The workers of a batch, ready to be offered demands in their order. */
export function createPlacer(workers: readonly Candidate[], options: PlaceOptions): Placer {
  const floor = createFloor(workers, options.nowMs);
  const pick = options.strategy === 'spread' ? widestFit : bestFit;

  function offer(demand: Demand): Offer {
    const { dataset, size } = demand;
    const any = floor.shelf(demand.target);
    const warm = dataset === undefined ? any : floor.shelf(demand.target, dataset.id);
    const onWarm = pick(warm, size);
    if (onWarm !== undefined) {
      const reasons = reasonsFor(onWarm, warm, size, floor.unfit(demand, false));
      return placeOn(onWarm, demand, { reasons, ...(dataset !== undefined && { warm: true }) });
    }
    if (!takesCold(demand)) return wait(demand, warm);
    const cold = pick(any, size);
    if (cold === undefined) return wait(demand, any);
    return placeOn(cold, demand, {
      reasons: reasonsFor(cold, any, size, floor.unfit(demand, true)),
      warm: false,
    });
  }

  /** A preferred dataset was waited for long enough. */
  function takesCold({ dataset }: Demand): boolean {
    return dataset?.mode === 'preferred' && options.nowMs >= dataset.warmUntilMs;
  }

  function wait(demand: Demand, shelf: Shelf): Offer {
    const reason = floor.whyNot(demand, shelf, options.nowMs);
    const most = workersKept(demand, options.nowMs, options.reserveAfterMs);
    if (most > 0) keepNearest(shelf, demand, most);
    return { kind: 'waits', reason };
  }

  function verdicts(demand: Demand): readonly LosingCandidate[] {
    const seen = { nowMs: options.nowMs, cold: takesCold(demand) };
    return floor.everybody().map((slot) => ({
      workerId: slot.worker.id,
      by: verdictOf(slot, demand, seen),
      free: slot.free,
    }));
  }

  function giveBack(workerId: string, size: number): void {
    const slot = floor.slotOf(workerId);
    if (slot !== undefined) give(slot, size);
  }

  return { offer, give: giveBack, verdicts, largestFree: () => largestFree(floor.all) };
}

function placeOn(
  slot: Slot,
  demand: Demand,
  how: { readonly reasons: PlacementReasons; readonly warm?: boolean },
): Offer {
  take(slot, demand.size);
  return { kind: 'placed', workerId: slot.worker.id, ...how };
}

/** All live workers, with a shelf for each target, and target with dataset, that was asked for. */
function createFloor(workers: readonly Candidate[], nowMs: number) {
  const live = workers.filter((worker) => worker.expiresAtMs > nowMs);
  const slots: Slot[] = live
    .filter((worker) => worker.state === 'active')
    .map((worker) => ({ worker, free: worker.free, keptFor: undefined, shelves: [] }));
  const all = createShelf(slots);
  const byTarget = new Map<string, { members: Slot[]; shelf: Shelf; byDataset: Map<string, Shelf> }>();

  function entry(target: string) {
    let found = byTarget.get(target);
    if (found === undefined) {
      const members = slots.filter((slot) => slot.worker.targets.includes(target));
      found = { members, shelf: createShelf(members), byDataset: new Map() };
      byTarget.set(target, found);
    }
    return found;
  }

  function shelf(target: string, dataset?: string): Shelf {
    const found = entry(target);
    if (dataset === undefined) return found.shelf;
    let holders = found.byDataset.get(dataset);
    if (holders === undefined) {
      holders = createShelf(found.members.filter((slot) => slot.worker.datasets.includes(dataset)));
      found.byDataset.set(dataset, holders);
    }
    return holders;
  }

  const unfits = new Map<string, Unfit>();
  function unfit(demand: Demand, cold: boolean): Unfit {
    const { target, dataset } = demand;
    const whole = dataset === undefined || cold;
    const key = whole ? `any ${target}` : JSON.stringify([target, dataset.id, dataset.mode]);
    const known = unfits.get(key) ?? unfitWorkers(workers, demand, nowMs, cold);
    unfits.set(key, known);
    if (known.named.length === 0) return known;
    // They may serve other demands meanwhile.
    const named = known.named.map((one) => ({ ...one, free: slotOf(one.workerId)?.free ?? one.free }));
    return { counts: known.counts, named };
  }

  let slotsById: ReadonlyMap<string, Slot> | undefined;
  function slotOf(workerId: string): Slot | undefined {
    slotsById ??= new Map(slots.map((slot) => [slot.worker.id, slot]));
    return slotsById.get(workerId);
  }

  /** Those that can take nothing included. */
  function everybody(): readonly Pick<Slot, 'worker' | 'free' | 'keptFor'>[] {
    return workers.map((worker) => slotOf(worker.id) ?? { worker, free: worker.free, keptFor: undefined });
  }

  // Thousands may wait for the same thing: each question is answered once.
  const nobody = new Map<string, WaitReason>();
  function whyNobody(demand: Demand, dataset: string | undefined): WaitReason {
    const key = JSON.stringify([demand.target, dataset]);
    const known = nobody.get(key) ?? findWhyNobody(demand, dataset);
    nobody.set(key, known);
    return known;
  }

  function findWhyNobody(demand: Demand, dataset: string | undefined): WaitReason {
    if (live.length === 0) return { kind: 'no-workers' };
    const offering = live.filter((worker) => worker.targets.includes(demand.target));
    if (offering.length === 0) return { kind: 'no-worker-with-target', target: demand.target };
    if (dataset === undefined || offering.some((worker) => worker.datasets.includes(dataset))) {
      return { kind: 'draining' };
    }
    return { kind: 'no-worker-with-dataset', dataset };
  }

  function whyNot(demand: Demand, on: Shelf, now: number): WaitReason {
    const { dataset, size } = demand;
    if (dataset?.mode === 'preferred' && now < dataset.warmUntilMs) {
      return { kind: 'warming', dataset: dataset.id };
    }
    if (on.slots.length === 0 && on.kept === undefined) {
      return whyNobody(demand, dataset?.mode === 'required' ? dataset.id : undefined);
    }
    if (on.largestCapacity < size) return { kind: 'larger-than-any-worker', largest: on.largestCapacity };
    if (on.kept?.keptFor !== undefined && on.kept.free >= size) {
      return { kind: 'reserved', forEval: on.kept.keptFor };
    }
    return { kind: 'no-free-capacity', largestFree: largestFree(on) };
  }

  return { all, shelf, slotOf, whyNot, unfit, everybody };
}
