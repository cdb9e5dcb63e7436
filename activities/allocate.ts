/** `allocate` and `finish`: an invocation's two calls to the store, and what follows from them for others. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { FinishInvocationRequest } from '../src/contract/activities.ts';
import { EscapementError } from '../src/contract/errors.ts';
import { scheduleSignals } from '../src/contract/messages.ts';
import type { AllocateResult, EvalRequest } from '../src/contract/pools.ts';
import type { Store } from '../src/store/store.ts';
import { deliverGrants } from './grants.ts';

export interface AllocateDeps {
  readonly client: Client;
  readonly store: Store;
}

/** @throws ApplicationFailure, not retryable, where the request itself makes no sense */
export async function allocate({ store }: AllocateDeps, request: EvalRequest): Promise<AllocateResult> {
  try {
    return await store.allocate(request);
  } catch (error) {
    if (error instanceof EscapementError && error.code === 'InvalidInput') {
      throw ApplicationFailure.nonRetryable(error.message, error.code);
    }
    throw error;
  }
}

/**
 * Release, record and hand-over are one transaction; the signals follow. Run again after a crash between the two, the
 * store says that it is done and the signals are sent once more, which their receivers bear.
 */
export async function finish(
  deps: AllocateDeps,
  request: FinishInvocationRequest,
): Promise<{ readonly accepted: boolean }> {
  const { notify, ...release } = request;
  const { accepted, grants } = await deps.store.finish(release);
  const [, told] = await Promise.allSettled([
    // The sweep brings what cannot be brought now.
    deliverGrants(deps, grants),
    accepted && notify !== undefined ? tell(deps.client, notify) : undefined,
  ]);
  if (told.status === 'rejected') throw told.reason;
  return { accepted };
}

async function tell(client: Client, notify: NonNullable<FinishInvocationRequest['notify']>): Promise<void> {
  try {
    await client.workflow.getHandle(notify.workflowId).signal(scheduleSignals.invocationEnded, notify.ended);
  } catch (error) {
    // The schedule was deleted meanwhile: nobody waits any more.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
