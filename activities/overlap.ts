/**
 * What becomes of a start whose schedule has a run that still goes: it is skipped, or the run is asked, or made, to end.
 * Called by `advance`, right before a start; safe to run again.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { StartRequest, StartResult } from '../src/contract/activities.ts';
import type { Names } from '../src/contract/ids.ts';
import { invocationSignals } from '../src/contract/messages.ts';
import { assertNever } from '../src/core/assert.ts';
import { CANCEL_WAIT_MS } from '../src/core/limits.ts';
import type { Clock } from './clock.ts';

/** Between two looks at a run that was asked to stop. */
const LOOK_MS = 25;

interface OverlapDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly names: Names;
}

export async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/**
 * Answers why the start may not be made now; undefined where it may.
 * @param other the run that went a moment ago
 * @param successor the invocation that wants to start, and its schedule
 */
export async function makeRoom(
  deps: OverlapDeps,
  overlap: StartRequest['overlap'],
  other: string,
  successor: { readonly scheduleId: string; readonly invocationId: string },
): Promise<Omit<StartResult, 'atMs'> | undefined> {
  switch (overlap) {
    case 'allowAll':
      return undefined;
    case 'skip':
      if (!(await isRunning(deps.client, other))) return undefined;
      return skipped(other);
    case 'terminateOther':
      await unlessGone(() =>
        deps.client.workflow.getHandle(other).terminate(`${successor.invocationId} takes its place`),
      );
      return undefined;
    case 'cancelOther':
      await unlessGone(() => deps.client.workflow.getHandle(other).cancel());
      if ((await endsSoon(deps, other)) || !(await willTell(deps, other, successor))) return undefined;
      return { outcome: 'waiting', blockedBy: other, reason: 'the run before it was asked to stop' };
    default:
      return assertNever(overlap);
  }
}

export function skipped(other: string): Omit<StartResult, 'atMs'> {
  return { outcome: 'skipped-overlap', blockedBy: other, reason: 'the run before it still goes' };
}

/** A run that has nothing to clean up is gone within milliseconds; the schedule waits for one that has. */
async function endsSoon({ client, clock }: OverlapDeps, workflowId: string): Promise<boolean> {
  const untilMs = clock.now() + CANCEL_WAIT_MS;
  for (;;) {
    if (!(await isRunning(client, workflowId))) return true;
    if (clock.now() >= untilMs) return false;
    await clock.sleep(LOOK_MS);
  }
}

/** Only one that takes its time is asked, so that all others end at no cost. False where it has just ended. */
async function willTell(
  { client, names }: OverlapDeps,
  other: string,
  { scheduleId }: { readonly scheduleId: string },
): Promise<boolean> {
  const by = names.scheduleWorkflowId(scheduleId);
  return await unlessGone(() => client.workflow.getHandle(other).signal(invocationSignals.awaited, { by }));
}

/** False where there is nobody any more. */
async function unlessGone(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    return false;
  }
}
