/**
 * What becomes of a trigger that comes while a run is going, by the schedule's overlap rule: it waits, or it is
 * settled with the outcome and reason of its ledger row. Called by the schedule workflow; pure, plain data in and out.
 */
import type { Overlap } from '../../contract/schedule.ts';
import { assertNever } from '../assert.ts';
import { boundPending, type WithInput } from './pending-bound.ts';

/** A trigger that will not run. */
export interface Settled<T> {
  readonly trigger: T;
  readonly outcome: 'skipped-overlap' | 'superseded' | 'dropped';
  readonly reason: string;
}

export interface Admission<T> {
  /** In the order in which they are to run. */
  readonly pending: readonly T[];
  /** In the order in which they came. */
  readonly settled: readonly Settled<T>[];
}

/** Whether triggers wait for the end of the run, so that the schedule must be told of it. */
export function needsQueue(overlap: Overlap): boolean {
  switch (overlap) {
    case 'bufferOne':
    case 'bufferNewest':
    case 'bufferAll':
      return true;
    case 'skip':
    case 'cancelOther':
    case 'terminateOther':
    case 'allowAll':
      return false;
    default:
      return assertNever(overlap);
  }
}

/**
 * Takes one trigger while a run is going. "Newest" is the one that came last. `cancelOther` and `terminateOther` wait
 * only for the end that they have asked for, and the newest alone: they are `bufferNewest` here. `allowAll` never has to
 * wait; where the host makes it, nothing is lost.
 */
export function admit<T extends WithInput>(
  overlap: Overlap,
  pending: readonly T[],
  trigger: T,
): Admission<T> {
  switch (overlap) {
    case 'skip':
      return { pending, settled: [skipped(trigger, 'a run was still going')] };
    case 'bufferOne':
      if (pending.length === 0) return { pending: [trigger], settled: [] };
      return {
        pending,
        settled: [skipped(trigger, 'a run was still going and another trigger waited for its end')],
      };
    case 'bufferNewest':
    case 'cancelOther':
    case 'terminateOther':
      return { pending: [trigger], settled: pending.map(superseded) };
    case 'bufferAll':
    case 'allowAll':
      return append(pending, trigger);
    default:
      return assertNever(overlap);
  }
}

function append<T extends WithInput>(pending: readonly T[], trigger: T): Admission<T> {
  const { kept, over } = boundPending([...pending, trigger]);
  return { pending: kept, settled: over.map((one) => ({ ...one, outcome: 'dropped' })) };
}

function skipped<T>(trigger: T, reason: string): Settled<T> {
  return { trigger, outcome: 'skipped-overlap', reason };
}

function superseded<T>(trigger: T): Settled<T> {
  return {
    trigger,
    outcome: 'superseded',
    reason: 'a newer trigger came while it waited for the run to end',
  };
}
