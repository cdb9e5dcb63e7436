/**
 * Ends that no code could tell: an invocation's workflow that was terminated or timed out. Called by whoever comes upon
 * one: the sweep for allocs that expired, the delivery of grants for holders that are gone.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { NotExistsError } from '../src/contract/errors.ts';
import { parseOrigin, parseWorkflowId } from '../src/contract/ids.ts';
import type { RunRecord } from '../src/contract/ledger.ts';
import { parseInstant } from '../src/contract/messages.ts';
import type { Alloc } from '../src/contract/pools.ts';
import type { Store } from '../src/store/store.ts';
import { originOf as noteOf } from './start-invocation.ts';

interface UntoldDeps {
  readonly client: Client;
  readonly store: Store;
}

/** Records the end, where there is one to record; a second call changes nothing. */
export async function settleUntold({ client, store }: UntoldDeps, alloc: Alloc): Promise<void> {
  const found = await endOf(client, alloc);
  if (found === undefined || (await hasRecord(store, alloc.invocationId))) return;
  const { row, ...ended } = found;
  const run: RunRecord = {
    invocationId: alloc.invocationId,
    target: alloc.target,
    poolId: alloc.poolId,
    workerId: alloc.workerId,
    ...originOf(alloc.invocationId, row),
    attempts: 1,
    lost: 0,
    startedAtMs: alloc.grantedAtMs,
    error: { type: 'Terminated', message: `the workflow was closed from outside: ${ended.status}` },
    ...ended,
  };
  await store.finish({ poolId: alloc.poolId, release: 'withdrawn', run });
}

/** What its id says of where it came from. A backfill has the id of the fire, and a ledger row of its own. */
function originOf(
  invocationId: string,
  row: string,
): Pick<RunRecord, 'why' | 'jobId' | 'scheduleId' | 'nominalAtMs'> {
  const parsed = parseWorkflowId(invocationId);
  if (parsed?.noun === 'job') return { why: 'job', jobId: parsed.id };
  const origin = parsed?.rest === undefined ? undefined : parseOrigin(parsed.rest);
  const nominalAtMs = origin?.kind === 'fire' ? parseInstant(origin.nominal) : undefined;
  const unplanned = origin?.kind === 'upstream' ? 'upstream' : 'manual';
  const planned = row.startsWith('backfill/') ? 'backfill' : 'automatic';
  return {
    why: nominalAtMs === undefined ? unplanned : planned,
    ...(parsed !== undefined && { scheduleId: parsed.id }),
    ...(nominalAtMs !== undefined && { nominalAtMs }),
  };
}

async function endOf(
  client: Client,
  alloc: Alloc,
): Promise<(Pick<RunRecord, 'status' | 'endedAtMs'> & { readonly row: string }) | undefined> {
  try {
    const { status, closeTime, memo } = await client.workflow.getHandle(alloc.invocationId).describe();
    if (status.name !== 'TERMINATED' && status.name !== 'TIMED_OUT') return undefined;
    return {
      status: status.name === 'TERMINATED' ? 'terminated' : 'failed',
      endedAtMs: closeTime?.getTime() ?? Date.now(),
      row: rowOf(memo),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** The key of the ledger row that it was started for; a job has none. */
function rowOf(memo: Readonly<Record<string, unknown>> | undefined): string {
  const row = noteOf(memo)?.row;
  return typeof row === 'string' ? row : '';
}

async function hasRecord(store: Store, invocationId: string): Promise<boolean> {
  try {
    await store.getRun(invocationId);
    return true;
  } catch (error) {
    if (error instanceof NotExistsError) return false;
    throw error;
  }
}
