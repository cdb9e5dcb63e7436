/**
 * Wall times laid over the spans of a zone: within a span every wall time is one instant, and only at its edges,
 * where the clock changes, do the schedule's DST rules decide. Called by recurrence.ts. Pure; every search is bounded
 * by the zone's spans (at most a few hundred) and by the wall times' own end in 2099.
 */
import { DAY_MS, HOUR_MS, wallText } from './civil.ts';
import type { Exclusion } from './exclusion.ts';
import type { AffectedDate, Source } from './source.ts';
import type { WallTimes } from './wall-times.ts';
import { HORIZON_MS, type Zone, spanIndexAt } from './zone.ts';

export interface DstRules {
  /** A wall time the clock jumps over: the first instant after the gap, never, or as long after the gap as it was into it. */
  readonly gap: 'next' | 'skip' | 'shift';
  /** A wall time the clock passes twice. */
  readonly repeat: 'first' | 'last' | 'both';
}

export interface WallSpec {
  readonly expression: string;
  readonly times: WallTimes;
  readonly zone: Zone;
  readonly rules: DstRules;
  /** A wall time that the clock leaves out does not run at another one either where one of these names it. */
  readonly exclusions?: readonly Exclusion[];
}

/** Wall times listed in one affected date; the rest is counted. */
export const AFFECTED_WALL_TIMES_MAX = 5;

/** No clock change moves further than a day (Samoa left out a whole one in 2011), nor any offset past 14 h. */
const EDGE_MS = 26 * 3_600_000;

/** Instants [startMs, endMs) read on a clock that is `offsetMs` ahead of UTC. */
interface Piece {
  readonly startMs: number;
  readonly endMs: number;
  readonly offsetMs: number;
}

/** What one span of the zone contributes under the DST rules. */
interface RuledSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly regular: Piece;
  /** The wall times lost in the gap before this span, in the order of the old clock. */
  readonly lost?: Piece;
  /** Where the next span's wall times begin, gap or repeat included, ms. */
  readonly nextWallMs: number;
}

export function wallSource(spec: WallSpec): Source {
  const { times, zone } = spec;
  let ruledSpans: readonly RuledSpan[] | undefined;

  /** Made when first needed, as it reads the zone's data. */
  function spansOf(): readonly RuledSpan[] {
    ruledSpans ??= zone.spans.map((_, index) => ruledSpan(zone, index, spec.rules));
    return ruledSpans;
  }

  return {
    wall: { zone, dayTimes: times.dayTimes },
    without: (exclusions) => wallSource({ ...spec, exclusions }),
    next(afterMs) {
      const startMs = Math.max(afterMs, -1);
      // Where no clock on earth can show another named time, the zone's data need not be read.
      const isOver = () => times.next(Math.floor((startMs - EDGE_MS) / 1_000)) === undefined;
      if (ruledSpans === undefined && isOver()) return undefined;
      const spans = spansOf();
      let index = spanIndexAt(zone, startMs);
      for (;;) {
        const span = spans[index];
        if (span === undefined) return undefined;
        const found = earliest(nextIn(times, span.regular, startMs), nextFromGap(spec, span, startMs));
        if (found !== undefined) return found;
        // Nothing in this span: look where the wall times go on, not through every span between.
        const guide = index + 1 < spans.length ? times.next(span.nextWallMs / 1_000) : undefined;
        if (guide === undefined) return undefined;
        index = Math.max(index + 1, spanIndexAt(zone, guide * 1_000 - EDGE_MS));
      }
    },
    count(afterMs, untilMs) {
      const startMs = Math.max(afterMs, -1);
      const endMs = Math.min(untilMs, HORIZON_MS + DAY_MS);
      const spans = spansOf();
      let count = 0;
      for (let index = spanIndexAt(zone, startMs); index < spans.length; index += 1) {
        const span = spans[index];
        if (span === undefined || span.fromMs > endMs) break;
        count += countIn(times, span.regular, startMs, endMs) + countFromGap(spec, span, startMs, endMs);
      }
      return count;
    },
    kindOf(startMs, lengthMs) {
      const span = spansOf()[spanIndexAt(zone, startMs)];
      if (span === undefined) return undefined;
      // Only the part of a span that no rule touches is alike from day to day.
      if (Math.max(span.regular.startMs, span.lost?.endMs ?? -Infinity) > startMs) return undefined;
      if (startMs + lengthMs > span.regular.endMs) return undefined;
      return wallKind(times, startMs + span.regular.offsetMs, lengthMs);
    },
    affected: (afterMs, untilMs, max) => affectedDates(spec, afterMs, untilMs, max),
  };
}

/** The kind of a stretch that begins at a reading of the clock: it touches two wall days, or two wall hours. */
export function wallKind(
  times: Pick<WallTimes, 'dayPattern' | 'hourPattern'>,
  wallMs: number,
  lengthMs: number,
): string {
  const patternOf = lengthMs === HOUR_MS ? times.hourPattern : times.dayPattern;
  const unit = Math.floor(wallMs / lengthMs);
  return `${wallMs - unit * lengthMs}:${patternOf(unit)}${patternOf(unit + 1)}`;
}

function nextIn(times: WallTimes, piece: Piece, afterMs: number): number | undefined {
  const fromMs = Math.max(piece.startMs, afterMs + 1);
  const wallS = times.next(wallSecond(piece, fromMs));
  if (wallS === undefined) return undefined;
  const atMs = wallS * 1_000 - piece.offsetMs;
  return atMs < piece.endMs ? atMs : undefined;
}

function countIn(times: WallTimes, piece: Piece, afterMs: number, untilMs: number): number {
  const fromMs = Math.max(piece.startMs, afterMs + 1);
  const toMs = Math.min(piece.endMs, untilMs + 1);
  return toMs <= fromMs ? 0 : times.count(wallSecond(piece, fromMs), wallSecond(piece, toMs));
}

/** The first time after `afterMs` that the gap before this span brings about. */
function nextFromGap(spec: WallSpec, span: RuledSpan, afterMs: number): number | undefined {
  if (span.lost === undefined || afterMs >= span.lost.endMs) return undefined;
  if (spec.rules.gap === 'shift') return nextLost(spec, span.lost, afterMs);
  if (afterMs >= span.fromMs) return undefined;
  return nextLost(spec, span.lost, span.fromMs - 1) === undefined ? undefined : span.fromMs;
}

/** A gap is a day long at most, so few of its times can be excluded one by one. */
function nextLost(
  { times, zone, exclusions = [] }: WallSpec,
  lost: Piece,
  afterMs: number,
): number | undefined {
  let atMs = nextIn(times, lost, afterMs);
  while (atMs !== undefined) {
    const wallS = wallSecond(lost, atMs);
    if (!exclusions.some((exclusion) => exclusion.names(zone, wallS))) return atMs;
    atMs = nextIn(times, lost, atMs);
  }
  return undefined;
}

/** Times of the gap that are not regular times of the span anyway. */
function countFromGap(spec: WallSpec, span: RuledSpan, afterMs: number, untilMs: number): number {
  let count = 0;
  let atMs = nextFromGap(spec, span, afterMs);
  while (atMs !== undefined && atMs <= untilMs) {
    if (nextIn(spec.times, span.regular, atMs - 1) !== atMs) count += 1;
    atMs = nextFromGap(spec, span, atMs);
  }
  return count;
}

/** First whole second of the piece's clock at or after an instant. */
function wallSecond(piece: Piece, atMs: number): number {
  return Math.ceil((atMs + piece.offsetMs) / 1_000);
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

function ruledSpan(zone: Zone, index: number, rules: DstRules): RuledSpan {
  const { fromMs, toMs, offsetMs } = zone.spans[index] ?? { fromMs: -Infinity, toMs: Infinity, offsetMs: 0 };
  const before = zone.spans[index - 1]?.offsetMs ?? offsetMs;
  const after = zone.spans[index + 1]?.offsetMs ?? offsetMs;
  // Where the clock was turned back, the wall times of the turn stand in both spans: one of them gives way.
  const repeatedBefore = rules.repeat === 'first' ? Math.max(0, before - offsetMs) : 0;
  const repeatedAfter = rules.repeat === 'last' ? Math.max(0, offsetMs - after) : 0;
  const span = {
    fromMs,
    toMs,
    regular: { startMs: fromMs + repeatedBefore, endMs: toMs - repeatedAfter, offsetMs },
    nextWallMs: toMs + Math.min(offsetMs, after),
  };
  const gapMs = offsetMs - before;
  if (gapMs <= 0 || rules.gap === 'skip') return span;
  return { ...span, lost: { startMs: fromMs, endMs: fromMs + gapMs, offsetMs: before } };
}

function affectedDates(spec: WallSpec, afterMs: number, untilMs: number, max: number): AffectedDate[] {
  const dates: AffectedDate[] = [];
  const { spans } = spec.zone;
  for (let index = spanIndexAt(spec.zone, afterMs) + 1; index < spans.length; index += 1) {
    const before = spans[index - 1];
    const span = spans[index];
    if (before === undefined || span === undefined) break;
    if (span.fromMs > untilMs || dates.length >= max) break;
    const date = affectedDate(spec, span.fromMs, before.offsetMs, span.offsetMs);
    if (date !== undefined) dates.push(date);
  }
  return dates;
}

function affectedDate(
  spec: WallSpec,
  changeAtMs: number,
  oldOffsetMs: number,
  newOffsetMs: number,
): AffectedDate | undefined {
  const fromS = (changeAtMs + Math.min(oldOffsetMs, newOffsetMs)) / 1_000;
  const toS = (changeAtMs + Math.max(oldOffsetMs, newOffsetMs)) / 1_000;
  const count = spec.times.count(fromS, toS);
  if (count === 0) return undefined;
  const walls: number[] = [];
  let wallS = spec.times.next(fromS);
  while (wallS !== undefined && wallS < toS && walls.length < AFFECTED_WALL_TIMES_MAX) {
    walls.push(wallS);
    wallS = spec.times.next(wallS + 1);
  }
  const lost = newOffsetMs > oldOffsetMs;
  const runsAt = (offsetMs: number) => walls.map((wall) => wall * 1_000 - offsetMs);
  const outcome = lost
    ? {
        next: { runsAtMs: [changeAtMs], becomes: 'runs once, at the first instant after the gap' },
        skip: { runsAtMs: [], becomes: 'does not run' },
        shift: { runsAtMs: runsAt(oldOffsetMs), becomes: 'runs later by the length of the gap' },
      }[spec.rules.gap]
    : {
        first: { runsAtMs: runsAt(oldOffsetMs), becomes: 'runs once, the first time the clock shows it' },
        last: { runsAtMs: runsAt(newOffsetMs), becomes: 'runs once, the second time the clock shows it' },
        both: {
          runsAtMs: [...runsAt(oldOffsetMs), ...runsAt(newOffsetMs)],
          becomes: 'runs twice, each time the clock shows it',
        },
      }[spec.rules.repeat];
  return {
    expression: spec.expression,
    timeZone: spec.zone.name,
    kind: lost ? 'lost' : 'doubled',
    changeAtMs,
    wallTimes: walls.map(wallText),
    count,
    ...outcome,
  };
}
