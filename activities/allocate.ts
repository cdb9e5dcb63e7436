/** `allocate` and `finish`: an invocation's two calls to the store, and what follows from them for others. */
import { log } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { AllocateRequest, FinishInvocationRequest } from '../src/contract/activities.ts';
import { type ErrorCode, EscapementError } from '../src/contract/errors.ts';
import type { Names } from '../src/contract/ids.ts';
import type { SchedulePast } from '../src/contract/invocation.ts';
import { scheduleSignals } from '../src/contract/messages.ts';
import type { AllocateResult } from '../src/contract/pools.ts';
import type { Store } from '../src/store/store.ts';
import { deliverGrants } from './grants.ts';

export interface AllocateDeps {
  readonly client: Client;
  readonly store: Store;
  readonly names: Names;
}

/** What asking again would not mend. */
const FOR_GOOD: readonly ErrorCode[] = ['InvalidInput', 'AllocExists'];

/** @throws ApplicationFailure, not retryable, where the request makes no sense, or its eval has another content */
export async function allocate(
  { store }: Pick<AllocateDeps, 'store'>,
  { schedule, ...request }: AllocateRequest,
): Promise<AllocateResult & { readonly past?: SchedulePast }> {
  try {
    // The answer to an eval stands, however often it is asked for: nothing is lost if the other call fails.
    const [answer, past] = await Promise.all([
      store.allocate(request),
      schedule === undefined ? undefined : store.readPast(schedule),
    ]);
    return past === undefined ? answer : { ...answer, past };
  } catch (error) {
    if (error instanceof EscapementError && FOR_GOOD.includes(error.code)) {
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
  const { notify, downstream, ...release } = request;
  const { accepted, grants } = await deps.store.finish(release);
  const told = await Promise.allSettled([
    accepted && notify !== undefined ? tell(deps.client, notify) : undefined,
    ...(accepted && downstream !== undefined ? triggerAll(deps, downstream) : []),
    // The sweep brings what cannot be brought now.
    deliverGrants(deps, grants).catch(() => undefined),
  ]);
  for (const one of told) if (one.status === 'rejected') throw one.reason;
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

/** The id of what it starts comes from ours, so a schedule that is told twice runs once. */
function triggerAll(
  { client, names }: AllocateDeps,
  { scheduleIds, upstream }: NonNullable<FinishInvocationRequest['downstream']>,
): Promise<void>[] {
  return scheduleIds.map(async (scheduleId) => {
    try {
      const schedule = client.workflow.getHandle(names.scheduleWorkflowId(scheduleId));
      await schedule.signal(scheduleSignals.trigger, { upstream });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      // It was never made, or is deleted: the run itself has succeeded.
      log.warn('a schedule to be triggered does not exist', { scheduleId, upstream });
    }
  });
}
