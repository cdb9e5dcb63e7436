/** `escapement schedule enable|disable|pause|resume|delete`: what one does to a schedule that is there. */
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleDescription, SuspendRequest } from '../contract/messages.ts';
import { print } from './output.ts';
import { stateLine } from './schedule-card.ts';
import { defaultActor, type GlobalOptions, withScheduler } from './session.ts';

export type ActOptions = GlobalOptions & { readonly reason?: string; readonly actor?: string };
export type SuspendOptions = ActOptions & { readonly until?: number };

export type Act = 'enable' | 'disable' | 'pause' | 'resume';

export async function actOnSchedule(act: Act, id: string, options: SuspendOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const handle = scheduler.schedules.get(id);
    const request: SuspendRequest = {
      ...noteOf(options),
      ...(options.until !== undefined && { until: isoInstant(options.until) }),
    };
    const description: ScheduleDescription = await handle[act](request);
    print({ json: description, text: stateLine(description) }, options);
  });
}

export async function deleteSchedule(
  id: string,
  options: ActOptions & { readonly cancelRunning?: boolean },
): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const cancelRunning = options.cancelRunning === true;
    await scheduler.schedules.get(id).delete({ ...noteOf(options), cancelRunning });
    print({ json: { id, deleted: true, cancelRunning }, text: `schedule "${id}" deleted` }, options);
  });
}

export function noteOf({ reason, actor = defaultActor() }: ActOptions): { reason?: string; actor?: string } {
  return { ...(reason !== undefined && { reason }), ...(actor !== undefined && { actor }) };
}
