/**
 * `advance`: the one local activity of a wake-up in the steady state. Starts what is due, looks up the run that still
 * goes where the policy must know, writes the ledger, looks ahead. Starting comes first: a fire never waits
 * for the database. Safe to run again: an invocation's id comes from its origin, so a second start finds the first.
 */
import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import type { AdvanceRequest, AdvanceResult, StartRequest, StartResult } from '../src/contract/activities.ts';
import type { Names } from '../src/contract/ids.ts';
import type { InvocationInput } from '../src/contract/invocation.ts';
import { invocationAttributes, invocationStart, startRefusal } from '../src/contract/starts.ts';
import { startRow } from '../src/core/fires.ts';
import { NAP_MS_MAX } from '../src/core/limits.ts';
import type { Clock } from './clock.ts';
import type { LedgerWriter } from './ledger-writer.ts';
import type { Planner } from './plan.ts';

export interface AdvanceDeps {
  readonly client: Client;
  readonly names: Names;
  readonly planner: Planner;
  readonly ledger: LedgerWriter;
  readonly clock: Clock;
  /** Our search attributes are registered; without them starts leave them out. */
  readonly searchAttributes: boolean;
}

export async function advance(deps: AdvanceDeps, request: AdvanceRequest): Promise<AdvanceResult> {
  const starts = await startAll(deps, request);
  const rows = [
    ...request.rows,
    ...request.starts.flatMap((start, i) => {
      const result = starts[i];
      return result === undefined ? [] : [startRow(request, start, result)];
    }),
  ];
  const written = await deps.ledger.write(request.holdRows === true ? request.rows : rows);
  const ahead = lookAhead(deps, request);
  const stale = deps.planner.isStale(request.plan?.zoneData);
  return { starts, ...ahead, written, ...(stale && { stalePlan: true }) };
}

/** What was started stays started, whether or not this host understands the spec: the next plan says what is wrong. */
function lookAhead({ planner }: AdvanceDeps, { plan, definition }: AdvanceRequest) {
  const nothing = { timesMs: [], exhausted: false };
  if (plan === undefined) return nothing;
  try {
    return planner.next(definition.spec, plan.afterMs, plan.count);
  } catch {
    return nothing;
  }
}

/** In order, one after the other: with `skip` each start decides the next. */
async function startAll(deps: AdvanceDeps, request: AdvanceRequest): Promise<readonly StartResult[]> {
  const results: StartResult[] = [];
  let blocker: string | undefined;
  let looked = false;
  for (const start of request.starts) {
    const lookUp = request.definition.overlap === 'skip' && !looked ? toLookUp(request, start) : undefined;
    // Before the wait, so that the common answer (it has ended) costs the fire no time.
    const stillGoes = lookUp !== undefined && (await isRunning(deps.client, lookUp));
    await waitUntil(deps.clock, start.dueAtMs);
    const atMs = deps.clock.now();
    if (request.definition.overlap === 'skip') {
      // It may have ended during the wait.
      if (stillGoes) blocker = (await isRunning(deps.client, lookUp)) ? lookUp : undefined;
      looked = true;
      if (blocker !== undefined) {
        results.push({
          atMs,
          outcome: 'skipped-overlap',
          blockedBy: blocker,
          reason: 'the run before it still goes',
        });
        continue;
      }
    }
    const result = { ...(await startOne(deps, request, start, atMs)), atMs };
    if (result.outcome === 'started') blocker = start.invocationId;
    results.push(result);
  }
  return results;
}

function toLookUp({ previous }: AdvanceRequest, { invocationId }: StartRequest): string | undefined {
  return previous === invocationId ? undefined : previous;
}

/** Wake-ups come a little early; nothing starts before its time. A request that asks for more is a fault. */
export async function waitUntil(clock: Clock, atMs: number): Promise<void> {
  const giveUpAtMs = clock.now() + NAP_MS_MAX;
  // A timer of the process may ring a fraction of a millisecond before its time.
  for (let nowMs = clock.now(); nowMs < Math.min(atMs, giveUpAtMs); nowMs = clock.now()) {
    await clock.sleep(Math.min(atMs, giveUpAtMs) - nowMs);
  }
}

async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

async function startOne(
  deps: AdvanceDeps,
  request: AdvanceRequest,
  start: StartRequest,
  atMs: number,
): Promise<Omit<StartResult, 'atMs'>> {
  try {
    await deps.client.workflow.start('invocationWorkflow', startOptions(deps, request, start, atMs));
    return { outcome: 'started' };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return await known(deps, request, start);
    const reason = startRefusal(error);
    if (reason === undefined) throw error;
    return { outcome: 'refused', reason: `Temporal refused the start: ${reason}` };
  }
}

/** Ours (an earlier try of this very activity, as a rule) counts as started; that of an older request does not. */
async function known(
  { client }: AdvanceDeps,
  request: AdvanceRequest,
  start: StartRequest,
): Promise<Omit<StartResult, 'atMs'>> {
  const { memo } = await client.workflow.getHandle(start.invocationId).describe();
  const ours = memo?.creation === request.creation;
  if (ours && memo.row === start.key) return { outcome: 'started' };
  const reason = ours ? 'it was triggered before with this key' : 'a deleted schedule of this id ran it';
  return { outcome: 'duplicate', blockedBy: start.invocationId, reason };
}

function startOptions(
  deps: AdvanceDeps,
  request: AdvanceRequest,
  start: StartRequest,
  requestedAtMs: number,
) {
  const { run } = request.definition;
  const input: InvocationInput = {
    run: start.input === undefined ? run : { ...run, target: { ...run.target, input: start.input } },
    why: start.kind === 'fire' ? 'automatic' : 'manual',
    scheduleId: request.scheduleId,
    creation: request.creation,
    requestedAtMs,
    ...(start.kind === 'fire' && { nominalAtMs: start.dueAtMs }),
    ...(request.notify && { notify: deps.names.scheduleWorkflowId(request.scheduleId) }),
  };
  return {
    ...invocationStart(deps.names, start.invocationId, input, start.dueAtMs),
    memo: { creation: request.creation, row: start.key },
    ...(deps.searchAttributes && { typedSearchAttributes: invocationAttributes(input) }),
  };
}
