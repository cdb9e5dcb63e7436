/**
 * `escapement snapshot`: all schedules, as they are, into a file; once, or again and again as a process that stays and keeps
 * the newest files. What a file holds is in snapshot-file.ts.
 */
import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ASKED_AT_ONCE, createAsking } from '../client/ask-schedules.ts';
import { eachAtOnce } from '../client/each-at-once.ts';
import type { GatewayClient } from '../client/gateway-client.ts';
import { Scheduler } from '../client/scheduler.ts';
import { InvalidInputError, NotExistsError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import type { Occurrence, ScheduleDescription, Suspension } from '../contract/messages.ts';
import { formatDuration } from '../core/duration.ts';
import { serveHealth } from '../worker/health.ts';
import { counted, print, warn } from './output.ts';
import { live, whenUp } from './process-life.ts';
import { createLog } from './process-log.ts';
import { calendarIdsOf, contentOf } from './restore-calendars.ts';
import { defined } from './run-flags.ts';
import { inputOf } from './schedule-flags.ts';
import { type GlobalOptions, withScheduler } from './session.ts';
import {
  isFolder,
  keepNewest,
  type Snapshot,
  type SnapshotEntry,
  snapshotName,
  snapshotText,
  writeSnapshot,
} from './snapshot-file.ts';

export type SnapshotOptions = GlobalOptions & {
  readonly to?: string;
  readonly every?: number;
  readonly keep: number;
  readonly healthPort?: number;
};

/**
 * Of all schedules that answer; it names those that do not.
 * @throws UnavailableError where none of them answers, or the gateway does not for a calendar
 */
async function takeSnapshot({ schedules, names, gateway }: Scheduler): Promise<Snapshot> {
  const takenAt = isoInstant(Date.now());
  const ask = createAsking(schedules);
  const asked = await eachAtOnce(schedules.list(), { atOnce: ASKED_AT_ONCE }, async ({ id }) => {
    const seenAtMs = Date.now();
    return { id, seenAtMs, answer: await ask(id) };
  });
  const entries = asked.flatMap(({ seenAtMs, answer }) =>
    answer.kind === 'said' ? [entryOf(answer.description, seenAtMs)] : [],
  );
  const silent = asked.flatMap(({ id, answer }) =>
    answer.kind === 'silent' ? [{ id, error: answer.error }] : [],
  );
  const [first] = silent;
  if (first !== undefined && entries.length === 0) throw first.error;
  const sorted = entries.toSorted(byId);
  const calendars = await calendarsOf(gateway, sorted);
  const unanswered = silent.toSorted(byId).map(({ id, error }) => ({ id, reason: error.message }));
  return {
    ...{ takenAt, deployment: names.deployment, calendars, schedules: sorted },
    ...(unanswered.length > 0 && { unanswered }),
  };
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}

/** Those that the schedules name and that are there; without any the gateway is not asked. */
async function calendarsOf(gateway: GatewayClient, entries: readonly SnapshotEntry[]) {
  const ids = [...new Set(entries.flatMap(calendarIdsOf))].sort();
  const found = await eachAtOnce(ids, { atOnce: ASKED_AT_ONCE }, async (id) => {
    try {
      return [{ id, content: contentOf(await gateway.getCalendar(id)) }];
    } catch (error) {
      if (error instanceof NotExistsError) return [];
      throw error;
    }
  });
  return found.flat();
}

export function entryOf(schedule: ScheduleDescription, seenAtMs: number): SnapshotEntry {
  const { id, definition, state, revision, createdAtMs, changedAtMs, last, runsLeft } = schedule;
  const input = inputOf(definition);
  return {
    ...{ id, state, revision, createdAt: isoInstant(createdAtMs), changedAt: isoInstant(changedAtMs) },
    // What has been spent of a limited number of runs is spent.
    schedule: runsLeft === undefined || runsLeft < 1 ? input : { ...input, limitedRuns: runsLeft },
    seenAt: isoInstant(seenAtMs),
    ...(last !== undefined && { lastDueAt: isoInstant(last.dueAtMs) }),
    ...(schedule.paused && { paused: suspensionOf(schedule.paused) }),
    ...(schedule.disabled && { disabled: suspensionOf(schedule.disabled) }),
    ...(schedule.occurrences.length > 0 && { occurrences: schedule.occurrences.map(occurrenceOf) }),
  };
}

function suspensionOf({ sinceMs, untilMs, reason, actor }: Suspension) {
  const until = untilMs === undefined ? undefined : isoInstant(untilMs);
  return { since: isoInstant(sinceMs), ...defined({ until, reason, actor }) };
}

function occurrenceOf({ nominalMs, act, toMs, reason, actor }: Occurrence) {
  const to = toMs === undefined ? undefined : isoInstant(toMs);
  return { at: isoInstant(nominalMs), act, ...defined({ to, reason, actor }) };
}

/**
 * One snapshot: into a file, into a folder under a name of its own, or to stdout. The process ends with exit code 1 where a
 * schedule is missing from it.
 */
export async function snapshotOnce(options: SnapshotOptions): Promise<void> {
  const snapshot = await withScheduler(options, takeSnapshot);
  const { unanswered } = snapshot;
  if (unanswered !== undefined) {
    warn('warning', unanswered.map(missingText));
    process.exitCode = 1;
  }
  const { to } = options;
  if (to === undefined) {
    process.stdout.write(snapshotText(snapshot));
    return;
  }
  const path = to.endsWith('/') || (await isFolder(to)) ? join(to, snapshotName(snapshot.takenAt)) : to;
  await writeSnapshot(path, snapshot);
  const count = snapshot.schedules.length;
  const { takenAt } = snapshot;
  print(
    {
      json: { path, takenAt, schedules: count, unanswered },
      text: `${counted(count, 'schedule')} written to ${path}`,
    },
    options,
  );
}

function missingText({ id, reason }: { readonly id: string; readonly reason: string }): string {
  return `schedule "${id}" is missing from the snapshot: ${reason}`;
}

/** At once, rather than at each snapshot. @throws InvalidInputError where a file is in the way, or it may not be written */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    const isFile = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    const why = isFile ? 'a file is there' : error instanceof Error ? error.message : String(error);
    const message = `"${folder}" cannot be the folder that --every writes file after file into (${why}): give another`;
    throw new InvalidInputError('snapshot', [{ path: '--to', message }], { cause: error });
  }
}

/** What the health address shows. */
type Latest = Partial<Pick<Snapshot, 'takenAt' | 'unanswered'>> & { schedules?: number; failure?: string };

/** Runs until SIGTERM or SIGINT; the snapshot under way is finished. Answers the exit code. @throws InvalidInputError */
export async function runSnapshots(options: SnapshotOptions & { readonly every: number }): Promise<number> {
  const { to: folder, every: everyMs, keep } = options;
  if (folder === undefined) {
    const message = 'is missing: --every writes file after file, so give a folder for them';
    throw new InvalidInputError('snapshot', [{ path: '--to', message }]);
  }
  await makeFolder(folder);
  const log = createLog();
  return await live(async ({ stop, closing }) => {
    const latest: Latest = {};
    let told = new Set<string>();
    const health = await serveHealth({
      port: options.healthPort ?? 0,
      report: () => ({
        healthy: latest.takenAt !== undefined && latest.failure === undefined,
        body: { role: 'snapshot', folder, ...latest },
      }),
    });
    closing(() => health.close());
    const scheduler = await whenUp(() => Scheduler.connect(options), { stop, log });
    closing(() => scheduler.close());
    print(
      {
        json: { role: 'snapshot', folder, everyMs, keep, healthUrl: health.url },
        text: `snapshots are taken every ${formatDuration(everyMs)} into ${folder}, the newest ${keep} are kept\nhealth: ${health.url}`,
      },
      options,
    );
    while (!stop.aborted) {
      try {
        const snapshot = await takeSnapshot(scheduler);
        await writeSnapshot(join(folder, snapshotName(snapshot.takenAt)), snapshot);
        await keepNewest(folder, keep);
        if (latest.failure !== undefined) log.info('snapshots are taken again');
        delete latest.failure;
        const { takenAt, unanswered = [], schedules } = snapshot;
        Object.assign(latest, { takenAt, unanswered, schedules: schedules.length });
        for (const one of unanswered)
          if (!told.has(one.id)) log.warn(missingText(one), { scheduleId: one.id });
        told = new Set(unanswered.map(({ id }) => id));
      } catch (error) {
        const failure = error instanceof Error ? error.message : String(error);
        if (latest.failure !== failure) log.error('no snapshot could be taken', { error });
        latest.failure = failure;
      }
      await sleep(everyMs, undefined, { signal: stop }).catch(() => undefined);
    }
    log.info('snapshot has stopped');
  });
}
