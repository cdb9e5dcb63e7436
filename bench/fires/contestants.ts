/**
 * The two sides of the suite `fires`: our schedules and Temporal's own, set up alike. Used by `race.ts`.
 * Promise: same workflow type, same task queue, same interval and phase, overlap skip, and no input on either side.
 */
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { Schedules } from '../../src/client/schedules.ts';
import { isoInstant, type Names } from '../../src/contract/ids.ts';
import type { Ground } from '../ground.ts';

/** One rhythm in which both sides fire. */
export interface Lane {
  readonly id: string;
  readonly everyMs: number;
  readonly phaseMs: number;
}

/** One schedule that runs. */
export interface Entrant {
  /** The scheduler's own workflow. */
  readonly workflowId: string;
  readonly firstRunId: string;
  /** Id of the workflow that it starts for a nominal time. */
  invocationId(nominalMs: number): string;
  delete(): Promise<void>;
}

export async function enterOurs(ground: Ground, names: Names, lane: Lane): Promise<Entrant> {
  const schedules = new Schedules(ground.client, names);
  const spec = { expressions: `every ${lane.everyMs}ms`, phase: lane.phaseMs };
  await schedules.create(lane.id, { spec, overlap: 'skip', target: 'noop' });
  const workflowId = names.scheduleWorkflowId(lane.id);
  return {
    workflowId,
    firstRunId: await runIdOf(ground, workflowId),
    invocationId: (nominalMs) => names.fireInvocationId(lane.id, nominalMs),
    delete: () => schedules.delete(lane.id),
  };
}

export async function enterNative(ground: Ground, names: Names, lane: Lane): Promise<Entrant> {
  const handle = await ground.client.schedule.create({
    scheduleId: lane.id,
    spec: { intervals: [{ every: lane.everyMs, offset: lane.phaseMs }] },
    policies: { overlap: ScheduleOverlapPolicy.SKIP },
    action: {
      type: 'startWorkflow',
      workflowType: 'invocationWorkflow',
      taskQueue: names.invocationsQueue,
      workflowId: `native/${lane.id}`,
      args: [],
    },
  });
  const workflowId = `temporal-sys-scheduler:${lane.id}`;
  return {
    workflowId,
    firstRunId: await runIdOf(ground, workflowId),
    invocationId: (nominalMs) => `native/${lane.id}-${isoInstant(nominalMs)}`,
    delete: () => handle.delete(),
  };
}

/** To be read at once: later the workflow may have continued as new. */
async function runIdOf({ client }: Ground, workflowId: string): Promise<string> {
  return (await client.workflow.getHandle(workflowId).describe()).runId;
}
