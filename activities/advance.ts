/**
 * `advance`: the one local activity of a wake-up in the steady state. Starts what is due, looks up the run that still
 * goes where the policy must know, writes the ledger, looks ahead. Starting comes first: a fire never waits
 * for the database. Safe to run again: an invocation's id comes from its origin, so a second start finds the first.
 */
import type { AdvanceRequest, AdvanceResult, StartRequest, StartResult } from '../src/contract/activities.ts';
import { startRows } from '../src/core/fires.ts';
import { NAP_MS_MAX } from '../src/core/limits.ts';
import type { Clock } from './clock.ts';
import type { LedgerWriter } from './ledger-writer.ts';
import type { Planner } from './plan.ts';
import { isRunning, makeRoom, skipped } from './overlap.ts';
import { type StartDeps, startInvocation } from './start-invocation.ts';

export interface AdvanceDeps extends StartDeps {
  readonly planner: Planner;
  readonly ledger: LedgerWriter;
  readonly clock: Clock;
}

export async function advance(deps: AdvanceDeps, request: AdvanceRequest): Promise<AdvanceResult> {
  const starts = await startAll(deps, request);
  const rows = [
    ...request.rows,
    ...request.starts.flatMap((start, i) => {
      const result = starts[i];
      return result === undefined ? [] : startRows(request, start, result);
    }),
  ];
  const written = await deps.ledger.write(request.holdRows === true ? request.rows : rows);
  const ahead = await lookAhead(deps, request);
  const stale = deps.planner.isStale(request.plan?.zoneData);
  return { starts, ...ahead, written, ...(stale && { stalePlan: true }) };
}

/** What was started stays started, whether or not this host understands the spec: the next plan says what is wrong. */
async function lookAhead({ planner }: AdvanceDeps, { plan, definition, scheduleId }: AdvanceRequest) {
  const nothing = { timesMs: [], exhausted: false };
  if (plan === undefined) return nothing;
  try {
    const { spec } = definition;
    return await planner.next({ scheduleId, spec, calendars: plan.calendars }, plan.afterMs, plan.count);
  } catch {
    return nothing;
  }
}

/**
 * In order: each that starts is what the next may have to make way for. Those that make way for nobody, and stand side by side,
 * start at once.
 */
async function startAll(deps: AdvanceDeps, request: AdvanceRequest): Promise<readonly StartResult[]> {
  const results: StartResult[] = [];
  const { starts } = request;
  let { previous } = request;
  // Seen running, or started, by this very call: a crowd that is to be skipped is not looked up one by one.
  let going: string | undefined;
  while (results.length < starts.length) {
    const group = nextGroup(starts, results.length);
    const [first] = group;
    if (previous !== undefined && previous === going && first?.overlap === 'skip') {
      await waitUntil(deps.clock, first.dueAtMs);
      results.push({ ...skipped(previous), atMs: deps.clock.now() });
      continue;
    }
    const made = await Promise.all(group.map((start) => startNext(deps, request, start, previous)));
    for (const [i, result] of made.entries()) {
      if (result.outcome === 'started') previous = going = group[i]?.invocationId;
      if (result.outcome === 'skipped-overlap') going = previous;
    }
    results.push(...made);
  }
  return results;
}

function nextGroup(starts: readonly StartRequest[], from: number): readonly StartRequest[] {
  const free = starts.slice(from).findIndex(({ overlap }) => overlap !== 'allowAll');
  if (free === 0) return starts.slice(from, from + 1);
  return free < 0 ? starts.slice(from) : starts.slice(from, from + free);
}

async function startNext(
  deps: AdvanceDeps,
  request: AdvanceRequest,
  start: StartRequest,
  previous: string | undefined,
): Promise<StartResult> {
  const other = start.overlap === 'allowAll' || previous === start.invocationId ? undefined : previous;
  // Before the wait, so that the common answer (it has ended) costs the fire no time.
  const stillGoes = other !== undefined && (await isRunning(deps.client, other));
  await waitUntil(deps.clock, start.dueAtMs);
  const atMs = deps.clock.now();
  if (stillGoes) {
    const refused = await makeRoom(deps, start.overlap, other, {
      scheduleId: request.scheduleId,
      invocationId: start.invocationId,
    });
    if (refused !== undefined) return { ...refused, atMs };
  }
  return await startInvocation(deps, request, start, atMs);
}

/** Wake-ups come a little early; nothing starts before its time. A request that asks for more is a fault. */
export async function waitUntil(clock: Clock, atMs: number): Promise<void> {
  const giveUpAtMs = clock.now() + NAP_MS_MAX;
  // A timer of the process may ring a fraction of a millisecond before its time.
  for (let nowMs = clock.now(); nowMs < Math.min(atMs, giveUpAtMs); nowMs = clock.now()) {
    await clock.sleep(Math.min(atMs, giveUpAtMs) - nowMs);
  }
}
