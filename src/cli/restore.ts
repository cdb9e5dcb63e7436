/**
 * `escapement restore`: the schedules of a snapshot, and the calendars they name, into this deployment. Promise: what exists is left as it is and said so;
 * what is absent is created with its definition and, before anything can fire, held back as it was; each schedule has a line.
 * What fell due since the snapshot is caught up with on request, by each schedule's own rule.
 */
import { eachAtOnce } from '../client/each-at-once.ts';
import type { ScheduleHandle } from '../client/schedule-handle.ts';
import type { Scheduler } from '../client/scheduler.ts';
import { AlreadyExistsError, InvalidInputError, NotExistsError } from '../contract/errors.ts';
import { print, table, warn } from './output.ts';
import { type CalendarChoice, calendarIdsOf, restoreCalendars } from './restore-calendars.ts';
import { onItsGrid } from './restore-grid.ts';
import { restoreOccurrences } from './restore-occurrences.ts';
import { type GlobalOptions, withScheduler } from './session.ts';
import { readSnapshot, type Snapshot, type SnapshotEntry } from './snapshot-file.ts';

export type RestoreOptions = GlobalOptions & {
  readonly dryRun?: boolean;
  readonly only?: readonly string[];
  readonly catchUp?: boolean;
  readonly calendars?: CalendarChoice;
};

interface Restored {
  readonly id: string;
  /** `would`: a dry run. `left`: nothing was done, see the reason. */
  readonly outcome: 'created' | 'would' | 'left' | 'failed';
  readonly state?: string;
  readonly reason?: string;
  /** The catch-up that was asked for. */
  readonly catchUp?: { readonly since: string; readonly instants: number };
  /** What of it could not be kept, a line each. */
  readonly lost?: readonly string[];
}

/** An update or two for each; the server must not feel it. */
const PACE = { atOnce: 5, perSecond: 20 };

export async function restoreSnapshot(path: string, options: RestoreOptions): Promise<void> {
  const found = await readSnapshot(path);
  warnOfMissing(found?.snapshot.unanswered ?? []);
  const entries = chosen(path, found?.snapshot.schedules ?? [], options.only);
  const named = new Set(entries.flatMap(calendarIdsOf));
  const calendars = (found?.snapshot.calendars ?? []).filter(({ id }) => named.has(id));
  const restored =
    entries.length === 0
      ? { calendars: [], schedules: [] }
      : await withScheduler(options, (scheduler) => restoreAll(scheduler, { calendars, entries }, options));
  const nothing =
    found === undefined ? `there is no snapshot at ${path}: nothing to restore` : 'no schedules';
  const schedules = await table(
    ['schedule', 'outcome', 'state', 'more'],
    restored.schedules.map(rowOf),
    nothing,
  );
  const above = await table(
    ['calendar', 'outcome', 'more'],
    restored.calendars.map(({ id, outcome, reason }) => [id, outcome, reason]),
    '',
  );
  const json = { path: found?.path, takenAt: found?.snapshot.takenAt, ...restored };
  print({ json, text: above === '' ? schedules : `${above}\n\n${schedules}` }, options);
  const wrong = [...restored.calendars, ...restored.schedules].some(
    ({ outcome }) => outcome === 'failed' || outcome === 'differs',
  );
  if (wrong) process.exitCode = 1;
}

function warnOfMissing(unanswered: NonNullable<Snapshot['unanswered']>): void {
  const why = 'is not in the snapshot, as it gave no answer when that was taken: an older one may have it';
  warn(
    'warning',
    unanswered.map(({ id }) => `schedule "${id}" ${why}`),
  );
}

async function restoreAll(
  scheduler: Scheduler,
  {
    calendars,
    entries,
  }: { readonly calendars: Snapshot['calendars']; readonly entries: readonly SnapshotEntry[] },
  options: RestoreOptions,
) {
  const restored = await restoreCalendars(scheduler.gateway, calendars, options);
  const open = new Map(
    restored.flatMap(({ id, outcome, reason = '' }) =>
      outcome === 'differs' || outcome === 'failed' ? [[id, `calendar "${id}": ${reason}`] as const] : [],
    ),
  );
  const schedules = await eachAtOnce(entries, PACE, (entry) => restoreOne(scheduler, entry, open, options));
  return { calendars: restored, schedules };
}

function rowOf({ id, outcome, state, reason, catchUp, lost = [] }: Restored) {
  const late = catchUp && `catches up with ${catchUp.instants} since ${catchUp.since}`;
  const more = [reason, late, ...lost.map((line) => `not kept: ${line}`)].filter(
    (text) => text !== undefined,
  );
  return [id, outcome, state, more.join('\n')];
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
  /** Calendars that somebody must decide on first, and why. */
  open: ReadonlyMap<string, string>,
  options: RestoreOptions,
): Promise<Restored> {
  const { id, state } = entry;
  try {
    if (state === 'finished') return { id, outcome: 'left', state, reason: 'it was finished' };
    const handle = schedules.get(id);
    if (await exists(handle)) return { id, outcome: 'left', reason: 'it exists already' };
    const undecided = calendarIdsOf(entry).flatMap((calendarId) => open.get(calendarId) ?? []);
    if (undecided.length > 0) return { id, outcome: 'failed', reason: undecided.join('; ') };
    if (options.dryRun === true) return { id, outcome: 'would', state };
    const { schedule, kept } = onItsGrid(entry);
    const hold =
      entry.paused !== undefined || entry.disabled !== undefined || entry.occurrences !== undefined;
    await schedules.create(id, { ...schedule, enabled: !hold });
    const { except, lost } = await restoreOccurrences(handle, entry);
    if (hold) await holdBack(handle, entry);
    // Its answer shows that the workflow has understood the definition.
    const described = await handle.describe();
    const notKept = [...(kept ? [] : ['what counts from its creation counts from now']), ...lost];
    const made = {
      ...{ id, outcome: 'created' as const, state: described.state },
      ...(notKept.length > 0 && { lost: notKept }),
    };
    if (options.catchUp !== true || described.state !== 'active') return made;
    const since = entry.changedAt > entry.seenAt ? entry.changedAt : entry.seenAt;
    const request = { since, reason: 'restored from a snapshot', ...(except.length > 0 && { except }) };
    const { instants } = await handle.catchUp(request);
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
