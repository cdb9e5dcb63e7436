/**
 * What the suite `fires` counts of ours alone: the events of an invocation that is granted capacity at once, and those
 * that an idle schedule and an idle pool add while nothing happens. The whole product runs for it, under a
 * deployment of its own: both orchestration workers, a gateway and a pool worker. Called by `suite.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Schedules } from '../../src/client/schedules.ts';
import { createNames } from '../../src/contract/ids.ts';
import { eventually, type Ground } from '../ground.ts';
import { runProduct } from '../product.ts';
import type { Measured } from '../suite.ts';

/** How long nothing happens. */
export const QUIET_MS = 10_000;
/** Shortest TTL of the pool: it is swept every third of it, so ten times in `QUIET_MS`. */
const TTL_MS = 3_000;
const INVOCATIONS = 5;
const POOL = 'bench';

export async function countQuiet(ground: Ground): Promise<readonly Measured[]> {
  const names = createNames('bench-quiet');
  await runProduct(ground, names, { poolId: POOL, capacity: 2, ttlMs: TTL_MS });
  const schedules = new Schedules(ground.client, names);
  const run = { target: 'noop', pool: POOL };
  const idle = await schedules.create('idle', { spec: '@every 12h', ...run });
  const triggered = await schedules.create('triggered', { spec: 'triggered', ...run });

  const invocations: number[] = [];
  for (let i = 0; i < INVOCATIONS; i += 1) {
    const { invocationId } = await triggered.trigger();
    await ground.client.workflow.getHandle(invocationId).result();
    invocations.push(await settledLength(ground, invocationId));
  }
  const watched = [idle.workflowId, names.poolWorkflowId(POOL)];
  const lengths = () => Promise.all(watched.map((id) => settledLength(ground, id)));
  const before = await lengths();
  await sleep(QUIET_MS, undefined, { signal: ground.signal });
  const after = await lengths();
  const added = after.map((length, i) => length - (before[i] ?? Number.NaN));

  const seconds = QUIET_MS / 1_000;
  const sweeps = Math.round(QUIET_MS / (TTL_MS / 3));
  return [
    { metric: 'history events of an invocation granted at once', ours: invocations, goal: { ours: 14 } },
    { metric: `history events an idle schedule adds in ${seconds} s`, ours: added.slice(0, 1), goal: none },
    { metric: `history events an idle pool adds in ${sweeps} sweeps`, ours: added.slice(1), goal: none },
  ];
}

const none = { ours: 0 };

/** Events of a workflow that has no task to do at this moment. */
async function settledLength(ground: Ground, workflowId: string): Promise<number> {
  return await eventually(ground, `${workflowId} at rest`, 10_000, async () => {
    const { raw, historyLength } = await ground.client.workflow.getHandle(workflowId).describe();
    return raw.pendingWorkflowTask ? undefined : historyLength;
  });
}
