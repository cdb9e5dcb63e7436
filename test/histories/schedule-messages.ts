/**
 * The histories of schedules that were spoken to: queues, triggers, backfills, single times, revisions; and of some that nobody
 * hosted for a while. Called by `record.ts`.
 */
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { ScheduleHandle as Handle } from '../../src/client/schedule-handle.ts';
import { isoInstant } from '../../src/contract/ids.ts';
import type { ScheduleDescription } from '../../src/contract/messages.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { eventually } from '../workflows/eventually.ts';
import type { InvocationWorld, TestPool } from '../workflows/invocation-world.ts';
import { save } from './save.ts';

const SECOND = 1_000;
/** Longer than a fire may come late. */
const DOWN_MS = 13 * SECOND;

export async function createSchedule(
  world: InvocationWorld,
  id: string,
  input: ScheduleInput,
  continueAsNewEvery?: number,
): Promise<ScheduleHandle> {
  await world.client.workflow.start('scheduleWorkflow', {
    args: [input, ...(continueAsNewEvery === undefined ? [] : [{ continueAsNewEvery }])],
    taskQueue: world.names.schedulesQueue,
    workflowId: world.names.scheduleWorkflowId(id),
  });
  return new Handle(world.client, world.names, id);
}

const until = (handle: ScheduleHandle, holds: (said: ScheduleDescription) => boolean) =>
  eventually(() => handle.describe(), holds);

const started = (n: number) => (said: ScheduleDescription) =>
  (said.counts.started ?? 0) >= n && said.active.length + said.unsentRows + said.backlogs.length === 0;

export async function recordMessages(world: InvocationWorld, { id: pool }: TestPool): Promise<void> {
  const byHand: ScheduleInput = { spec: 'triggered', target: 'quick', pool };

  const buffered = await createSchedule(world, 'buffered', { ...byHand, overlap: 'bufferAll' });
  for (const key of ['a', 'b', 'c']) await buffered.trigger({ key });
  await until(buffered, started(3));
  await save(world, 'schedule-buffered', buffered.workflowId);

  const greedy = await createSchedule(world, 'greedy', { ...byHand, triggering: 'greedy' });
  await greedy.triggerMany(['a', 'b', 'c'].map((key) => ({ key, input: { key } })));
  await until(greedy, started(3));
  await greedy.pause({ until: isoInstant(Date.now() + SECOND), reason: 'for a second' });
  await until(greedy, ({ paused }) => paused === undefined);
  await greedy.trigger({ key: 'd' });
  await until(greedy, started(4));
  await save(world, 'schedule-greedy', greedy.workflowId);

  const filled = await createSchedule(world, 'filled', { ...byHand, spec: 'every 1d', enabled: false });
  const stretch = { from: '2026-01-01T00:00:00Z', to: '2026-01-04T00:00:00Z' };
  await filled.backfill({ ...stretch, key: 'first', perSecond: 2 });
  await until(filled, started(3));
  await filled.backfill({ ...stretch, key: 'again', order: 'newest', concurrency: 0, rerun: true });
  await until(filled, started(6));
  await filled.catchUp({ since: stretch.from, until: stretch.to });
  await until(filled, ({ counts }) => counts.missed === 3);
  await save(world, 'schedule-backfilled', filled.workflowId);

  const revised = await createSchedule(world, 'revised', byHand);
  await revised.change({ ...byHand, spec: 'every 1d', note: 'daily' }, { revision: 1, actor: 'recorder' });
  await revised.revert({ to: 1, reason: 'better before' });
  await save(world, 'schedule-reverted', revised.workflowId);

  await occurrences(world, pool);
}

async function occurrences(world: InvocationWorld, pool: string): Promise<void> {
  const input = { spec: 'every 2s', target: 'quick', pool, overlap: 'allowAll' } as const;
  const handle = await createSchedule(world, 'occurring', input);
  const due = (n: number) => isoInstant((Math.floor(Date.now() / SECOND / 2) + n) * 2 * SECOND);
  const [skipped, held, moved, kept] = [due(3), due(4), due(5), due(6)];
  await handle.skipOccurrence(skipped);
  await handle.holdOccurrence(held, { reason: 'not yet' });
  await handle.moveOccurrence(moved, due(7));
  await handle.skipOccurrence(kept);
  await handle.restoreOccurrence(kept);
  await until(handle, ({ counts }) => counts.held === 1);
  await handle.restoreOccurrence(held);
  await until(handle, ({ counts, occurrences: left }) => counts.moved === 1 && left.length === 0);
  await save(world, 'schedule-occurrences', handle.workflowId);
}

/** Schedules of all catch-up rules that go on while nobody hosts them. */
export async function beginDowntime(world: InvocationWorld): Promise<void> {
  for (const mode of ['none', 'latest', 'all'] as const) {
    const input = { spec: 'every 2s', target: 'quick', overlap: 'allowAll' } as const;
    const catchUp = { mode, ...(mode === 'all' && { window: '10s' }) };
    const handle = await createSchedule(world, `late-${mode}`, { ...input, catchUp });
    await until(handle, started(1));
  }
}

/** Called once they are hosted again. */
export async function recordDowntime(world: InvocationWorld): Promise<void> {
  for (const mode of ['none', 'latest', 'all']) {
    const handle = new Handle(world.client, world.names, `late-${mode}`);
    await until(handle, ({ counts, backlogs }) => {
      const { missed = 0, superseded = 0 } = counts;
      return missed + superseded > 0 && backlogs.length === 0;
    });
    await handle.delete();
    await save(world, `schedule-late-${mode}`, handle.workflowId);
  }
}

export async function waitForDowntime(): Promise<void> {
  const sinceMs = Date.now();
  await eventually(
    async () => Date.now(),
    (nowMs) => nowMs > sinceMs + DOWN_MS,
  );
}
