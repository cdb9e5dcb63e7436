/**
 * The workers that suites run their schedules on: the product's own for schedules, ledger included, and one for the
 * no-op that both sides start. Used by the suites that compare with native schedules, or with undisturbed ones.
 */
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { createActivities } from '../activities/index.ts';
import type { Names } from '../src/contract/ids.ts';
import { WORKER_BOUNDS } from '../src/worker/orchestration.ts';
import { builtBundle, type Ground, runWorkers } from './ground.ts';

/** Runs both until the ground ends, with the bounds of the product's own workers. */
export async function hostBoth(ground: Ground, names: Names): Promise<void> {
  const { client, store, searchAttributes, connection, namespace } = ground;
  const workflowsPath = new URL('./noop-workflow.ts', import.meta.url).pathname;
  const shared = { connection, namespace, ...WORKER_BOUNDS };
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: names.schedulesQueue,
      workflowBundle: builtBundle(),
      activities: createActivities({ client, store, names, searchAttributes }),
    }),
    Worker.create({
      ...shared,
      taskQueue: names.invocationsQueue,
      workflowBundle: await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') }),
    }),
  ]);
  runWorkers(ground, workers);
}
