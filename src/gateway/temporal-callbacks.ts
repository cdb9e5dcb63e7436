/**
 * What a gateway tells Temporal: grants to the invocations that wait for them, a new worker to its pool's workflow, and
 * the change of a calendar to the schedules that use it; and what it asks: which schedules and invocations are no more.
 * Used by the CLI's gateway and by the one-machine system.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { deliverGrants, deliverRefusals } from '../../activities/grants.ts';
import { settleTerminated } from '../../activities/terminated.ts';
import type { Names } from '../contract/ids.ts';
import type { ScheduleRef } from '../contract/invocation.ts';
import { poolSignals } from '../contract/messages.ts';
import type { WaitingEval } from '../contract/pools.ts';
import type { Grant, Store } from '../store/store.ts';
import type { CalendarUsers } from './routes/calendars.ts';

export interface CallbackDeps {
  readonly client: Client;
  readonly store: Store;
  readonly names: Names;
}

export function temporalCallbacks(deps: CallbackDeps) {
  return {
    calendarUsers: calendarUsers(deps),
    schedulesGone: (schedules: readonly ScheduleRef[]) => schedulesGone(deps, schedules),
    onGrants: (grants: readonly Grant[]): Promise<void> => deliverGrants(deps, grants),
    settleTerminated: (sinceMs: number): Promise<number> => settleTerminated(deps, sinceMs),
    onRefused: (refused: readonly WaitingEval[]): Promise<void> => deliverRefusals(deps, refused),
    /** Starts the workflow that keeps the pool's sweep alive, or tells the running one that it is not over. */
    onWorkerRegistered: async (poolId: string): Promise<void> => {
      const { client, names } = deps;
      await client.workflow.signalWithStart('poolWorkflow', {
        workflowId: names.poolWorkflowId(poolId),
        taskQueue: names.invocationsQueue,
        signal: poolSignals.workerRegistered,
        signalArgs: [],
        staticSummary: `keeps pool ${poolId}`,
      });
    },
  };
}

/** Those that have ended, or whose id belongs to a later creation; one that Temporal does not tell of is not among them. */
async function schedulesGone(
  { client, names }: CallbackDeps,
  schedules: readonly ScheduleRef[],
): Promise<readonly ScheduleRef[]> {
  const gone: ScheduleRef[] = [];
  for (const schedule of schedules) {
    try {
      const { status, raw } = await client.workflow
        .getHandle(names.scheduleWorkflowId(schedule.scheduleId))
        .describe();
      const creation = raw.workflowExecutionInfo?.firstRunId;
      const isAnother = Boolean(creation) && creation !== schedule.creation;
      if (status.name !== 'RUNNING' || isAnother) gone.push(schedule);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      gone.push(schedule);
    }
  }
  return gone;
}

/** Schedules reached at once: a signal takes about 5 ms, so that a page of 100 is told within a tenth of a second. */
const AT_ONCE_MAX = 20;

function calendarUsers({ client, names }: CallbackDeps): CalendarUsers {
  const handleOf = (id: string) => client.workflow.getHandle(names.scheduleWorkflowId(id));

  /** What became of each: `undefined` where it was reached. */
  async function reach(
    scheduleIds: readonly string[],
    act: (scheduleId: string) => Promise<unknown>,
  ): Promise<{ readonly gone: readonly string[]; readonly failed: readonly string[] }> {
    const gone: string[] = [];
    const failed: string[] = [];
    const left = [...scheduleIds];
    const work = async (): Promise<void> => {
      for (let id = left.shift(); id !== undefined; id = left.shift()) {
        try {
          await act(id);
        } catch (error) {
          (error instanceof WorkflowNotFoundError ? gone : failed).push(id);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
    return { gone, failed };
  }

  return {
    tell: (change, scheduleIds) => reach(scheduleIds, (id) => handleOf(id).signal('calendarChanged', change)),
    async gone(scheduleIds) {
      // A workflow that has ended is described for as long as it is retained; a signal tells no more than that.
      const ended: string[] = [];
      const { gone } = await reach(scheduleIds, async (id) => {
        if ((await handleOf(id).describe()).status.name !== 'RUNNING') ended.push(id);
      });
      return [...gone, ...ended];
    },
  };
}
