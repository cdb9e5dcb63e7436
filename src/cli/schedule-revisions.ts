/** `escapement schedule revisions` and `schedule revert`: who changed a schedule when and why, and the way back. */
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleDescription } from '../contract/messages.ts';
import { print, shortInstant, table } from './output.ts';
import { type ActOptions, noteOf } from './schedule-acts.ts';
import { stateLine } from './schedule-card.ts';
import { type GlobalOptions, withScheduler } from './session.ts';

export async function listRevisions(id: string, options: GlobalOptions): Promise<void> {
  await withScheduler(options, async ({ schedules }) => {
    const { revisions, revision: present } = await schedules.get(id).describe();
    const rows = revisions.map(({ revision, atMs, actor, reason }) => [
      `${revision}${revision === present ? ' (present)' : ''}`,
      shortInstant(atMs),
      actor,
      reason,
    ]);
    const text = await table(['revision', 'since (UTC)', 'by', 'why'], rows, 'no revisions');
    print({ json: revisions, text }, options);
  });
}

export async function revertSchedule(
  id: string,
  to: number,
  options: ActOptions & { readonly revision?: number },
): Promise<void> {
  const { revision } = options;
  await withScheduler(options, async ({ schedules }) => {
    const description = await schedules
      .get(id)
      .revert({ ...noteOf(options), to, ...(revision !== undefined && { revision }) });
    print({ json: description, text: `${stateLine(description)}\n${whenLine(description)}` }, options);
  });
}

function whenLine({ definition: { spec } }: ScheduleDescription): string {
  const until = spec.endAtMs === undefined ? '' : ` until ${isoInstant(spec.endAtMs)}`;
  return `when: ${spec.expressions.join(' | ')} (${spec.timeZone})${until}`;
}
