/** `escapement schedule enable|disable|pause|resume|trigger|delete`: what one does to a schedule that is there. */
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleDescription, SuspendRequest, TriggerResult } from '../contract/messages.ts';
import { awaitEnd, endText } from './invocation-end.ts';
import { print } from './output.ts';
import { parseJson } from './run-flags.ts';
import { stateLine } from './schedule-read.ts';
import { defaultActor, type GlobalOptions, withScheduler } from './session.ts';

export type ActOptions = GlobalOptions & { readonly reason?: string; readonly actor?: string };
export type SuspendOptions = ActOptions & { readonly until?: number };
export type TriggerOptions = ActOptions & {
  readonly key?: string;
  readonly input?: string;
  readonly wait?: boolean;
};

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

export async function triggerSchedule(id: string, options: TriggerOptions): Promise<void> {
  const subject = `schedule "${id}"`;
  const input = options.input === undefined ? undefined : parseJson(subject, '--input', options.input);
  await withScheduler(options, async (scheduler) => {
    const result = await scheduler.schedules.get(id).trigger({
      ...noteOf(options),
      ...(options.key !== undefined && { key: options.key }),
      ...(input !== undefined && { input }),
    });
    // A second asking with the same key names the run of the first: its end is waited for all the same.
    const ran = result.outcome === 'started' || result.outcome === 'duplicate';
    if (options.wait !== true || !ran) {
      print({ json: result, text: triggerText(result) }, options);
      if (options.wait === true) process.exitCode = 1;
      return;
    }
    const end = await awaitEnd(scheduler.invocations.get(result.invocationId));
    print({ json: { ...result, ...end }, text: `${triggerText(result)}\n${endText(end)}` }, options);
  });
}

function triggerText({ outcome, invocationId, blockedBy, reason }: TriggerResult): string {
  const why = [reason, blockedBy !== undefined && `blocked by ${blockedBy}`].filter(Boolean).join(', ');
  return `${outcome} ${invocationId}${why === '' ? '' : ` (${why})`}`;
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
