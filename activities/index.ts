/** The activities of an orchestration worker, made from what they need. Called by `src/worker`. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { LookUpResult, OrchestrationActivities } from '../src/contract/activities.ts';
import type { Names } from '../src/contract/ids.ts';
import type { Store } from '../src/store/store.ts';
import { advance, waitUntil } from './advance.ts';
import { allocate, finish } from './allocate.ts';
import { attributesProblem } from './attributes.ts';
import { type Clock, systemClock } from './clock.ts';
import { decided } from './decided.ts';
import { createLedgerWriter } from './ledger-writer.ts';
import { createPlanner } from './plan.ts';
import { runBacklog } from './run-backlog.ts';
import { tendPool } from './tend-pool.ts';

export interface ActivityDeps {
  readonly client: Client;
  readonly store: Store;
  readonly names: Names;
  /** Our search attributes are registered in the namespace. */
  readonly searchAttributes: boolean;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

export function createActivities(deps: ActivityDeps): OrchestrationActivities {
  const { clock = systemClock } = deps;
  const planner = createPlanner(deps);
  const advanceDeps = { ...deps, clock, planner, ledger: createLedgerWriter(deps.store) };
  return {
    plan: async (request) => ({ ...(await planner.plan(request)), atMs: clock.now() }),
    advance: (request) => advance(advanceDeps, request),
    waitUntil: async (atMs) => {
      await waitUntil(clock, atMs);
      return clock.now();
    },
    remember: async (atMs) => atMs,
    runBacklog: (request) => runBacklog({ ...advanceDeps, store: deps.store }, request),
    dueTimeOf: (request) => planner.dueTimeOf(request),
    decided: (request) => decided({ ...deps, planner }, request),
    lookUp: (workflowId) => lookUp(deps.client, workflowId),
    cancelInvocation: (workflowId) => cancelInvocation(deps.client, workflowId),
    allocate: (request) => allocate(deps, request),
    lookBack: (schedule) => deps.store.readPast(schedule),
    attributesProblem: (attributes) => attributesProblem(deps.client, attributes),
    finish: (request) => finish(deps, request),
    tendPool: (poolId) => tendPool(deps, poolId),
  };
}

async function lookUp(client: Client, workflowId: string): Promise<LookUpResult> {
  try {
    const { status, startTime, closeTime } = await client.workflow.getHandle(workflowId).describe();
    return {
      running: status.name === 'RUNNING',
      status: status.name,
      startedAtMs: startTime.getTime(),
      ...(closeTime !== undefined && { closedAtMs: closeTime.getTime() }),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { running: false, status: 'NOT_FOUND' };
    throw error;
  }
}

/** Asks; one that has ended already is as good as cancelled. */
async function cancelInvocation(client: Client, workflowId: string): Promise<void> {
  try {
    await client.workflow.getHandle(workflowId).cancel();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
