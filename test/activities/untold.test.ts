/** Ends that no code could tell: what the record says of an invocation that was terminated. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { settleUntold } from '../../activities/untold.ts';
import { createNames } from '../../src/contract/ids.ts';
import type { InvocationInput } from '../../src/contract/invocation.ts';
import { parseRun } from '../../src/contract/run-schema.ts';
import { invocationStart } from '../../src/contract/starts.ts';
import { type InvocationWorld, openInvocationWorld } from '../workflows/invocation-world.ts';
import { sharedWorld } from '../workflows/shared-world.ts';

let world: InvocationWorld;
beforeAll(async () => {
  world = await openInvocationWorld(await sharedWorld());
});
afterAll(() => world?.close());

const names = createNames();
const fire = names.fireInvocationId('s', 0);
const nominal = { scheduleId: 's', nominalAtMs: 0 };

test.concurrent.each([
  ['a fire', fire, '1970-01-01T00:00:00Z', { why: 'automatic', ...nominal }],
  ['a fire that is run again', `${fire}/rerun/1`, '1970-01-01T00:00:00Z', { why: 'automatic', ...nominal }],
  ['a backfill', fire, 'backfill/b/1970-01-01T00:00:00Z', { why: 'backfill', ...nominal }],
  ['one by hand', names.manualInvocationId('s', 'k'), 'manual/k', { why: 'manual', scheduleId: 's' }],
  ['one upstream', names.upstreamInvocationId('s', fire), 'upstream/x', { why: 'upstream', scheduleId: 's' }],
  ['a job', names.jobWorkflowId('j'), undefined, { why: 'job', jobId: 'j' }],
])('%s that was terminated is recorded as what it was', async (_what, id, row, origin) => {
  // Each in a deployment of its own, as two of them have one id.
  const deployment = `u${randomUUID().slice(0, 8)}`;
  const invocationId = `${deployment}.${id}`;
  const pool = await world.pool();
  const input: InvocationInput = {
    run: parseRun('run', { target: 't', pool: pool.id }),
    why: 'automatic',
    requestedAtMs: Date.now(),
  };
  const handle = await world.client.workflow.start('invocationWorkflow', {
    ...invocationStart(world.names, invocationId, input, 0),
    // Where nobody polls: it must not have begun.
    taskQueue: `${deployment}-nobody`,
    ...(row !== undefined && { memo: { escapement: { creation: 'first', row } } }),
  });
  await handle.terminate('by hand');
  await settleUntold(world, {
    id: `${invocationId}#1.0`,
    poolId: pool.id,
    workerId: 'w1',
    invocationId,
    target: 't',
    grantedAtMs: 1,
  });
  expect(await world.record(invocationId)).toMatchObject({ status: 'terminated', ...origin });
});
