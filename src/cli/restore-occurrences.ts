/**
 * Single nominal times that were skipped, moved or held when the snapshot was taken. Used by `escapement restore`, while the
 * schedule is still switched off. Promise: what was not to run is not caught up with, and what cannot be kept is said.
 */
import type { ScheduleHandle } from '../client/schedule-handle.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { defined } from './run-flags.ts';
import type { SnapshotEntry } from './snapshot-file.ts';

type Occurrence = NonNullable<SnapshotEntry['occurrences']>[number];

export interface RestoredOccurrences {
  /** Nominal times that have passed and are not to run now. */
  readonly except: readonly string[];
  /** A line for each that could not be kept. */
  readonly lost: readonly string[];
}

export async function restoreOccurrences(
  handle: ScheduleHandle,
  { occurrences = [] }: SnapshotEntry,
): Promise<RestoredOccurrences> {
  const except: string[] = [];
  const lost: string[] = [];
  for (const occurrence of occurrences) {
    const { at, act, to } = occurrence;
    const nowMs = Date.now();
    const passed = Date.parse(at) <= nowMs;
    // It should have run meanwhile, so it is as late as any other.
    const isDue = act === 'move' && to !== undefined && Date.parse(to) <= nowMs;
    if (passed && !isDue) except.push(at);
    if (passed && act !== 'skip' && !isDue) lost.push(`${at}, ${wordsOf(occurrence)}: run it by hand`);
    if (!passed && isDue) lost.push(`${at}, ${wordsOf(occurrence)}: it runs at its own time`);
    if (passed || isDue) continue;
    const refused = await apply(handle, occurrence);
    if (refused !== undefined) lost.push(refused);
  }
  return { except, lost };
}

function wordsOf({ act, to }: Occurrence): string {
  return act === 'hold' ? 'held' : act === 'skip' ? 'skipped' : `moved to ${to}`;
}

async function apply(
  handle: ScheduleHandle,
  { at, act, to, reason, actor }: Occurrence,
): Promise<string | undefined> {
  const note = defined({ reason, actor }) ?? {};
  try {
    if (act === 'skip') await handle.skipOccurrence(at, note);
    else if (act === 'hold') await handle.holdOccurrence(at, note);
    else await handle.moveOccurrence(at, to ?? at, note);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidInputError) return `${at}: ${error.message}`;
    throw error;
  }
}
