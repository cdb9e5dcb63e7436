/**
 * Starts one invocation of a schedule. Used by `advance` and `runBacklog`. Safe to run again: the id comes from the trigger,
 * so a second start finds the first and knows it by what it was started for.
 */
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { StartResult, Trigger } from '../src/contract/activities.ts';
import type { Names } from '../src/contract/ids.ts';
import type { InvocationInput } from '../src/contract/invocation.ts';
import type { TriggerKind } from '../src/contract/ledger.ts';
import { isRecord } from '../src/contract/message-shape.ts';
import type { ScheduleDefinition } from '../src/contract/schedule.ts';
import { invocationAttributes, invocationStart, startRefusal } from '../src/contract/starts.ts';
import type { CallTrigger, Why, Window } from '../src/contract/target.ts';

export interface StartDeps {
  readonly client: Client;
  readonly names: Names;
  /** Our search attributes are registered; without them starts leave them out. */
  readonly searchAttributes: boolean;
}

/** The schedule it is started for. */
export interface StartOwner {
  readonly scheduleId: string;
  readonly creation: string;
  readonly createdAtMs: number;
  readonly definition: ScheduleDefinition;
  /** The invocation tells the schedule of its end. */
  readonly notify: boolean;
}

/** What is to run: a trigger, and where it is for more than one all the others. */
export interface ToStart extends Trigger {
  readonly others?: readonly Trigger[];
  readonly window?: Window;
}

/** @param atMs when it was decided */
export async function startInvocation(
  deps: StartDeps,
  owner: StartOwner,
  start: ToStart,
  atMs: number,
): Promise<StartResult> {
  try {
    await deps.client.workflow.start('invocationWorkflow', startOptions(deps, owner, start, atMs));
    return { outcome: 'started', atMs };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      return { ...(await known(deps, owner, start)), atMs };
    }
    const reason = startRefusal(error);
    if (reason === undefined) throw error;
    return { outcome: 'refused', reason: `Temporal refused the start: ${reason}`, atMs };
  }
}

/** Ours (an earlier try of this very activity, as a rule) counts as started; that of an older request does not. */
async function known(
  { client }: StartDeps,
  { creation }: StartOwner,
  start: ToStart,
): Promise<Omit<StartResult, 'atMs'>> {
  const { memo } = await client.workflow.getHandle(start.invocationId).describe();
  const origin = originOf(memo);
  const ours = origin?.creation === creation;
  if (ours && origin.row === start.key) return { outcome: 'started' };
  return { outcome: 'duplicate', blockedBy: start.invocationId, reason: knownReason(ours, start) };
}

/** The schedule's creation and the ledger row that an invocation was started for. */
export function originOf(
  memo: Readonly<Record<string, unknown>> | undefined,
): { readonly creation?: unknown; readonly row?: unknown } | undefined {
  return isRecord(memo?.escapement) ? memo.escapement : undefined;
}

function knownReason(ours: boolean, { kind }: ToStart): string {
  if (!ours) return 'a deleted schedule of this id ran it';
  return kind === 'manual' ? 'it was triggered before with this key' : 'it has run already';
}

const WHY: Readonly<Record<TriggerKind, Why>> = {
  fire: 'automatic',
  manual: 'manual',
  upstream: 'upstream',
  backfill: 'backfill',
};

function startOptions(deps: StartDeps, owner: StartOwner, start: ToStart, requestedAtMs: number) {
  const { run, triggers } = owner.definition;
  const input: InvocationInput = {
    run: start.input === undefined ? run : { ...run, target: { ...run.target, input: start.input } },
    why: WHY[start.kind],
    scheduleId: owner.scheduleId,
    creation: owner.creation,
    requestedAtMs,
    windowFromMs: owner.createdAtMs,
    ...((start.kind === 'fire' || start.kind === 'backfill') && {
      nominalAtMs: start.nominalAtMs ?? start.dueAtMs,
    }),
    ...(start.window !== undefined && { window: start.window }),
    ...(start.others !== undefined && { triggers: [...start.others, start].map(told) }),
    ...(triggers !== undefined && { downstream: triggers }),
    ...(owner.notify && { notify: deps.names.scheduleWorkflowId(owner.scheduleId) }),
  };
  const options = invocationStart(deps.names, start.invocationId, input, start.dueAtMs);
  return {
    ...options,
    memo: { ...options.memo, escapement: { creation: owner.creation, row: start.key } },
    ...(deps.searchAttributes && { typedSearchAttributes: invocationAttributes(input) }),
  };
}

function told({ kind, key, createdAtMs, input }: Trigger): CallTrigger {
  return { kind, key, createdAtMs, ...(input !== undefined && { input }) };
}
