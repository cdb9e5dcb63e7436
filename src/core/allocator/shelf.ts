/**
 * A shelf: the workers that can serve one kind of demand, kept sorted by free capacity and then id,
 * so that the best fit is one binary search away. Used by the placer only.
 * Promise: a slot stands on each of its shelves exactly once, or on none while it is kept for a demand.
 * It may not import anything but types.
 */
import type { Candidate, Demand } from './place.ts';

/** One worker while demands are placed. `free` goes down as they are placed on it, and up as they end. */
export interface Slot {
  readonly worker: Candidate;
  free: number;
  /** The demand that this worker's free capacity is kept for. */
  keptFor: string | undefined;
  readonly shelves: Shelf[];
}

export interface Shelf {
  /** Ascending by free, then id. */
  readonly slots: Slot[];
  /** Of all its workers, kept ones included: above it a demand can never fit. */
  readonly largestCapacity: number;
  /** The kept slot with most free capacity: names who is waited for. */
  kept: Slot | undefined;
  /** Slots that it has off because they are kept. */
  readonly keptSlots: Slot[];
  /** None that is on it could ever hold this size or a larger one, as far as that was found out. */
  noneHoldsFrom: number;
  /** All that are or were on it. */
  readonly members: readonly Slot[];
  /** How many of them could never hold a size, as far as that was asked. */
  readonly tooSmall: Map<number, number>;
}

function before(a: Slot, b: Slot): boolean {
  return a.free < b.free || (a.free === b.free && a.worker.id < b.worker.id);
}

export function createShelf(members: readonly Slot[]): Shelf {
  const slots = members.filter((slot) => slot.keptFor === undefined);
  slots.sort((a, b) => (before(a, b) ? -1 : 1));
  let largestCapacity = 0;
  let kept: Slot | undefined;
  for (const slot of members) {
    largestCapacity = Math.max(largestCapacity, slot.worker.capacity);
    if (slot.keptFor !== undefined && (kept === undefined || slot.free > kept.free)) kept = slot;
  }
  const keptSlots = members.filter((slot) => slot.keptFor !== undefined);
  const sorted = { slots, largestCapacity, kept, keptSlots, noneHoldsFrom: largestCapacity + 1 };
  const shelf: Shelf = { ...sorted, members, tooSmall: new Map() };
  for (const slot of members) slot.shelves.push(shelf);
  return shelf;
}

/** Index of the first slot with at least `size` free. */
export function firstFitting(slots: readonly Slot[], size: number): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const slot = slots[middle];
    if (slot !== undefined && slot.free < size) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The slot that `size` leaves least free capacity on, by id where several are equal. */
export function bestFit(shelf: Shelf, size: number): Slot | undefined {
  return shelf.slots[firstFitting(shelf.slots, size)];
}

/** The slot with most free capacity, by id where several are equal; undefined where `size` does not fit. */
export function widestFit(shelf: Shelf, size: number): Slot | undefined {
  const last = shelf.slots.at(-1);
  if (last === undefined || last.free < size) return undefined;
  return shelf.slots[firstFitting(shelf.slots, last.free)];
}

/** Greatest free capacity that is not kept for anybody; 0 where there is none. */
export function largestFree(shelf: Shelf): number {
  return Math.max(0, shelf.slots.at(-1)?.free ?? 0);
}

function indexOf(slots: readonly Slot[], slot: Slot): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = slots[middle];
    if (other !== undefined && before(other, slot)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Takes `size` from the slot and moves it to its new place on every shelf. */
export function take(slot: Slot, size: number): void {
  const from = slot.shelves.map((shelf) => indexOf(shelf.slots, slot));
  slot.free -= size;
  slot.shelves.forEach((shelf, n) => {
    const { slots } = shelf;
    // It has less free than before, so it moves towards the front.
    let at = from[n] ?? 0;
    for (let ahead = slots[at - 1]; ahead !== undefined && before(slot, ahead); ahead = slots[at - 1]) {
      slots[at] = ahead;
      at -= 1;
    }
    slots[at] = slot;
  });
}

/** Gives `size` back to the slot and moves it to its new place on every shelf. */
export function give(slot: Slot, size: number): void {
  const from = slot.shelves.map((shelf) => indexOf(shelf.slots, slot));
  slot.free += size;
  slot.shelves.forEach((shelf, n) => {
    if (slot.keptFor !== undefined) {
      if (shelf.kept === undefined || slot.free > shelf.kept.free) shelf.kept = slot;
      return;
    }
    const { slots } = shelf;
    let at = from[n] ?? 0;
    for (let behind = slots[at + 1]; behind !== undefined && before(behind, slot); behind = slots[at + 1]) {
      slots[at] = behind;
      at += 1;
    }
    slots[at] = slot;
  });
}

/**
 * Keeps what the slots nearest to fitting have free for a demand of `size` that has waited too long: at most so many.
 * Most free capacity first, then the greatest id: under this order the choice can only move to workers that are at
 * least as near, so from batch to batch the kept capacity never shrinks.
 */
export function keepNearest(shelf: Shelf, { evalId, size }: Demand, most: number): void {
  // Thousands may have waited too long for what is kept already: they need not look through all the others.
  if (size >= shelf.noneHoldsFrom) return;
  const nearest: Slot[] = [];
  for (let at = shelf.slots.length - 1; at >= 0 && nearest.length < most; at -= 1) {
    const slot = shelf.slots[at];
    if (slot !== undefined && slot.worker.capacity >= size) nearest.push(slot);
  }
  if (nearest.length < most) shelf.noneHoldsFrom = size;
  for (const slot of nearest) keep(slot, evalId);
}

/** Takes the slot off every shelf. Slots with much free capacity stand at the end, so as a rule hardly any move up. */
function keep(slot: Slot, evalId: string): void {
  for (const shelf of slot.shelves) {
    shelf.slots.splice(indexOf(shelf.slots, slot), 1);
    shelf.keptSlots.push(slot);
    if (shelf.kept === undefined || slot.free > shelf.kept.free) shelf.kept = slot;
  }
  slot.keptFor = evalId;
}
