/**
 * One act on many schedules: switch, pause, resume or delete what a visibility query finds. Called by `schedules.bulk`.
 * Promise: each schedule is tried whatever became of the others, at a pace that the server does not feel, and each has its
 * line in the answer.
 */
import type { DeleteRequest, ScheduleStateName, SuspendRequest } from '../contract/messages.ts';
import { eachAtOnce } from './each-at-once.ts';
import type { Schedules } from './schedules.ts';

export type BulkAct = 'enable' | 'disable' | 'pause' | 'resume' | 'delete';

export interface BulkOptions {
  /**
   * Which: a query of Temporal's visibility over the schedules' workflows, such as `EscapementPool = "gpu"`. Absent: all.
   * A schedule made within the last second may not be found yet.
   */
  readonly query?: string;
  /** Only says what would be done. Default false. */
  readonly dryRun?: boolean;
  /** Handed to each: reason and actor, for `disable` and `pause` an until, for `delete` cancelRunning. */
  readonly request?: SuspendRequest & DeleteRequest;
}

/** What became of one of them. */
export type BulkResult = { readonly id: string } & (
  | { readonly outcome: 'would'; readonly state?: ScheduleStateName }
  | { readonly outcome: 'done'; readonly state?: ScheduleStateName }
  | { readonly outcome: 'failed'; readonly reason: string }
);

/** Together at most 50 a second: about what one orchestration worker answers beside its fires. */
const PACE = { atOnce: 10, perSecond: 50 };

export function actOnMany(
  schedules: Schedules,
  act: BulkAct,
  { query, dryRun = false, request = {} }: BulkOptions,
): Promise<readonly BulkResult[]> {
  const found = schedules.list(query === undefined ? {} : { query });
  if (dryRun) {
    return eachAtOnce(found, { atOnce: 1 }, async ({ id, state }) => ({
      ...{ id, outcome: 'would' as const },
      ...(state !== undefined && { state }),
    }));
  }
  return eachAtOnce(found, PACE, async ({ id }): Promise<BulkResult> => {
    try {
      const state = await actOnOne(schedules, act, id, request);
      return { id, outcome: 'done', ...(state !== undefined && { state }) };
    } catch (error) {
      return { id, outcome: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  });
}

async function actOnOne(
  schedules: Schedules,
  act: BulkAct,
  id: string,
  { until, cancelRunning, ...note }: SuspendRequest & DeleteRequest,
): Promise<ScheduleStateName | undefined> {
  const handle = schedules.get(id);
  switch (act) {
    case 'enable':
    case 'resume':
      return (await handle[act](note)).state;
    case 'disable':
    case 'pause':
      return (await handle[act]({ ...note, ...(until !== undefined && { until }) })).state;
    case 'delete':
      await handle.delete({ ...note, ...(cancelRunning !== undefined && { cancelRunning }) });
      return undefined;
  }
}
