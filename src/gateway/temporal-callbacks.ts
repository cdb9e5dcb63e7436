/**
 * What a gateway tells Temporal: grants to the invocations that wait for them, and a new worker to its pool's workflow.
 * Used by the CLI's gateway and by the one-machine system.
 */
import type { Client } from '@temporalio/client';
import { deliverGrants } from '../../activities/grants.ts';
import type { Names } from '../contract/ids.ts';
import { poolSignals } from '../contract/messages.ts';
import type { Grant, Store } from '../store/store.ts';

export interface CallbackDeps {
  readonly client: Client;
  readonly store: Store;
  readonly names: Names;
}

export function temporalCallbacks(deps: CallbackDeps) {
  return {
    onGrants: (grants: readonly Grant[]): Promise<void> => deliverGrants(deps, grants),
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
