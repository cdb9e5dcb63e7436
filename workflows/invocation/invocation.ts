/** What an invocation's workflow keeps while it runs, how it shows itself, and the record it leaves. */
import { ApplicationFailure, CancellationScope, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { FinishInvocationRequest } from '../../src/contract/activities.ts';
import { isoInstant } from '../../src/contract/ids.ts';
import type { InvocationInput, SchedulePast, ScheduleRef } from '../../src/contract/invocation.ts';
import type { RunError, RunRecord, RunStatus } from '../../src/contract/ledger.ts';
import { isRecord } from '../../src/contract/message-shape.ts';
import type { InvocationDescription, Problem } from '../../src/contract/messages.ts';
import { waitText } from '../../src/contract/explanations.ts';
import type { Alloc } from '../../src/contract/pools.ts';
import { assertNever } from '../../src/core/assert.ts';
import { movesWindowTo } from '../../src/core/window.ts';
import { local } from '../local-activities.ts';

export interface Invocation {
  readonly input: InvocationInput;
  /** Grants told by signal, by eval id; the newest epoch wins. */
  readonly grants: Map<string, Alloc>;
  /** Evals that the pool will never serve. */
  readonly refused: Set<string>;
  /** The schedule workflow that is told of its end, where one waits for it. */
  notify: string | undefined;
  dueAtMs: number | undefined;
  /** Evaluations begun and workers lost in this try. */
  evaluations: number;
  lost: number;
  lastLoss?: RunError;
  /** The workflow of the user's own that it has started in this try. */
  child?: string;
  /** What is known of the runs before it, as of its last request for capacity. */
  past?: SchedulePast;
  /** What signals got wrong, newest last. */
  problems: readonly Problem[];
  /** What must be given back if it ends here. */
  held?: { readonly evalId: string; readonly alloc?: Alloc };
  shown: Pick<InvocationDescription, 'phase' | 'waiting' | 'alloc'>;
  cancelled(): boolean;
  /** Reaches the store even while the workflow is being cancelled. */
  finish(request: FinishInvocationRequest): Promise<{ readonly accepted: boolean }>;
}

export function openInvocation(input: InvocationInput): Invocation {
  const root = CancellationScope.current();
  const invocation: Invocation = {
    input,
    notify: input.notify,
    grants: new Map(),
    refused: new Set(),
    problems: [],
    dueAtMs: input.dueAtMs,
    evaluations: 0,
    lost: 0,
    shown: { phase: 'allocating' },
    cancelled: () => root.consideredCancelled,
    finish: (request) => CancellationScope.nonCancellable(() => finish(invocation, request)),
  };
  return invocation;
}

/** Somebody may begin to wait while the end is being recorded: then it is recorded again, which tells them and nothing more. */
async function finish(invocation: Invocation, request: FinishInvocationRequest) {
  const answer = await local.finish(request);
  const { run, notify } = request;
  if (!answer.accepted || run === undefined || notify !== undefined) return answer;
  const late = told(invocation, run);
  return late.notify === undefined ? answer : await local.finish({ ...request, ...late });
}

export function describeNow(invocation: Invocation): InvocationDescription {
  return {
    ...invocation.shown,
    attempt: workflowInfo().attempt,
    lost: invocation.lost,
    problems: invocation.problems,
    ...(invocation.dueAtMs !== undefined && { dueAtMs: invocation.dueAtMs }),
    ...(invocation.child !== undefined && { child: invocation.child }),
  };
}

/** When the first try began: the same over all tries, even of a job whose due time was moved. */
export function firstRunAtMs({ input, dueAtMs }: Invocation): number {
  const { lastFailure } = workflowInfo();
  const [told] = (lastFailure instanceof ApplicationFailure && lastFailure.details) || [];
  if (isRecord(told) && typeof told.firstRunAtMs === 'number') return told.firstRunAtMs;
  return Math.min(Math.max(input.requestedAtMs, dueAtMs ?? 0), Date.now());
}

/** What one try tells the next, in the details of its failure: its input is the same as ours. */
export function handedOn(invocation: Invocation): { readonly firstRunAtMs: number } {
  return { firstRunAtMs: firstRunAtMs(invocation) };
}

/** The instant after which it must not start at all; only the first try is held to it. */
export function startDeadlineMs(invocation: Invocation): number | undefined {
  const { startDeadlineMs: allowedMs } = invocation.input.run;
  if (allowedMs === undefined || workflowInfo().attempt > 1 || invocation.child !== undefined)
    return undefined;
  const dueAtMs = invocation.dueAtMs ?? invocation.input.nominalAtMs ?? invocation.input.requestedAtMs;
  return dueAtMs + allowedMs;
}

export function recordOf(
  invocation: Invocation,
  status: RunStatus,
  end: { readonly workerId?: string; readonly result?: unknown; readonly error?: RunError } = {},
): RunRecord {
  const { input } = invocation;
  return {
    invocationId: workflowInfo().workflowId,
    target: input.run.target.name,
    poolId: input.run.pool,
    why: input.why,
    status,
    attempts: workflowInfo().attempt,
    lost: invocation.lost,
    startedAtMs: firstRunAtMs(invocation),
    endedAtMs: Date.now(),
    ...(input.scheduleId !== undefined && { scheduleId: input.scheduleId }),
    ...(input.jobId !== undefined && { jobId: input.jobId }),
    ...(input.nominalAtMs !== undefined && { nominalAtMs: input.nominalAtMs }),
    ...end,
  };
}

/** The note for the schedule that waits for this end, where one does. */
export function told(
  { notify: workflowId }: Pick<Invocation, 'notify'>,
  run: RunRecord,
): Pick<FinishInvocationRequest, 'notify'> {
  if (workflowId === undefined) return {};
  const { invocationId, status, endedAtMs } = run;
  return { notify: { workflowId, ended: { invocationId, status, endedAtMs } } };
}

/** The schedule's creation that it is a run of. */
export function scheduleOf({ scheduleId, creation }: InvocationInput): ScheduleRef | undefined {
  return scheduleId === undefined || creation === undefined ? undefined : { scheduleId, creation };
}

/** What follows from a success: the note for its schedule, what the runs after it are told, and those it triggers. */
export function afterSuccess(
  invocation: Invocation,
  run: RunRecord,
): Pick<FinishInvocationRequest, 'notify' | 'succeeded' | 'downstream'> {
  const { input } = invocation;
  const schedule = scheduleOf(input);
  const windowToMs = movesWindowTo(input);
  const { downstream: scheduleIds = [] } = input;
  return {
    ...told(invocation, run),
    ...(schedule && { succeeded: { ...schedule, ...(windowToMs !== undefined && { windowToMs }) } }),
    ...(scheduleIds.length > 0 && { downstream: { scheduleIds, upstream: run.invocationId } }),
  };
}

/** Keeps the Web UI's card true; it costs no event. */
export function showPhase(invocation: Invocation, shown: Invocation['shown']): void {
  invocation.shown = shown;
  const { run } = invocation.input;
  const tries = workflowInfo().attempt > 1 ? `, try ${workflowInfo().attempt}` : '';
  setCurrentDetails(`**${run.target.name}**${tries}: ${phaseText(invocation)}`);
}

function phaseText(invocation: Invocation): string {
  const { child, shown } = invocation;
  if (child === undefined) return ownPhaseText(invocation);
  const capacity =
    shown.phase === 'running' && shown.alloc === undefined
      ? ''
      : `; its capacity: ${ownPhaseText(invocation)}`;
  return `workflow \`${child}\` runs${capacity}`;
}

function ownPhaseText({ shown, dueAtMs, input, lost }: Invocation): string {
  const again = lost > 0 ? ` (after ${lost} lost)` : '';
  switch (shown.phase) {
    case 'due-later':
      return `due ${isoInstant(dueAtMs ?? input.requestedAtMs)}`;
    case 'allocating':
      return `asks pool \`${input.run.pool}\` for ${input.run.size}${again}`;
    case 'waiting':
      return `waiting for ${input.run.size} of pool \`${input.run.pool}\`: ${shown.waiting === undefined ? 'in the queue' : waitText(shown.waiting.reason)}${again}`;
    case 'running':
      return `runs on worker \`${shown.alloc?.workerId}\`${again}`;
    case 'ended':
      return 'ended';
    default:
      return assertNever(shown.phase);
  }
}
