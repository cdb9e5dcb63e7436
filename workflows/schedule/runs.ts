/** The runs whose ends a schedule waits for. What follows from an end is for `run-ends.ts`. */
import { LOOK_UP_MS_MAX, LOOK_UP_MS_MIN } from '../../src/core/limits.ts';
import { needsQueue } from '../../src/core/policy/overlap.ts';
import type { Host } from './host.ts';
import type { ActiveRun, ScheduleState } from './state.ts';

/** Whether the schedule must be told of the ends of its runs; it costs each of them a signal. */
export function needsEnds({ timing, definition }: ScheduleState): boolean {
  return (
    timing.kind === 'relative' ||
    definition.triggering !== undefined ||
    definition.pauseOnFailure === true ||
    needsQueue(definition.overlap)
  );
}

/** Whether a live run goes, or is about to. */
export function isGoing({ state, starts }: Host): boolean {
  return starts.length > 0 || state.active.some((run) => run.backlog === undefined);
}

/** Waits for the end of a run from now on. */
export function awaitEnd(
  host: Host,
  invocationId: string,
  sinceMs: number,
  more: Partial<Pick<ActiveRun, 'backlog' | 'lookUpAtMs' | 'stopping'>> = {},
): void {
  const { state } = host;
  if (state.active.some((run) => run.invocationId === invocationId)) return;
  const { lookUpAtMs = nextLookUpMs(sinceMs, sinceMs), ...rest } = more;
  state.active = [...state.active, { invocationId, sinceMs, lookUpAtMs, ...rest }];
}

export function nextLookUpAtMs({ active }: ScheduleState): number | undefined {
  return active.length === 0 ? undefined : Math.min(...active.map((run) => run.lookUpAtMs));
}

/** Next safety look-up. Twice as rare as the wait grows twice as long. */
export function nextLookUpMs(sinceMs: number, nowMs: number): number {
  return nowMs + Math.min(Math.max(nowMs - sinceMs, LOOK_UP_MS_MIN), LOOK_UP_MS_MAX);
}
