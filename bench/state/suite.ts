/**
 * Suite `state`: what a schedule carries from run to run after 100,000 past fires, on Temporal's time-skipping server. Some
 * fires really run, every one with its invocation and its ledger row; the others are before its creation, and it accounts
 * for them as after a restore: the newest runs, the rest is superseded. Measured is the input of its continue-as-new, as
 * the server keeps it. Run by `main.ts`.
 */
import type { Client } from '@temporalio/client';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { Schedules } from '../../src/client/schedules.ts';
import { createNames, isoInstant } from '../../src/contract/ids.ts';
import { BACKFILL_INSTANTS_MAX } from '../../src/core/limits.ts';
import { eventsOf } from '../histories.ts';
import { hostNoop, hostSchedules } from '../hosts.ts';
import { type Row, type Settings, type Suite, type SuiteContext, toRow } from '../suite.ts';
import { onSkippingGround, type SkippingGround } from './skipping-ground.ts';

const SECOND = 1_000;
const SCHEDULE = 'seconds';
const PAST_FIRES = 100_000;
const STATE_BYTES_MAX = 64 * 1024;
/** Turns of a run before it is made to continue as new; fires, in a schedule that nobody talks to. */
const TURNS = 100;

export const state: Suite = {
  summary: 'bytes that a schedule carries from run to run after 100,000 past fires',
  defaults: { repeats: 1, count: 500 },
  counts: 'fires that really run, of the 100,000',
  lengthMs: ({ repeats, count }) => repeats * (30_000 + count * 40),
  async run(settings, context) {
    const sizes: Sizes[] = [];
    for (let repeat = 1; repeat <= settings.repeats; repeat += 1) sizes.push(await grow(settings, context));
    return rowsOf(sizes);
  },
};

interface Sizes {
  readonly pastFires: number;
  /** Of the first continue-as-new, and of the last. */
  readonly firstBytes: number;
  readonly lastBytes: number;
}

function grow({ count }: Settings, context: SuiteContext): Promise<Sizes> {
  const names = createNames();
  return onSkippingGround(context, names, async (ground) => {
    await hostNoop(ground, names);
    await hostSchedules(ground, names, ground.activities);
    const schedule = {
      ...{ spec: 'every 1s', overlap: 'allowAll', target: 'noop' },
      catchUp: { mode: 'latest', window: '48h' },
    } as const;
    const { workflowId, firstExecutionRunId } = await ground.client.workflow.start('scheduleWorkflow', {
      args: [schedule, { continueAsNewEvery: TURNS }],
      taskQueue: names.schedulesQueue,
      workflowId: names.scheduleWorkflowId(SCHEDULE),
    });
    const handle = new Schedules(ground.client, names).get(SCHEDULE);
    const pastFires = async () => sumOf((await handle.describe()).counts);
    await ground.skip(count * SECOND);
    const ran = await pastFires();
    context.progress(`${ran} fires have run`);

    await accountBefore(ground, handle, PAST_FIRES - ran);
    // Past two further times of continuing as new, which carry all of it.
    await ground.skip(2 * TURNS * SECOND);
    const past = await pastFires();
    const bytes = await carriedBytes(ground.client, workflowId, firstExecutionRunId);
    const { [0]: firstBytes = Number.NaN, [bytes.length - 1]: lastBytes = Number.NaN } = bytes;
    context.progress(`${past} past fires, continued as new ${bytes.length} times, ${lastBytes} bytes`);
    return { pastFires: past, firstBytes, lastBytes };
  });
}

/** Has it account for so many nominal times before its creation, in stretches as long as one request may name. */
async function accountBefore(ground: SkippingGround, handle: ScheduleHandle, count: number): Promise<void> {
  const { createdAtMs } = await handle.describe();
  const endMs = Math.floor(createdAtMs / SECOND) * SECOND;
  for (let left = count; left > 0; left -= BACKFILL_INSTANTS_MAX) {
    const untilMs = endMs - (left - Math.min(left, BACKFILL_INSTANTS_MAX)) * SECOND;
    await handle.catchUp({ since: isoInstant(endMs - left * SECOND), until: isoInstant(untilMs) });
    // Its newest runs before the next stretch is named.
    await ground.skip(SECOND);
  }
}

/** Of its counts by outcome. */
function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** What each run handed to the next. */
async function carriedBytes(
  client: Client,
  workflowId: string,
  firstRunId: string,
): Promise<readonly number[]> {
  const sizes: number[] = [];
  let runId: string | undefined = firstRunId;
  while (runId !== undefined) {
    const events: Awaited<ReturnType<typeof eventsOf>> = await eventsOf(client, workflowId, runId);
    const continued = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes;
    runId = continued?.newExecutionRunId ?? undefined;
    const payloads = continued?.input?.payloads ?? [];
    if (runId !== undefined) sizes.push(payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0));
  }
  return sizes;
}

function rowsOf(sizes: readonly Sizes[]): readonly Row[] {
  return [
    toRow({
      metric: `past fires`,
      ours: sizes.map(({ pastFires: past }) => past),
      goal: { atLeast: { ours: PAST_FIRES } },
    }),
    toRow({
      metric: `state carried after them, after ${TURNS} as peer (bytes)`,
      ours: sizes.map(({ lastBytes }) => lastBytes),
      peer: sizes.map(({ firstBytes }) => firstBytes),
      goal: { ours: STATE_BYTES_MAX },
    }),
  ];
}
