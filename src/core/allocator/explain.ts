/**
 * Why a worker got a demand and the others did not. Called by the placer for each placement, so the counts come from the
 * shelf's order and not from a look at every worker; and by the store for what waits, worker by worker.
 * Promise: both tell the same: the counts of a placement are those of `verdictOf` over all workers.
 * It may not import anything but types, limits and the shelf.
 */
import type { LosingCandidate, LostBy, PlacementReasons } from '../../contract/explanations.ts';
import { NAMED_LOSERS_MAX } from '../limits.ts';
import type { Candidate, Demand } from './place.ts';
import { firstFitting, type Shelf, type Slot } from './shelf.ts';

type Counts = Partial<Record<LostBy, number>>;

/** Workers that cannot take a demand however much they have free. */
export interface Unfit {
  readonly counts: Readonly<Counts>;
  readonly named: readonly LosingCandidate[];
}

/** Why this worker cannot take it whatever is free; `cold`: a preferred dataset is not waited for any more. */
export function unfitBy(worker: Candidate, demand: Demand, nowMs: number, cold: boolean): LostBy | undefined {
  if (worker.expiresAtMs <= nowMs) return 'expired';
  if (worker.state !== 'active') return worker.state;
  if (!worker.targets.includes(demand.target)) return 'no-target';
  const { dataset } = demand;
  if (dataset === undefined || cold || worker.datasets.includes(dataset.id)) return undefined;
  return dataset.mode === 'required' ? 'no-dataset' : 'colder';
}

/** Why a worker that did not get it did not. */
export function verdictOf(
  slot: Pick<Slot, 'worker' | 'free' | 'keptFor'>,
  demand: Demand,
  { nowMs, cold }: { readonly nowMs: number; readonly cold: boolean },
): LostBy {
  const unfit = unfitBy(slot.worker, demand, nowMs, cold);
  if (unfit !== undefined) return unfit;
  if (slot.worker.capacity < demand.size) return 'too-small';
  if (slot.free < demand.size) return 'full';
  return slot.keptFor === undefined ? 'less-good-fit' : 'reserved';
}

/** Sorts out the workers that stand on no shelf for this kind of demand. */
export function unfitWorkers(
  workers: readonly Candidate[],
  demand: Demand,
  nowMs: number,
  cold: boolean,
): Unfit {
  const counts: Counts = {};
  const named: LosingCandidate[] = [];
  for (const worker of workers) {
    const by = unfitBy(worker, demand, nowMs, cold);
    if (by === undefined) continue;
    add(counts, by, 1);
    // By id, as the order in which they are given is nobody's.
    const later = named.findIndex(({ workerId }) => workerId > worker.id);
    const loser = { workerId: worker.id, by, free: worker.free };
    if (later !== -1) named.splice(later, 0, loser);
    else if (named.length < NAMED_LOSERS_MAX) named.push(loser);
    if (named.length > NAMED_LOSERS_MAX) named.pop();
  }
  return { counts, named };
}

/** Told before the chosen slot is taken from. */
export function reasonsFor(chosen: Slot, on: Shelf, size: number, unfit: Unfit): PlacementReasons {
  const lost: Counts = { ...unfit.counts };
  const first = firstFitting(on.slots, size);
  const tooSmall = smallerThan(on, size);
  let keptFull = 0;
  let keptTooSmall = 0;
  for (const { worker, free } of on.keptSlots) {
    if (worker.capacity < size) keptTooSmall += 1;
    else if (free < size) keptFull += 1;
  }
  add(lost, 'less-good-fit', on.slots.length - first - 1);
  add(lost, 'too-small', tooSmall);
  add(lost, 'full', first - (tooSmall - keptTooSmall) + keptFull);
  add(lost, 'reserved', on.keptSlots.length - keptTooSmall - keptFull);
  return { left: chosen.free - size, lost, nearest: nearestTo(chosen, on, size, unfit) };
}

/** The next best fits, then those with most free, then those kept for others, then the unfit. */
function nearestTo(chosen: Slot, on: Shelf, size: number, unfit: Unfit): readonly LosingCandidate[] {
  const nearest: LosingCandidate[] = [];
  const name = ({ worker, free }: Slot, by: LostBy) =>
    void nearest.push({ workerId: worker.id, by: worker.capacity < size ? 'too-small' : by, free });
  const room = () => nearest.length < NAMED_LOSERS_MAX;
  const first = firstFitting(on.slots, size);
  for (let at = first; at < on.slots.length && room(); at += 1) {
    const slot = on.slots[at];
    if (slot !== undefined && slot !== chosen) name(slot, 'less-good-fit');
  }
  for (let at = first - 1; at >= 0 && room(); at -= 1) {
    const slot = on.slots[at];
    if (slot !== undefined) name(slot, 'full');
  }
  for (const slot of on.keptSlots) if (room()) name(slot, slot.free < size ? 'full' : 'reserved');
  for (const one of unfit.named) if (room()) nearest.push(one);
  return nearest;
}

/** Capacities do not change while a batch is placed; as a rule every worker is large enough. */
function smallerThan(on: Shelf, size: number): number {
  let known = on.tooSmall.get(size);
  if (known === undefined) {
    known = on.members.reduce((n, slot) => n + (slot.worker.capacity < size ? 1 : 0), 0);
    on.tooSmall.set(size, known);
  }
  return known;
}

function add(counts: Counts, by: LostBy, n: number): void {
  if (n > 0) counts[by] = (counts[by] ?? 0) + n;
}
