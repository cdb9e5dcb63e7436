/**
 * Ends that no code could tell: an invocation's workflow that was terminated or timed out. Called by whoever comes upon
 * one: the sweep for allocs that expired and for those not heard of, the delivery of grants for holders that are gone.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { NotExistsError } from '../src/contract/errors.ts';
import { parseOrigin, parseWorkflowId } from '../src/contract/ids.ts';
import type { RunRecord } from '../src/contract/ledger.ts';
import { parseInstant } from '../src/contract/message-shape.ts';
import type { Grant, Store, Unheard } from '../src/store/store.ts';
import { originOf as noteOf } from './start-invocation.ts';

interface UntoldDeps {
  readonly client: Client;
  readonly store: Store;
}

/** An alloc, or an eval that waits or waited: what is known of an invocation beside its workflow. */
export interface Untold {
  /** Of the eval. */
  readonly id: string;
  readonly poolId: string;
  readonly invocationId: string;
  readonly target: string;
  readonly workerId?: string;
  readonly grantedAtMs?: number;
  readonly enqueuedAtMs?: number;
}

/** Records the end, where there is one to record; a second call changes nothing. */
export async function settleUntold({ client, store }: UntoldDeps, untold: Untold): Promise<void> {
  const found = await endOf(client, untold.invocationId);
  if (found === 'open' || found === 'told' || (await hasRecord(store, untold.invocationId))) return;
  await store.finish({ poolId: untold.poolId, release: 'withdrawn', run: recordOf(untold, found) });
}

/**
 * Looks one up that has not been heard of. Whose invocation is over leaves the queue; an end that it could not tell is
 * recorded in the same step. Answers the grants that follow from it.
 */
export async function lookAfter({ client, store }: UntoldDeps, unheard: Unheard): Promise<readonly Grant[]> {
  const found = await endOf(client, unheard.invocationId);
  if (found === 'open') return [];
  const recorded = found === 'told' || (await hasRecord(store, unheard.invocationId));
  const { grants } = await store.finish({
    poolId: unheard.poolId,
    release: 'withdrawn',
    ...(unheard.kind === 'waiting' && { evalId: unheard.id }),
    ...(!recorded && { run: recordOf(unheard, found) }),
  });
  return grants;
}

function recordOf(untold: Untold, { row, ...ended }: ClosedEnd): RunRecord {
  const { id, invocationId, target, poolId, workerId, grantedAtMs, enqueuedAtMs } = untold;
  return {
    invocationId,
    target,
    poolId,
    ...(workerId !== undefined && { workerId }),
    ...originOf(invocationId, row),
    attempts: Number(/#(\d+)\.\d+$/.exec(id)?.[1] ?? 1),
    lost: 0,
    startedAtMs: grantedAtMs ?? enqueuedAtMs ?? ended.endedAtMs,
    error: { type: 'Terminated', message: `the workflow was closed from outside: ${ended.status}` },
    ...ended,
  };
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

type ClosedEnd = Pick<RunRecord, 'status' | 'endedAtMs'> & { readonly row: string };

/** `told`: it ended by its own code, which has recorded that; or nothing is known of it any more. */
async function endOf(client: Client, invocationId: string): Promise<ClosedEnd | 'open' | 'told'> {
  try {
    const { status, closeTime, memo } = await client.workflow.getHandle(invocationId).describe();
    if (status.name === 'RUNNING') return 'open';
    if (status.name !== 'TERMINATED' && status.name !== 'TIMED_OUT') return 'told';
    return {
      status: status.name === 'TERMINATED' ? 'terminated' : 'failed',
      endedAtMs: closeTime?.getTime() ?? Date.now(),
      row: rowOf(memo),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'told';
    throw error;
  }
}

/** The key of the ledger row that it was started for; a job has none. */
function rowOf(memo: Readonly<Record<string, unknown>> | undefined): string {
  const row = noteOf(memo)?.row;
  return typeof row === 'string' ? row : '';
}

export async function hasRecord(store: Store, invocationId: string): Promise<boolean> {
  try {
    await store.getRun(invocationId);
    return true;
  } catch (error) {
    if (error instanceof NotExistsError) return false;
    throw error;
  }
}
