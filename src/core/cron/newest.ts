/**
 * The newest times of a window, which the rest of the core only looks through forwards: for catch-up, backlogs that run
 * newest first, and jitter. Pure and bounded: each time costs about two look-ups for every doubling of the window.
 */

/** Whatever gives the first time strictly after an instant. */
export interface Forward {
  next(afterMs: number): number | undefined;
}

/** The newest time in (afterMs, untilMs], undefined where there is none. */
export function newestTime(times: Forward, afterMs: number, untilMs: number): number | undefined {
  const within = (atMs: number | undefined): atMs is number => atMs !== undefined && atMs <= untilMs;
  if (!within(times.next(afterMs))) return undefined;
  // A stretch before the end that holds one, found by doubling.
  let lengthMs = 1_000;
  while (untilMs - lengthMs > afterMs && !within(times.next(untilMs - lengthMs))) lengthMs *= 2;
  let foundMs = times.next(Math.max(afterMs, untilMs - lengthMs));
  if (!within(foundMs)) return undefined;
  // Nothing lies after `emptyMs`; the newest lies in [foundMs, emptyMs].
  let emptyMs = untilMs;
  while (foundMs < emptyMs) {
    const middleMs: number = Math.floor((foundMs + emptyMs) / 2);
    const laterMs = times.next(middleMs);
    if (within(laterMs)) foundMs = laterMs;
    else emptyMs = middleMs;
  }
  return foundMs;
}

/** The newest times in (afterMs, untilMs], newest first, at most `max`. */
export function newestTimes(times: Forward, afterMs: number, untilMs: number, max: number): number[] {
  const found: number[] = [];
  let atMs = max > 0 ? newestTime(times, afterMs, untilMs) : undefined;
  while (atMs !== undefined) {
    found.push(atMs);
    atMs = found.length < max ? newestTime(times, afterMs, atMs - 1) : undefined;
  }
  return found;
}
