/**
 * `escapement restore`: the schedules of a snapshot into this deployment. Promise: what exists is left as it is and said so;
 * what is absent is created with its definition and, before anything can fire, held back as it was; each schedule has a line.
 * What fell due since the snapshot is caught up with on request, by each schedule's own rule.
 */
import { eachAtOnce } from '../client/each-at-once.ts';
import type { ScheduleHandle } from '../client/schedule-handle.ts';
import type { Scheduler } from '../client/scheduler.ts';
import { AlreadyExistsError, InvalidInputError, NotExistsError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleInput } from '../contract/schedule.ts';
import { print, table } from './output.ts';
import { type GlobalOptions, withScheduler } from './session.ts';
import { readSnapshot, type SnapshotEntry } from './snapshot-file.ts';

export type RestoreOptions = GlobalOptions & {
  readonly dryRun?: boolean;
  readonly only?: readonly string[];
  readonly catchUp?: boolean;
};

interface Restored {
  readonly id: string;
  /** `would`: a dry run. `left`: nothing was done, see the reason. */
  readonly outcome: 'created' | 'would' | 'left' | 'failed';
  readonly state?: string;
  readonly reason?: string;
  /** The catch-up that was asked for. */
  readonly catchUp?: { readonly since: string; readonly instants: number };
}

/** An update or two for each; the server must not feel it. */
const PACE = { atOnce: 5, perSecond: 20 };

export async function restoreSnapshot(path: string, options: RestoreOptions): Promise<void> {
  const found = await readSnapshot(path);
  const entries = chosen(path, found?.snapshot.schedules ?? [], options.only);
  const results =
    entries.length === 0
      ? []
      : await withScheduler(options, (scheduler) =>
          eachAtOnce(entries, PACE, (entry) => restoreOne(scheduler, entry, options)),
        );
  const rows = results.map(({ id, outcome, state, reason, catchUp }) => [
    ...[id, outcome, state],
    reason ?? (catchUp && `catches up with ${catchUp.instants} since ${catchUp.since}`),
  ]);
  const nothing =
    found === undefined ? `there is no snapshot at ${path}: nothing to restore` : 'no schedules';
  const json = { path: found?.path, takenAt: found?.snapshot.takenAt, schedules: results };
  print({ json, text: await table(['schedule', 'outcome', 'state', 'more'], rows, nothing) }, options);
  if (results.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
}

/** @throws InvalidInputError where one that was named is not in the snapshot */
function chosen(path: string, entries: readonly SnapshotEntry[], only: readonly string[] | undefined) {
  if (only === undefined) return entries;
  const missing = only.filter((id) => entries.every((entry) => entry.id !== id));
  if (missing.length > 0) {
    const message = `${missing.map((id) => `"${id}"`).join(', ')} is not in the snapshot: leave it out`;
    throw new InvalidInputError(path, [{ path: '--only', message }]);
  }
  return entries.filter(({ id }) => only.includes(id));
}

async function restoreOne(
  { schedules }: Scheduler,
  entry: SnapshotEntry,
  options: RestoreOptions,
): Promise<Restored> {
  const { id, state } = entry;
  try {
    if (state === 'finished') return { id, outcome: 'left', state, reason: 'it was finished' };
    const handle = schedules.get(id);
    if (await exists(handle)) return { id, outcome: 'left', reason: 'it exists already' };
    if (options.dryRun === true) return { id, outcome: 'would', state };
    const hold = entry.paused !== undefined || entry.disabled !== undefined;
    await schedules.create(id, { ...onItsGrid(entry), enabled: !hold });
    if (hold) await holdBack(handle, entry);
    // Its answer shows that the workflow has understood the definition.
    const described = await handle.describe();
    const made = { id, outcome: 'created' as const, state: described.state };
    if (options.catchUp !== true || described.state !== 'active') return made;
    const since = entry.changedAt > entry.seenAt ? entry.changedAt : entry.seenAt;
    const { instants } = await handle.catchUp({ since, reason: 'restored from a snapshot' });
    return { ...made, catchUp: { since, instants } };
  } catch (error) {
    if (error instanceof AlreadyExistsError) return { id, outcome: 'left', reason: 'it exists already' };
    return { id, outcome: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function exists(handle: ScheduleHandle): Promise<boolean> {
  try {
    await handle.describe();
    return true;
  } catch (error) {
    if (error instanceof NotExistsError) return false;
    throw error;
  }
}

/**
 * The schedule was created switched off, and only what holds it back is ever taken away: at no moment can it fire. A pause
 * or switch-off whose time to end has come is over.
 */
async function holdBack(handle: ScheduleHandle, entry: SnapshotEntry): Promise<void> {
  const paused = lasting(entry.paused);
  const disabled = lasting(entry.disabled);
  if (disabled === undefined) {
    if (paused !== undefined) await handle.pause(paused);
    await handle.enable();
    return;
  }
  // Switching off what is off changes nothing, so its reason is given anew under a pause.
  await handle.pause(paused ?? { reason: 'being restored' });
  await handle.enable();
  await handle.disable(disabled);
  if (paused === undefined) await handle.resume();
}

function lasting(suspension: SnapshotEntry['paused']) {
  if (suspension === undefined) return undefined;
  const { since: _, ...request } = suspension;
  return request.until !== undefined && Date.parse(request.until) <= Date.now()
    ? undefined
    : (JSON.parse(JSON.stringify(request)) as { until?: string; reason?: string; actor?: string });
}

/** `@every` counts from the creation: from the first one, where nothing else of the spec would be touched by an anchor. */
function onItsGrid({ schedule, createdAt }: SnapshotEntry): ScheduleInput {
  const { spec } = schedule;
  if (typeof spec !== 'object' || !('expressions' in spec)) return schedule;
  const expressions = [spec.expressions ?? []].flat();
  const isFree = spec.anchor === undefined && spec.phase === undefined;
  const others = expressions.some((text) => /^\s*(every|rate)\b/i.test(text));
  if (!isFree || others || !expressions.some((text) => EVERY.test(text))) return schedule;
  const anchor = isoInstant(Math.floor(Date.parse(createdAt) / 1_000) * 1_000);
  return {
    ...schedule,
    spec: { ...spec, anchor, expressions: expressions.map((text) => text.replace(EVERY, 'every ')) },
  };
}

const EVERY = /^\s*@every\s+/i;
