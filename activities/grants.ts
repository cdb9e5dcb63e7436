/**
 * Brings grants and refusals to the invocations that wait for them. Used by whoever frees capacity: `finish`, the sweep, the
 * gateway. A grant whose invocation is gone (terminated, for instance) is given back, and what that frees goes on to the next.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { WaitingEval } from '../src/contract/pools.ts';
import { invocationSignals } from '../src/contract/messages.ts';
import type { Grant, Store } from '../src/store/store.ts';
import { settleUntold } from './untold.ts';

/** Grants delivered in one go; the sweep brings what is left. */
const DELIVERIES_MAX = 1_000;

/** @throws what Temporal throws when it is out of reach: the sweep delivers again */
export async function deliverGrants(
  { client, store }: { readonly client: Client; readonly store: Store },
  grants: readonly Grant[],
): Promise<void> {
  const queue = [...grants];
  for (let delivered = 0; queue.length > 0 && delivered < DELIVERIES_MAX; delivered += 1) {
    const grant = queue.shift();
    if (grant === undefined) return;
    try {
      await client.workflow.getHandle(grant.invocationId).signal(invocationSignals.granted, grant);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      const { grants: freed } = await store.finish({
        poolId: grant.poolId,
        evalId: grant.id,
        epoch: grant.epoch,
        release: 'withdrawn',
      });
      await settleUntold({ client, store }, grant);
      queue.push(...freed);
    }
  }
}

/**
 * Tells those who wait for a disbanded pool, so that they end as dead letters with that reason; who is gone is taken off
 * the queue. @throws what Temporal throws when it is out of reach: the sweep tells again
 */
export async function deliverRefusals(
  deps: { readonly client: Client; readonly store: Store },
  refused: readonly WaitingEval[],
): Promise<void> {
  for (const waiting of refused) {
    try {
      const invocation = deps.client.workflow.getHandle(waiting.invocationId);
      await invocation.signal(invocationSignals.refused, { evalId: waiting.id, code: 'PoolDisbanded' });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      await deps.store.finish({ poolId: waiting.poolId, evalId: waiting.id, release: 'withdrawn' });
      await settleUntold(deps, waiting);
    }
  }
}
