/**
 * Due times: nominal times moved later by a schedule's jitter. Called by activities (plan), the client and the CLI.
 * Promise: the same schedule id and nominal time always give the same due time, on any host and after any restart; a due
 * time lies in [nominal, nominal + jitter) and before the next nominal time, so that fires keep their order. Pure.
 */
import type { CompiledSpec } from './spec.ts';
import { newestTime, newestTimes } from './newest.ts';

export interface DueTime {
  readonly dueMs: number;
  readonly nominalMs: number;
}

/** A spec's times on the axis of due times; windows are (afterMs, untilMs] of due times. Without jitter the two are one. */
export interface DueTimes {
  next(afterMs: number): DueTime | undefined;
  /** Oldest first, at most `max`. */
  times(afterMs: number, untilMs: number, max: number): DueTime[];
  /** Newest first, at most `max`. */
  newest(afterMs: number, untilMs: number, max: number): DueTime[];
  count(afterMs: number, untilMs: number): number;
  /** When a nominal time is due; undefined for an instant that is none. */
  dueOf(nominalMs: number): number | undefined;
}

export function dueTimes(spec: CompiledSpec, scheduleId: string, jitterMs = 0): DueTimes {
  const seed = fnv1a(scheduleId);

  function late(nominalMs: number): number {
    if (jitterMs <= 0) return nominalMs;
    const gapMs = (spec.next(nominalMs) ?? Infinity) - nominalMs;
    return nominalMs + Math.floor(fraction(seed, nominalMs) * Math.min(jitterMs, gapMs));
  }
  const dueTime = (nominalMs: number): DueTime => ({ nominalMs, dueMs: late(nominalMs) });

  /** The only nominal time up to an instant that may be due after it is the newest: no due time passes a nominal one. */
  function stillDue(atMs: number): DueTime | undefined {
    if (jitterMs <= 0) return undefined;
    const nominalMs = newestTime(spec, atMs - jitterMs, atMs);
    if (nominalMs === undefined) return undefined;
    const due = dueTime(nominalMs);
    return due.dueMs > atMs ? due : undefined;
  }

  function next(afterMs: number): DueTime | undefined {
    const still = stillDue(afterMs);
    if (still !== undefined) return still;
    const nominalMs = spec.next(afterMs);
    return nominalMs === undefined ? undefined : dueTime(nominalMs);
  }

  return {
    next,
    dueOf: (nominalMs) => (spec.next(nominalMs - 1) === nominalMs ? late(nominalMs) : undefined),
    times(afterMs, untilMs, max) {
      if (jitterMs <= 0) {
        return spec.times(afterMs, untilMs, max).map((atMs) => ({ nominalMs: atMs, dueMs: atMs }));
      }
      const found: DueTime[] = [];
      for (let due = next(afterMs); found.length < max && due !== undefined; due = next(due.dueMs)) {
        if (due.dueMs > untilMs) break;
        found.push(due);
      }
      return found;
    },
    newest(afterMs, untilMs, max) {
      // One more where the newest is due only after the window; one that begins before it may be due within.
      const nominals = newestTimes(spec, afterMs - jitterMs, untilMs, max + 1);
      return nominals
        .map(dueTime)
        .filter(({ dueMs }) => dueMs > afterMs && dueMs <= untilMs)
        .slice(0, max);
    },
    count(afterMs, untilMs) {
      if (untilMs <= afterMs) return 0;
      const carriedIn = stillDue(afterMs) === undefined ? 0 : 1;
      const carriedOut = stillDue(untilMs) === undefined ? 0 : 1;
      return spec.count(afterMs, untilMs) + carriedIn - carriedOut;
    },
  };
}

/** 32-bit FNV-1a over the UTF-16 units of a text, low byte first. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

/** A number in [0, 1) from seed and instant: the low and high words of the instant through MurmurHash3's finalizer. */
function fraction(seed: number, atMs: number): number {
  const low = finalize(seed ^ (atMs >>> 0));
  return finalize(low ^ Math.floor(atMs / 2 ** 32)) / 2 ** 32;
}

function finalize(hash: number): number {
  let h = hash | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
