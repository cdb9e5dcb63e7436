/**
 * `escapement schedule backfill` and `schedule backlog …`: stretches of due times that have passed, run beside the live ones.
 * `--dry-run` shows what would run, and what has run already.
 */
import type { BackfillPreview } from '../client/backfill-preview.ts';
import type { Scheduler } from '../client/scheduler.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import type { BackfillRequest, BacklogDescription } from '../contract/messages.ts';
import { BACKFILL_INSTANTS_MAX } from '../core/limits.ts';
import { counted, print, shortInstant, table, warn } from './output.ts';
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
        : `backfill ${result.id}: ${counted(result.instants, 'due time')} of (${request.from}, ${request.to}]`;
    print({ json: result, text }, options);
  });
}

async function lookOnly({ schedules }: Scheduler, id: string, options: BackfillOptions): Promise<void> {
  const { from, to, order, rerun, count } = options;
  const stretch = { from: isoInstant(from), to: isoInstant(to) };
  const request = { ...stretch, ...defined({ order, rerun, count }) };
  const preview = await schedules.get(id).previewBackfill(request);
  if (!preview.ledgerRead) warn('note', ['the ledger could not be asked what of it has run already']);
  print({ json: { id, dryRun: true, ...preview }, text: previewText(preview) }, options);
}

function previewText({ instants, order, tooMany, times }: BackfillPreview): string {
  const due = counted(instants, 'due time');
  const head = tooMany
    ? `${due}: too many for one backfill, at most ${BACKFILL_INSTANTS_MAX} are taken: name a shorter stretch`
    : `${due} would run, ${order} first; nothing was done`;
  const lines = times.map(({ nominalAtMs, duplicateOf }) => {
    const at = isoInstant(nominalAtMs);
    return duplicateOf === undefined ? at : `${at}   duplicate: ${duplicateOf} ran it`;
  });
  const more = instants > times.length ? [`and ${instants - times.length} more`] : [];
  const ran = times.filter(({ duplicateOf }) => duplicateOf !== undefined).length;
  const known =
    ran === 0
      ? []
      : [`${ran} of the ${times.length} shown ran already, and would not run again without --rerun`];
  return [head, ...[...lines, ...more].map((line) => `  ${line}`), ...known].join('\n');
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
