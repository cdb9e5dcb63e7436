/**
 * One act on many schedules: switch, pause, resume or delete what a visibility query finds. Called by `schedules.bulk`.
 * Promise: each schedule is tried whatever became of the others, at a pace that the server does not feel, and each has its
 * line in the answer.
 */
import { type InputIssue, InvalidInputError } from '../contract/errors.ts';
import { isRecord } from '../contract/message-shape.ts';
import type { DeleteRequest, ScheduleStateName, SuspendRequest } from '../contract/messages.ts';
import { eachAtOnce } from './each-at-once.ts';
import type { Schedules } from './schedules.ts';

const ACTS = ['enable', 'disable', 'pause', 'resume', 'delete'] as const;
export type BulkAct = (typeof ACTS)[number];

/**
 * Which, said by one of the two. `query`: of Temporal's visibility over the schedules' workflows, such as
 * `EscapementPool = "gpu"`; `all: true`: every schedule of the deployment. One made within the last second may not be found yet.
 */
type Which =
  | { readonly query: string; readonly all?: never }
  | { readonly all: true; readonly query?: never };

export type BulkOptions = Which & {
  /** Only says what would be done. Default false. */
  readonly dryRun?: boolean;
  /** Handed to each: reason and actor, for `disable` and `pause` an until, for `delete` cancelRunning. */
  readonly request?: SuspendRequest & DeleteRequest;
};

/** What became of one of them. */
export type BulkResult = { readonly id: string } & (
  | { readonly outcome: 'would'; readonly state?: ScheduleStateName }
  | { readonly outcome: 'done'; readonly state?: ScheduleStateName }
  | { readonly outcome: 'failed'; readonly reason: string }
);

/** Together at most 50 a second: about what one orchestration worker answers beside its fires. */
const PACE = { atOnce: 10, perSecond: 50 };

/** @throws InvalidInputError where the act is unknown, or it is not said on which */
export async function actOnMany(
  schedules: Schedules,
  act: BulkAct,
  options: BulkOptions,
): Promise<readonly BulkResult[]> {
  const issue = actIssue(act) ?? whichIssue(options);
  if (issue !== undefined) throw new InvalidInputError('schedules', [issue]);
  const { query, dryRun = false, request = {} } = options;
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

function actIssue(act: unknown): InputIssue | undefined {
  if (ACTS.some((known) => known === act)) return undefined;
  return { path: 'act', message: `${JSON.stringify(act)} is none: known are ${ACTS.join(', ')}` };
}

/** All of them are never meant by saying nothing. */
function whichIssue(options: unknown): InputIssue | undefined {
  const { query, all } = isRecord(options) ? options : {};
  const isQuery = typeof query === 'string' && query.trim() !== '';
  if (query === undefined ? all === true : isQuery && all !== true) return undefined;
  const message =
    query === undefined
      ? 'is missing: say which schedules, such as query: \'EscapementPool = "gpu"\', or give all: true'
      : isQuery
        ? 'cannot be given beside all: true: leave one out'
        : `${JSON.stringify(query)} finds nothing: write for example EscapementPool = "gpu", or give all: true instead`;
  return { path: 'query', message };
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
