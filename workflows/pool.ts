/**
 * poolWorkflow: keeps one pool's sweep alive for as long as the pool has workers. Workflow id `pool/<id>`; the
 * gateway starts it with a signal whenever a worker registers. One long heartbeating activity does the work,
 * so an idle pool adds no history events.
 */
import {
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { OrchestrationActivities } from '../src/contract/activities.ts';
import { parseWorkflowId } from '../src/contract/ids.ts';
import { poolSignals } from '../src/contract/messages.ts';
import { SIGNALS_PER_RUN_MAX } from '../src/core/limits.ts';

const { tendPool } = proxyActivities<Pick<OrchestrationActivities, 'tendPool'>>({
  // It ends by itself when the pool is empty; a worker that dies is seen by the heartbeat.
  startToCloseTimeout: '3650 days',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' },
  summary: 'sweeps expired workers and allocs, delivers grants again',
});

export async function poolWorkflow(): Promise<void> {
  const parsed = parseWorkflowId(workflowInfo().workflowId);
  const poolId = parsed?.id ?? workflowInfo().workflowId;
  let registrations = 0;
  setHandler(poolSignals.workerRegistered, () => {
    registrations += 1;
  });
  setCurrentDetails(
    `**${poolId}** is tended; \`escapement pool describe ${poolId}\` shows workers and queue`,
  );
  const crowded = (): boolean =>
    registrations >= SIGNALS_PER_RUN_MAX || workflowInfo().continueAsNewSuggested;
  for (;;) {
    const before = registrations;
    const scope = new CancellationScope();
    const tended = scope.run(() => tendPool(poolId));
    await Promise.race([tended, condition(crowded)]);
    if (crowded()) {
      scope.cancel();
      await tended.catch((error: unknown) => {
        if (!isCancellation(error)) throw error;
      });
      await continueAsNew<typeof poolWorkflow>();
    }
    await tended;
    // A worker that came while the sweep was ending must not be left alone.
    if (registrations === before) return;
  }
}
