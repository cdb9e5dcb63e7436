/**
 * `escapement schedule backfill` and `schedule backlog …`: stretches of due times that have passed, run beside the live ones.
 * `--dry-run` computes them here, by the definition that the schedule has now, and asks the schedule for nothing else.
 */
import { readCalendars } from '../client/definition.ts';
import type { Scheduler } from '../client/scheduler.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import type { BackfillRequest, BacklogDescription } from '../contract/messages.ts';
import { dueTimes } from '../core/cron/jitter.ts';
import { compileSpec } from '../core/cron/spec.ts';
import { BACKFILL_INSTANTS_MAX } from '../core/limits.ts';
import { print, shortInstant, table } from './output.ts';
import { defined } from './run-flags.ts';
import { type ActOptions, noteOf } from './schedule-acts.ts';
import { type GlobalOptions, withScheduler } from './session.ts';

export type BackfillOptions = ActOptions & {
  readonly from: number;
  readonly to: number;
  readonly order?: 'oldest' | 'newest';
  readonly concurrency?: number;
  readonly perSecond?: number;
  readonly rerun?: boolean;
  readonly key?: string;
  readonly dryRun?: boolean;
  /** With `dryRun`: instants shown. */
  readonly count?: number;
};

const SHOWN_DEFAULT = 20;

export async function backfill(id: string, options: BackfillOptions): Promise<void> {
  const { from, to, order, concurrency, perSecond, rerun, key } = options;
  const subject = `schedule "${id}"`;
  if (to <= from) {
    const message = `${isoInstant(to)} is not after --from ${isoInstant(from)}: exchange them`;
    throw new InvalidInputError(subject, [{ path: '--to', message }]);
  }
  if (options.count !== undefined && options.dryRun !== true) {
    throw new InvalidInputError(subject, [{ path: '--count', message: 'is for --dry-run: leave it out' }]);
  }
  await withScheduler(options, async (scheduler) => {
    if (options.dryRun === true) return await lookOnly(scheduler, id, options);
    const request: BackfillRequest = {
      ...noteOf(options),
      ...{ from: isoInstant(from), to: isoInstant(to) },
      ...defined({ order, concurrency, perSecond, rerun, key }),
    };
    const result = await scheduler.schedules.get(id).backfill(request);
    const text =
      result.instants === 0
        ? `nothing was due in (${request.from}, ${request.to}]`
        : `backfill ${result.id}: ${result.instants} due times of (${request.from}, ${request.to}]`;
    print({ json: result, text }, options);
  });
}

async function lookOnly(scheduler: Scheduler, id: string, options: BackfillOptions): Promise<void> {
  const { from, to, order = 'oldest', count: max = SHOWN_DEFAULT } = options;
  const { definition, timing } = await scheduler.schedules.get(id).describe();
  const { spec } = definition;
  const refuse = (path: string, message: string) =>
    new InvalidInputError(`schedule "${id}"`, [{ path, message }]);
  if (timing.kind !== 'absolute') {
    throw refuse('--from', 'this schedule has no fixed nominal times: trigger it instead');
  }
  if (to > Date.now()) throw refuse('--to', `${isoInstant(to)} is still to come: live fires run that`);
  const calendars = await readCalendars(scheduler.gateway, spec);
  const read = compileSpec(spec, { firesAfterMs: -Infinity, calendars, missingCalendars: 'ignore' });
  if (!read.ok) throw new InvalidInputError(`schedule "${id}"`, read.issues);
  const due = dueTimes(read.compiled, id, spec.jitterMs);
  const instants = due.count(from, to);
  const tooMany = instants > BACKFILL_INSTANTS_MAX;
  const times = order === 'oldest' ? due.times(from, to, max) : due.newest(from, to, max);
  const runs = times.map(({ nominalMs }) => isoInstant(nominalMs));
  const more = instants > runs.length ? [`and ${instants - runs.length} more`] : [];
  const head = tooMany
    ? `${instants} due times: too many for one backfill, at most ${BACKFILL_INSTANTS_MAX} are taken: name a shorter stretch`
    : `${instants} due times would run, ${order} first; nothing was done`;
  const json = { id, dryRun: true, instants, order, tooMany, times: runs };
  print({ json, text: [head, ...[...runs, ...more].map((line) => `  ${line}`)].join('\n') }, options);
}

export async function listBacklogs(id: string, options: GlobalOptions): Promise<void> {
  await withScheduler(options, async ({ schedules }) => {
    const { backlogs } = await schedules.get(id).describe();
    const head = ['backlog', 'kind', 'order', 'done', 'left', 'running', 'still to run (UTC)'];
    const rows = backlogs.map(({ afterMs, untilMs, ...one }) => [
      ...[one.id, one.kind, one.order, one.done, one.left, one.running],
      `${shortInstant(afterMs)} to ${shortInstant(untilMs)}`,
    ]);
    print({ json: backlogs, text: await table(head, rows, `no backlogs of "${id}"`) }, options);
  });
}

export async function stopBacklog(id: string, backlog: string, options: ActOptions): Promise<void> {
  await withScheduler(options, async ({ schedules }) => {
    const description = await schedules.get(id).stopBacklog(backlog, noteOf(options));
    print(
      { json: description, text: `schedule "${id}": backlog ${backlog} is stopped; its runs go on` },
      options,
    );
  });
}

/** One line of `describe`. */
export function backlogLine({ id, kind, order, done, left, running, untilMs }: BacklogDescription): string {
  return `${id}   ${kind}, ${order} first: ${done} done, ${left} left, ${running} running, up to ${isoInstant(untilMs)}`;
}
