/** Updates of which a schedule's worker said nothing: sent again, and in the end told as what they are. */
import { type Client, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { createNames } from '../../src/contract/ids.ts';

/** As the server says it. */
const UNPROCESSED = new WorkflowUpdateFailedError(
  'Workflow Update failed',
  ApplicationFailure.nonRetryable("it wasn't processed by worker", 'UnprocessedUpdate'),
);

/** A server that leaves so many updates unprocessed. */
function handleOn(unprocessed: number) {
  const updateIds: string[] = [];
  const executeUpdate = async (_update: unknown, { updateId }: { readonly updateId: string }) => {
    updateIds.push(updateId);
    if (updateIds.length <= unprocessed) throw UNPROCESSED;
    return { outcome: 'started' };
  };
  const client = {
    workflow: { getHandle: () => ({ executeUpdate }) },
    connection: { withDeadline: (_deadline: number, call: () => unknown) => call() },
  } as unknown as Client;
  return { updateIds, handle: new ScheduleHandle(client, createNames(), 'nightly') };
}

test('an update that a task ended without is sent again under the same id', async () => {
  const { handle, updateIds } = handleOn(2);
  expect(await handle.trigger()).toEqual({ outcome: 'started' });
  expect(updateIds).toHaveLength(3);
  expect(new Set(updateIds).size).toBe(1);
});

test('one that nobody ever processes is told as silence, not as bad input', async () => {
  const { handle } = handleOn(Infinity);
  await expect(handle.trigger()).rejects.toMatchObject({
    code: 'Unavailable',
    message: expect.stringContaining("it wasn't processed by worker"),
  });
});
