/**
 * The two sides of the suite `herd`: many schedules of ours, or as many of Temporal's own, all due at one instant. Used by
 * `suite.ts`. Promise: same workflow type, same task queue, same daily interval and phase, no input on either side.
 */
import { eachAtOnce } from '../../src/client/each-at-once.ts';
import { Schedules } from '../../src/client/schedules.ts';
import { isoInstant, type Names } from '../../src/contract/ids.ts';
import type { Ground } from '../ground.ts';

/** Calls under way at once while a herd is made, and while it is removed. */
const AT_ONCE = 10;
const DAY_MS = 24 * 3_600_000;

export type Side = 'ours' | 'native';

/** Schedules that exist, and what they will start. */
export interface Herd {
  readonly invocationIds: readonly string[];
  /** What the ids of all that they start begin with. */
  readonly idStart: string;
  remove(): Promise<void>;
}

interface Made {
  readonly invocationId: string;
  remove(): Promise<void>;
}

/** @param name of the herd, and the beginning of each schedule's id */
export async function makeHerd(
  ground: Ground,
  names: Names,
  side: Side,
  { name, count, dueMs }: { readonly name: string; readonly count: number; readonly dueMs: number },
): Promise<Herd> {
  const ids = Array.from({ length: count }, (_, i) => `${name}-${i}`);
  const make = side === 'ours' ? makeOurs : makeNative;
  const made = await eachAtOnce(ids, { atOnce: AT_ONCE }, (id) => make(ground, names, id, dueMs));
  return {
    invocationIds: made.map(({ invocationId }) => invocationId),
    idStart: side === 'ours' ? names.scheduleWorkflowId(`${name}-`) : nativeId(`${name}-`),
    remove: async () => void (await eachAtOnce(made, { atOnce: AT_ONCE }, (one) => one.remove())),
  };
}

async function makeOurs({ client }: Ground, names: Names, id: string, dueMs: number): Promise<Made> {
  const schedules = new Schedules(client, names);
  await schedules.create(id, { spec: { expressions: 'every 24h', phase: dueMs % DAY_MS }, target: 'noop' });
  return {
    invocationId: names.fireInvocationId(id, dueMs),
    remove: () => schedules.delete(id),
  };
}

async function makeNative({ client }: Ground, names: Names, id: string, dueMs: number): Promise<Made> {
  const handle = await client.schedule.create({
    scheduleId: id,
    spec: { intervals: [{ every: DAY_MS, offset: dueMs % DAY_MS }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'invocationWorkflow',
      taskQueue: names.invocationsQueue,
      workflowId: nativeId(id),
      args: [],
    },
  });
  return {
    invocationId: `${nativeId(id)}-${isoInstant(dueMs)}`,
    remove: () => handle.delete(),
  };
}

function nativeId(scheduleId: string): string {
  return `native/${scheduleId}`;
}
