/**
 * Suite `herd`: many schedules due in the same second. How long until the last of them has started, ours beside
 * Temporal's own: once with the server as it comes, where a namespace's schedules start at most 30 workflows a second, and
 * once with that limit out of the way. Run by `main.ts`.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNames, type Names } from '../../src/contract/ids.ts';
import { type Ground, onFreshGround } from '../ground.ts';
import { startTimes } from '../histories.ts';
import { hostBoth } from '../hosts.ts';
import { median } from '../statistics.ts';
import { type Measured, type Row, type Settings, type Suite, type SuiteContext, toRow } from '../suite.ts';
import { type Herd, makeHerd, type Side } from './sides.ts';

/** Time to make a herd before it is due, and for each of its schedules. */
const LEAD_MS = 8_000;
const LEAD_EACH_MS = 60;
/** All must exist this long before they are due. */
const REST_MS = 3_000;
const STARTED_WITHIN_MS = 120_000;

/** The two servers that are compared on. */
const GROUNDS = [
  { native: 'at its default limit', dynamicConfig: {}, goal: { ratio: 0.25 } },
  {
    native: 'with its limit raised',
    dynamicConfig: { 'worker.schedulerNamespaceStartWorkflowRPS': 100_000 },
    goal: { ratio: 1 },
  },
] as const;

export const herd: Suite = {
  summary: 'schedules due in the same second: until the last start, beside native Temporal Schedules',
  defaults: { repeats: 3, count: 300 },
  counts: 'schedules',
  lengthMs: ({ repeats, count }) =>
    GROUNDS.length * (10_000 + repeats * 2 * (LEAD_MS + count * (LEAD_EACH_MS + 40))),
  async run(settings, context) {
    const rows: Row[] = [];
    for (const ground of GROUNDS) rows.push(...(await measure(settings, context, ground)));
    return rows;
  },
};

/** What one herd did, ms after its due time. */
interface Stampede {
  readonly lastMs: number;
  readonly middleMs: number;
  readonly notStarted: number;
}

function measure(
  { repeats, count }: Settings,
  context: SuiteContext,
  { native, dynamicConfig, goal }: (typeof GROUNDS)[number],
): Promise<readonly Row[]> {
  const names = createNames();
  return onFreshGround(
    context,
    async (ground) => {
      await hostBoth(ground, names);
      const runs: Record<Side, Stampede[]> = { ours: [], native: [] };
      for (let repeat = 1; repeat <= repeats; repeat += 1) {
        // Neither is always the one that comes second.
        const sides: readonly Side[] = repeat % 2 === 1 ? ['ours', 'native'] : ['native', 'ours'];
        for (const side of sides) {
          const run = await stampede(ground, names, side, count);
          runs[side].push(run);
          const { lastMs, middleMs, notStarted } = run;
          const what = `native ${native}, repeat ${repeat}: ${side}`;
          ground.progress(`${what}: last ${lastMs} ms, middle ${middleMs} ms, ${notStarted} not started`);
        }
      }
      const row = (metric: string, value: (run: Stampede) => number, bound: Measured['goal'] = {}) =>
        toRow({ metric, ours: runs.ours.map(value), peer: runs.native.map(value), goal: bound });
      return [
        row(`last start of ${count}, native ${native} (ms)`, (run) => run.lastMs, goal),
        row(`middle start of ${count}, native ${native} (ms)`, (run) => run.middleMs),
        row(`not started, native ${native}`, (run) => run.notStarted, { ours: 0 }),
      ];
    },
    dynamicConfig,
  );
}

async function stampede(ground: Ground, names: Names, side: Side, count: number): Promise<Stampede> {
  const { client, signal } = ground;
  const dueMs = Math.ceil((Date.now() + LEAD_MS + count * LEAD_EACH_MS) / 1_000) * 1_000;
  const made = await makeHerd(ground, names, side, { name: `herd-${randomUUID()}`, count, dueMs });
  const leftMs = dueMs - Date.now();
  if (leftMs < REST_MS) throw new Error(`${count} schedules took too long to make: give a smaller --count`);
  await sleep(leftMs, undefined, { signal });
  await allStarted(ground, made);
  const times = await startTimes(client, made.invocationIds);
  await made.remove();
  const lateMs = times.flatMap((atMs) => (atMs === undefined ? [] : [atMs - dueMs]));
  return {
    lastMs: Math.max(...lateMs),
    middleMs: median(lateMs),
    notStarted: count - lateMs.length,
  };
}

/** Asks once a second and with one request, so that the asking is no load; what is not there in time shows in its row. */
async function allStarted({ client, signal }: Ground, { idStart, invocationIds }: Herd): Promise<void> {
  const query = `WorkflowType = "invocationWorkflow" AND WorkflowId STARTS_WITH "${idStart}"`;
  const untilMs = performance.now() + STARTED_WITHIN_MS;
  while (performance.now() < untilMs) {
    await sleep(1_000, undefined, { signal });
    const { count } = await client.workflow.count(query);
    if (count >= invocationIds.length) return;
  }
}
