/**
 * A source of nominal times, as union.ts merges them: a grid of equal steps here, wall times laid over a zone in
 * wall-source.ts. Pure: instants in and out are ms since the epoch, all within 1970 to 2099.
 */
import type { Exclusion } from './exclusion.ts';
import type { DayTimes } from './wall-times.ts';
import { HORIZON_MS, type Zone } from './zone.ts';

/** Text that tells stretches of time apart, for whoever counts one of each kind and multiplies. */
export interface Kinds {
  /**
   * Text equal for two stretches of the same length exactly when both hold the same times, counted from their start, or
   * undefined where that cannot be told (a clock changes). Stretches are UTC days (`DAY_MS`) and UTC hours (`HOUR_MS`).
   */
  kindOf(startMs: number, lengthMs: number): string | undefined;
}

export interface Source extends Kinds {
  /** The first nominal time strictly after an instant. */
  next(afterMs: number): number | undefined;
  /** How many lie in (afterMs, untilMs], by arithmetic: never by listing them. */
  count(afterMs: number, untilMs: number): number;
  /** The wall times it names; absent where it is no matter of wall times. */
  readonly wall?: { readonly zone: Zone; readonly dayTimes: DayTimes };
  /** The same without the lost wall times that an exclusion names; those shown by the clock are the union's matter. */
  without?(exclusions: readonly Exclusion[]): Source;
  /** What clock changes in (afterMs, untilMs] do to it, oldest first. */
  affected(afterMs: number, untilMs: number, max: number): AffectedDate[];
}

/** Wall times of one expression that one clock change takes away or repeats. */
export interface AffectedDate {
  readonly expression: string;
  readonly timeZone: string;
  /** `lost`: the clock jumps over them. `doubled`: the clock passes them twice. */
  readonly kind: 'lost' | 'doubled';
  /** The instant of the clock change. */
  readonly changeAtMs: number;
  /** The first few wall times, such as `2026-03-08T02:30:00`, at most `AFFECTED_WALL_TIMES_MAX`. */
  readonly wallTimes: readonly string[];
  /** All wall times affected by this change. */
  readonly count: number;
  /** When the listed wall times run; empty where they are skipped. */
  readonly runsAtMs: readonly number[];
  /** What becomes of them, in one sentence. */
  readonly becomes: string;
}

export interface Grid {
  readonly intervalMs: number;
  /** The grid is `originMs` plus whole multiples of the interval. */
  readonly originMs: number;
  /** No time before it. */
  readonly firstMs: number;
}

export function gridSource({ intervalMs, originMs, firstMs }: Grid): Source {
  const index = (atMs: number) => Math.floor((atMs - originMs) / intervalMs);
  return {
    next(afterMs) {
      const nextMs = originMs + (index(Math.max(afterMs, firstMs - 1)) + 1) * intervalMs;
      return nextMs < HORIZON_MS ? nextMs : undefined;
    },
    count(afterMs, untilMs) {
      const last = index(Math.min(untilMs, HORIZON_MS - 1));
      return Math.max(0, last - index(Math.max(afterMs, firstMs - 1)));
    },
    kindOf(startMs) {
      if (startMs < firstMs) return undefined;
      return String((startMs - originMs) % intervalMs);
    },
    affected: () => [],
  };
}
