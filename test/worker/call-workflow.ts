/** The smallest workflow that calls a target on a granted worker; for the pool worker's tests. */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { TargetCall } from '../../src/contract/target.ts';

export async function callWorkflow(taskQueue: string, target: string, call: TargetCall): Promise<unknown> {
  const targets = proxyActivities<Record<string, (call: TargetCall) => Promise<unknown>>>({
    taskQueue,
    startToCloseTimeout: '5 minutes',
    heartbeatTimeout: '3 seconds',
    scheduleToStartTimeout: '20 seconds',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { maximumAttempts: 1 },
  });
  return targets[target]?.(call);
}
