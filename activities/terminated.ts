/**
 * Finds invocations that were closed from outside (terminated, timed out) before they had asked for capacity, between two
 * tries, or without ever taking any: of these the store knows nothing, so Temporal's list is asked. Called by
 * gateways every few seconds. Promise: one that has a record is left as it is; several that look at once do no harm.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { type Names, parseWorkflowId } from '../src/contract/ids.ts';
import type { InvocationInput } from '../src/contract/invocation.ts';
import { isRecord } from '../src/contract/message-shape.ts';
import type { Grant, Store } from '../src/store/store.ts';
import { deliverGrants } from './grants.ts';
import { onTheirOwn } from './on-their-own.ts';
import { hasRecord, settleUntold } from './untold.ts';

export interface TerminatedDeps {
  readonly client: Client;
  readonly store: Store;
  readonly names: Names;
}

/** Looked at in one call, the ones closed last. */
const CLOSED_MAX = 1_000;

/**
 * Records the ends of those closed from outside since then; answers how many there were to record.
 * @throws what failed for some, after all others
 */
export async function settleTerminated(deps: TerminatedDeps, sinceMs: number): Promise<number> {
  const { client, store, names } = deps;
  const closed = client.workflow.list({
    query:
      'WorkflowType = "invocationWorkflow" AND ExecutionStatus IN ("Terminated", "TimedOut") ' +
      `AND CloseTime > "${new Date(sinceMs).toISOString()}"`,
  });
  let looked = 0;
  const ours: { readonly workflowId: string; readonly startTime: Date }[] = [];
  for await (const { workflowId, startTime } of closed) {
    looked += 1;
    if (looked > CLOSED_MAX) break;
    if (parseWorkflowId(workflowId)?.deployment === names.deployment) ours.push({ workflowId, startTime });
  }
  let settled = 0;
  await onTheirOwn(ours, async ({ workflowId, startTime }) => {
    if (await hasRecord(store, workflowId)) return;
    const run = await runOf(client, workflowId);
    if (run === undefined) return;
    const { pool: poolId, target } = run;
    await deliverGrants(deps, await withdrawAll(store, workflowId));
    const known = { id: `${workflowId}#1.0`, poolId, invocationId: workflowId, target: target.name };
    await settleUntold(deps, { ...known, enqueuedAtMs: startTime.getTime() });
    settled += 1;
  });
  return settled;
}

/** Takes what still waits or holds off the queue, also in pools that nobody sweeps. */
async function withdrawAll(store: Store, invocationId: string): Promise<readonly Grant[]> {
  const grants: Grant[] = [];
  for (const { evalId, poolId, state } of await store.explainInvocation(invocationId)) {
    if (state === 'waiting')
      grants.push(...(await store.finish({ poolId, evalId, release: 'withdrawn' })).grants);
  }
  return grants;
}

/** What it was started with, from its history; undefined where that is gone or cannot be read. */
async function runOf(client: Client, workflowId: string): Promise<InvocationInput['run'] | undefined> {
  const { namespace } = client.options;
  try {
    const { history } = await client.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId },
      maximumPageSize: 1,
    });
    const payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const { payloadConverter = defaultPayloadConverter, payloadCodecs } = client.options.loadedDataConverter;
    let decoded = payloads;
    for (const codec of payloadCodecs.toReversed()) decoded = await codec.decode(decoded);
    const [payload] = decoded;
    const input: unknown = payload && payloadConverter.fromPayload(payload);
    return isRecord(input) && isRun(input.run) ? input.run : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || (isRecord(error) && error.code === NOT_FOUND))
      return undefined;
    throw error;
  }
}

/** Of gRPC. */
const NOT_FOUND = 5;

function isRun(run: unknown): run is InvocationInput['run'] {
  return (
    isRecord(run) &&
    typeof run.pool === 'string' &&
    isRecord(run.target) &&
    typeof run.target.name === 'string'
  );
}
