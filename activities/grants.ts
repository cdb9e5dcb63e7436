/**
 * Brings grants and refusals to the invocations that wait for them. Used by whoever frees capacity: `finish`, the sweep, the
 * gateway. A grant whose invocation is gone (terminated, for instance) is given back, and what that frees goes on to the next.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { WaitingEval } from '../src/contract/pools.ts';
import { invocationSignals } from '../src/contract/messages.ts';
import type { Grant, Store } from '../src/store/store.ts';
import { onTheirOwn } from './on-their-own.ts';
import { settleUntold } from './untold.ts';

interface Deps {
  readonly client: Client;
  readonly store: Store;
}

/** Grants delivered in one go; the sweep brings what is left. */
export const DELIVERIES_MAX = 1_000;

/** @throws what Temporal throws for some, or when it is out of reach: all others are told, and the sweep delivers again */
export async function deliverGrants(deps: Deps, grants: readonly Grant[]): Promise<void> {
  let delivered = 0;
  await onTheirOwn(grants, async (grant) => {
    if (delivered >= DELIVERIES_MAX) return [];
    delivered += 1;
    return await deliver(deps, grant);
  });
}

/** Answers the grants that follow from one whose invocation is gone. */
async function deliver({ client, store }: Deps, grant: Grant): Promise<readonly Grant[]> {
  try {
    await client.workflow.getHandle(grant.invocationId).signal(invocationSignals.granted, grant);
    return [];
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    const { grants: freed } = await store.finish({
      poolId: grant.poolId,
      evalId: grant.id,
      epoch: grant.epoch,
      release: 'withdrawn',
    });
    await settleUntold({ client, store }, grant);
    return freed;
  }
}

/**
 * Tells those who wait for a disbanded pool, so that they end as dead letters with that reason; who is gone is taken off
 * the queue. @throws what Temporal throws for some, or when it is out of reach: the sweep tells again
 */
export async function deliverRefusals(deps: Deps, refused: readonly WaitingEval[]): Promise<void> {
  await onTheirOwn(refused, async (waiting) => {
    try {
      const invocation = deps.client.workflow.getHandle(waiting.invocationId);
      await invocation.signal(invocationSignals.refused, { evalId: waiting.id, code: 'PoolDisbanded' });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      await deps.store.finish({ poolId: waiting.poolId, evalId: waiting.id, release: 'withdrawn' });
      await settleUntold(deps, waiting);
    }
  });
}
