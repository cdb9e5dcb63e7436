/**
 * `runBacklog`: starts some instants of a stretch, behind the live fires. An instant that has run already, in this creation
 * of the schedule or an earlier one, is a duplicate: Temporal knows for as long as it keeps the run, the ledger after that.
 */
import type {
  RunBacklogRequest,
  RunBacklogResult,
  StartResult,
  Trigger,
} from '../src/contract/activities.ts';
import { isoInstant, type Names } from '../src/contract/ids.ts';
import type { Fire } from '../src/contract/ledger.ts';
import { hasRun } from '../src/core/fires.ts';
import type { Store } from '../src/store/store.ts';
import type { AdvanceDeps } from './advance.ts';
import type { Instant } from './plan.ts';
import { startInvocation } from './start-invocation.ts';

const PAGE = 100;

type BacklogDeps = AdvanceDeps & { readonly store: Store };

export async function runBacklog(deps: BacklogDeps, request: RunBacklogRequest): Promise<RunBacklogResult> {
  const { kind, count, rerun } = request;
  const due = await dueOf(deps, request);
  const first = due[0];
  const guarded = kind === 'backfill' && rerun === undefined && first !== undefined;
  const ran = guarded ? await ranBefore(deps.store, request, due) : new Map<number, Fire>();
  const starts: { trigger: Trigger; result: StartResult }[] = [];
  for (const instant of due) {
    const trigger = triggerOf(deps.names, request, instant);
    const before = ran.get(instant.nominalMs);
    const result =
      before === undefined ? await startOne(deps, request, trigger, instant) : duplicate(deps, before);
    starts.push({ trigger, result });
  }
  return { starts, exhausted: due.length < count };
}

async function dueOf({ planner }: BacklogDeps, request: RunBacklogRequest): Promise<readonly Instant[]> {
  const { definition, scheduleId, afterMs, untilMs, count, order, except = [] } = request;
  const stretch = { scheduleId, spec: definition.spec, afterMs, untilMs };
  const most = count + except.length;
  const due = await (order === 'oldest' ? planner.oldest(stretch, most) : planner.newest(stretch, most));
  const left = new Set(except);
  return due.filter(({ nominalMs }) => !left.has(nominalMs)).slice(0, count);
}

function triggerOf(names: Names, request: RunBacklogRequest, { dueMs, nominalMs }: Instant): Trigger {
  const { id, kind, scheduleId, rerun } = request;
  const fire = names.fireInvocationId(scheduleId, nominalMs);
  const moment = isoInstant(nominalMs);
  return {
    kind: kind === 'backfill' ? 'backfill' : 'fire',
    key: kind === 'backfill' ? `backfill/${id}/${moment}` : moment,
    invocationId: rerun === undefined ? fire : `${fire}/rerun/${rerun}`,
    createdAtMs: dueMs,
    dueAtMs: dueMs,
    ...(nominalMs !== dueMs && { nominalAtMs: nominalMs }),
    ...(kind === 'backfill' && { reason: `backfill ${id}` }),
  };
}

async function startOne(
  deps: BacklogDeps,
  request: RunBacklogRequest,
  trigger: Trigger,
  { nominalMs, previousMs }: Instant,
): Promise<StartResult> {
  const window = request.kind === 'backfill' && { fromMs: previousMs ?? nominalMs, toMs: nominalMs };
  return await startInvocation(deps, request, { ...trigger, ...(window && { window }) }, deps.clock.now());
}

function duplicate({ clock }: BacklogDeps, { invocationId, toMs }: Fire): StartResult {
  return {
    outcome: 'duplicate',
    atMs: clock.now(),
    reason: `${isoInstant(toMs)} has run already`,
    ...(invocationId !== undefined && { blockedBy: invocationId }),
  };
}

/** What the ledger says has run at these instants, whoever's creation of the schedule it was. A backlog waits for the database. */
async function ranBefore(
  store: Store,
  { scheduleId, id }: RunBacklogRequest,
  due: readonly Instant[],
): Promise<Map<number, Fire>> {
  const nominal = due.map(({ nominalMs }) => nominalMs);
  const [fromMs, untilMs] = [Math.min(...nominal), Math.max(...nominal) + 1];
  const ran = new Map<number, Fire>();
  for (let cursor: string | undefined; ; ) {
    const page = await store.listFires(
      { scheduleId, fromMs, untilMs },
      { limit: PAGE, ...(cursor !== undefined && { cursor }) },
    );
    for (const fire of page.items) {
      // Its own rows are those of a try that was lost: starting again finds what that has started.
      const own = fire.key.startsWith(`backfill/${id}/`);
      if (hasRun(fire) && !own) ran.set(fire.toMs, fire);
    }
    cursor = page.nextCursor;
    if (cursor === undefined) return ran;
  }
}
