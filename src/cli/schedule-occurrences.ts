/** `escapement schedule occurrence skip|move|hold|restore`: one nominal time that is not to run as planned, and its undoing. */
import { isoInstant } from '../contract/ids.ts';
import type { Occurrence } from '../contract/messages.ts';
import { print } from './output.ts';
import { type ActOptions, noteOf } from './schedule-acts.ts';
import { withScheduler } from './session.ts';

export type OccurrenceAct = 'skip' | 'hold' | 'restore';

export async function changeOccurrence(
  act: OccurrenceAct,
  id: string,
  atMs: number,
  options: ActOptions,
): Promise<void> {
  await withScheduler(options, async ({ schedules }) => {
    const description = await schedules.get(id)[`${act}Occurrence`](isoInstant(atMs), noteOf(options));
    const text = `schedule "${id}": ${isoInstant(atMs)} ${DONE[act]}`;
    print({ json: description, text }, options);
  });
}

const DONE = {
  skip: 'will be skipped',
  hold: 'will be held back until it is restored',
  restore: 'runs at its own time, or now where that has passed',
};

export async function moveOccurrence(
  id: string,
  atMs: number,
  options: ActOptions & { readonly to: number },
): Promise<void> {
  await withScheduler(options, async ({ schedules }) => {
    const to = isoInstant(options.to);
    const description = await schedules.get(id).moveOccurrence(isoInstant(atMs), to, noteOf(options));
    print({ json: description, text: `schedule "${id}": ${isoInstant(atMs)} will run at ${to}` }, options);
  });
}

/** One line of `describe`. */
export function occurrenceLine({ nominalMs, act, toMs, isDue, actor, reason }: Occurrence): string {
  const what = { skip: 'skipped', move: `moved to ${isoInstant(toMs ?? nominalMs)}`, hold: 'held' };
  const by = actor === undefined ? '' : ` by ${actor}`;
  const now = isDue === true ? ', due: runs when it is restored' : '';
  return `${isoInstant(nominalMs)}   ${what[act]}${by}${now}${reason === undefined ? '' : ` (${reason})`}`;
}
