/**
 * The workers that suites run their schedules on: the product's own for schedules, ledger included, and one for the
 * no-op that all sides start. Used by the suites that compare with native schedules, or with undisturbed ones.
 */
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { createActivities } from '../activities/index.ts';
import type { OrchestrationActivities } from '../src/contract/activities.ts';
import type { Names } from '../src/contract/ids.ts';
import { WORKER_BOUNDS } from '../src/worker/orchestration.ts';
import { builtBundle, type Ground, runWorkers } from './ground.ts';

/** Runs both until the ground ends, with the bounds of the product's own workers. */
export async function hostBoth(ground: Ground, names: Names): Promise<void> {
  await Promise.all([
    hostSchedules(ground, names, createActivities({ ...ground, names })),
    hostNoop(ground, names),
  ]);
}

/** It may be shut down earlier than the ground. */
export async function hostSchedules(
  ground: Ground,
  names: Names,
  activities: OrchestrationActivities,
): Promise<Worker> {
  const { connection, namespace } = ground;
  const worker = await Worker.create({
    ...{ connection, namespace, ...WORKER_BOUNDS },
    taskQueue: names.schedulesQueue,
    workflowBundle: builtBundle(),
    activities,
  });
  runWorkers(ground, [worker]);
  return worker;
}

export async function hostNoop(ground: Ground, names: Names): Promise<void> {
  const { connection, namespace } = ground;
  const workflowsPath = new URL('./noop-workflow.ts', import.meta.url).pathname;
  const worker = await Worker.create({
    ...{ connection, namespace, ...WORKER_BOUNDS },
    taskQueue: names.invocationsQueue,
    workflowBundle: await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') }),
  });
  runWorkers(ground, [worker]);
}
