/**
 * Many sources as one: nominal times that coincide count once. Called by spec.ts. Pure.
 */
import { DAY_MS } from './civil.ts';
import type { Source } from './source.ts';

/** Kinds of days remembered; an odd fixed rate can make thousands of them. */
const DAY_KINDS_MAX = 10_000;

/** The first time of any source strictly after an instant. */
export function nextOf(sources: readonly Source[], afterMs: number): number | undefined {
  let first: number | undefined;
  for (const source of sources) {
    const atMs = source.next(afterMs);
    if (atMs !== undefined && (first === undefined || atMs < first)) first = atMs;
  }
  return first;
}

/** Distinct times in (afterMs, untilMs], in order, at most `max`. */
export function timesOf(sources: readonly Source[], afterMs: number, untilMs: number, max: number): number[] {
  const times: number[] = [];
  if (max <= 0) return times;
  walk(sources, afterMs, untilMs, (atMs) => {
    times.push(atMs);
    return times.length < max;
  });
  return times;
}

/**
 * How many distinct times lie in (afterMs, untilMs]. One source answers by arithmetic. Several are counted a UTC day
 * at a time; days of one kind (same clock, same pattern) are counted once and multiplied.
 */
export function countOf(sources: readonly Source[], afterMs: number, untilMs: number): number {
  const [first, ...others] = sources;
  if (first === undefined) return 0;
  if (others.length === 0) return first.count(afterMs, untilMs);
  const counts = new Map<string, number>();
  let count = 0;
  let fromMs = afterMs;
  while (fromMs < untilMs) {
    const nextMs = nextOf(sources, fromMs);
    if (nextMs === undefined || nextMs > untilMs) break;
    // Days without any time are passed over at once.
    const dayStartMs = Math.floor(nextMs / DAY_MS) * DAY_MS;
    const dayEndMs = dayStartMs + DAY_MS - 1;
    const whole = fromMs < dayStartMs && dayEndMs <= untilMs;
    const toMs = Math.min(dayEndMs, untilMs);
    count += whole ? countDay(sources, dayStartMs, counts) : countByWalking(sources, fromMs, toMs);
    fromMs = toMs;
  }
  return count;
}

function countDay(sources: readonly Source[], dayStartMs: number, counts: Map<string, number>): number {
  const keys = sources.map((source) => source.dayKey(dayStartMs));
  if (keys.includes(undefined)) return countByWalking(sources, dayStartMs - 1, dayStartMs + DAY_MS - 1);
  const kind = keys.join('|');
  const known = counts.get(kind);
  if (known !== undefined) return known;
  const count = countByWalking(sources, dayStartMs - 1, dayStartMs + DAY_MS - 1);
  if (counts.size < DAY_KINDS_MAX) counts.set(kind, count);
  return count;
}

function countByWalking(sources: readonly Source[], afterMs: number, untilMs: number): number {
  let count = 0;
  walk(sources, afterMs, untilMs, () => {
    count += 1;
    return true;
  });
  return count;
}

/** Visits the distinct times of (afterMs, untilMs] in order until `visit` says false. */
function walk(
  sources: readonly Source[],
  afterMs: number,
  untilMs: number,
  visit: (atMs: number) => boolean,
): void {
  const upcoming = sources.map((source) => source.next(afterMs) ?? Infinity);
  for (;;) {
    let atMs = Infinity;
    for (const time of upcoming) if (time < atMs) atMs = time;
    if (atMs === Infinity || atMs > untilMs) return;
    if (!visit(atMs)) return;
    for (const [index, source] of sources.entries()) {
      if (upcoming[index] === atMs) upcoming[index] = source.next(atMs) ?? Infinity;
    }
  }
}
