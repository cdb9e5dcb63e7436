/** What a test file's world stands on: the run's Temporal server and bundle, and a deployment of its own. */
import { freshDeployment, sharedTemporal, sharedWorkflowBundle } from '../support/shared.ts';
import type { InvocationWorldOptions } from './invocation-world.ts';

export async function sharedWorld(): Promise<InvocationWorldOptions> {
  const [temporal, workflowBundle] = await Promise.all([sharedTemporal(), sharedWorkflowBundle()]);
  return { ...temporal, workflowBundle, deployment: freshDeployment() };
}
