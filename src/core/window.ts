/**
 * The window contract: which stretch [from, to) a run of a schedule answers for, and which runs move it on. Pure; used by
 * the invocation's workflow. Promise: windows of successful runs leave no gap, however many runs between
 * them were skipped, lost or failed; what one covered no later one is given again.
 */
import type { InvocationInput, SchedulePast } from '../contract/invocation.ts';
import type { Window } from '../contract/target.ts';

type Run = Pick<
  InvocationInput,
  'why' | 'scheduleId' | 'nominalAtMs' | 'requestedAtMs' | 'window' | 'windowFromMs'
>;

/** Undefined for a job, and where nobody knows where the first window of the schedule begins. */
export function windowOf(run: Run, past: SchedulePast = {}): Window | undefined {
  if (run.window !== undefined) return run.window;
  if (run.scheduleId === undefined) return undefined;
  const toMs = run.nominalAtMs ?? run.requestedAtMs;
  const fromMs = past.windowToMs ?? run.windowFromMs;
  // An older nominal time that is caught up on after a newer one has succeeded: that one's window held its own.
  return fromMs === undefined ? undefined : { fromMs: Math.min(fromMs, toMs), toMs };
}

/** Where the next window begins if this run succeeds; undefined where it leaves that as it is. */
export function movesWindowTo(run: Run): number | undefined {
  // What a person starts by hand, or has run once more, may be a trial on other data.
  const counts = run.why === 'automatic' || run.why === 'upstream';
  return counts && run.window === undefined ? (run.nominalAtMs ?? run.requestedAtMs) : undefined;
}
