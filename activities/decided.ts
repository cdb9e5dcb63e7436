/**
 * `decided`: what an earlier try of a workflow task did before it was lost. Starts and ledger rows outlive a task whose
 * worker died or whose commands the server refused; its next try may come so late that it would sum up
 * as superseded what has run. Asked only where several due times are late at once.
 */
import { WorkflowNotFoundError } from '@temporalio/client';
import type { DecidedFire, DecidedRequest, StartResult } from '../src/contract/activities.ts';
import { isoInstant } from '../src/contract/ids.ts';
import type { Fire } from '../src/contract/ledger.ts';
import { LEDGER_BUDGET_MS } from '../src/core/limits.ts';
import type { Store } from '../src/store/store.ts';
import type { AdvanceDeps } from './advance.ts';
import { originOf } from './start-invocation.ts';

/** A task that is lost is done again within seconds; no schedule is due more often than ten times in one. */
const DECIDED_MAX = 100;

type DecidedDeps = Pick<AdvanceDeps, 'client' | 'names' | 'planner'> & { readonly store: Store };

export async function decided(deps: DecidedDeps, request: DecidedRequest): Promise<readonly DecidedFire[]> {
  const { scheduleId, definition, afterMs, untilMs } = request;
  const stretch = { scheduleId, spec: definition.spec, afterMs, untilMs };
  const due = await deps.planner.between(stretch, DECIDED_MAX);
  const rows = await rowsOf(deps.store, request);
  const except = new Set(request.except);
  const found: DecidedFire[] = [];
  for (const { dueMs: dueAtMs, nominalMs } of due) {
    if (except.has(nominalMs)) continue;
    const invocationId = deps.names.fireInvocationId(scheduleId, nominalMs);
    const started = await startOf(deps, invocationId, request.creation);
    const key = isoInstant(nominalMs);
    const result = started ?? rows.get(key);
    if (result === undefined) break;
    const nominal = nominalMs !== dueAtMs && { nominalAtMs: nominalMs };
    const trigger = { kind: 'fire', key, invocationId, createdAtMs: dueAtMs, dueAtMs, ...nominal } as const;
    found.push({ trigger, result });
  }
  return found;
}

async function startOf(
  { client }: DecidedDeps,
  invocationId: string,
  creation: string,
): Promise<StartResult | undefined> {
  try {
    const { memo, startTime } = await client.workflow.getHandle(invocationId).describe();
    return originOf(memo)?.creation === creation
      ? { outcome: 'started', atMs: startTime.getTime() }
      : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** What was skipped has a row and no workflow. A fire does not wait for a database that is away: then none is known. */
async function rowsOf(
  store: Store,
  { scheduleId, creation, definition, afterMs, untilMs }: DecidedRequest,
): Promise<ReadonlyMap<string, StartResult>> {
  // Rows stand at their nominal times, which a jitter leaves up to that long before.
  const fromMs = afterMs + 1 - (definition.spec.jitterMs ?? 0);
  const reading = store
    .listFires({ scheduleId, fromMs, untilMs }, { limit: DECIDED_MAX })
    .catch(() => ({ items: [] }));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ readonly items: readonly Fire[] }>((resolve) => {
    timer = setTimeout(() => resolve({ items: [] }), LEDGER_BUDGET_MS);
  });
  const { items } = await Promise.race([reading, late]);
  clearTimeout(timer);
  const own = items.filter((fire) => fire.creation === creation && fire.kind === 'fire');
  return new Map(own.map((fire) => [fire.key, resultOf(fire)]));
}

function resultOf({ outcome, decidedAtMs, blockedBy, reason }: Fire): StartResult {
  return {
    outcome: outcome as StartResult['outcome'],
    atMs: decidedAtMs,
    ...(blockedBy !== undefined && { blockedBy }),
    ...(reason !== undefined && { reason }),
  };
}
