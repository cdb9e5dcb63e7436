/** `escapement schedule list`, `describe` and `fires`: what is there, what one schedule is up to, what became of its due times. */
import type { Fire, Outcome } from '../contract/ledger.ts';
import type { ScheduleDescription, Suspension } from '../contract/messages.ts';
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleSpec } from '../contract/schedule.ts';
import { readCalendars } from '../client/definition.ts';
import { AFFECTED_AHEAD_MS, type CompiledSpec, compileSpec } from '../core/cron/spec.ts';
import { formatDuration } from '../core/duration.ts';
import { clockChangeLines } from './clock-changes.ts';
import { card, print, section, shortInstant, shortLength, table } from './output.ts';
import { collect, type GlobalOptions, openGateway, withScheduler } from './session.ts';

const NEXT_SHOWN = 5;

export async function listSchedules(options: GlobalOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const items = [];
    for await (const item of scheduler.schedules.list()) items.push(item);
    items.sort((a, b) => (a.id < b.id ? -1 : 1));
    const rows = items.map((item) => [
      item.id,
      item.state ?? '?',
      item.target,
      item.pool,
      shortInstant(item.startedAtMs),
    ]);
    const head = ['schedule', 'state', 'target', 'pool', 'since (UTC)'];
    print({ json: items, text: await table(head, rows, 'no schedules') }, options);
  });
}

export async function describeSchedule(id: string, options: GlobalOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const description = await scheduler.schedules.get(id).describe();
    const nowMs = Date.now();
    // Without them it would tell wrong times, so that what the schedule itself has planned is shown alone.
    const { spec: written } = description.definition;
    const calendars = await readCalendars(scheduler.gateway, written).catch(() => ({}));
    const compiled = compileSpec(written, { firesAfterMs: -Infinity, calendars });
    const spec = compiled.ok ? compiled.compiled : undefined;
    const nextTimesMs = nextTimes(description, spec, nowMs);
    const affected = spec?.affectedDates(nowMs, nowMs + AFFECTED_AHEAD_MS) ?? [];
    const json = { ...description, nextTimesMs, affectedDates: affected };
    print({ json, text: cardOf(description, spec, nextTimesMs, affected) }, options);
  });
}

/** What will be due as things stand: nothing of what a pause or a switch holds back. */
function nextTimes(
  { state, timing, nextTimesMs }: ScheduleDescription,
  spec: CompiledSpec | undefined,
  nowMs: number,
): readonly number[] {
  if (state === 'paused' || state === 'disabled' || state === 'finished') return [];
  if (timing.kind !== 'absolute' || spec === undefined) return nextTimesMs;
  return spec.times(nowMs, Number.MAX_SAFE_INTEGER, NEXT_SHOWN);
}

/** One line: which schedule, its state, and since when and why. */
export function stateLine({ id, state, revision, paused, disabled }: ScheduleDescription): string {
  const suspension = disabled ?? paused;
  const why = suspension === undefined ? '' : ` ${suspensionText(suspension)}`;
  return `schedule "${id}" is ${state}, revision ${revision}${why}`;
}

function suspensionText({ sinceMs, untilMs, actor, reason }: Suspension): string {
  return [
    `since ${isoInstant(sinceMs)}`,
    untilMs !== undefined && `until ${isoInstant(untilMs)}`,
    actor !== undefined && `by ${actor}`,
    reason !== undefined && `(${reason})`,
  ]
    .filter(Boolean)
    .join(' ');
}

function cardOf(
  shown: ScheduleDescription,
  spec: CompiledSpec | undefined,
  nextTimesMs: readonly number[],
  affected: ReturnType<CompiledSpec['affectedDates']>,
): string {
  const { notes, problems } = shown;
  return [
    `${stateLine(shown)}\n`,
    card([...definitionEntries(shown), ...stateEntries(shown)]),
    section('next times', timeLines(spec, nextTimesMs)),
    section('clock changes of the next two years', clockChangeLines(affected)),
    section('notes', notes),
    section(
      'problems',
      problems.map((problem) => `${isoInstant(problem.atMs)}  ${problem.message}`),
    ),
  ]
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trimEnd();
}

type Entries = readonly (readonly [string, string | undefined])[];

function definitionEntries({ definition }: ScheduleDescription): Entries {
  const { spec, run, overlap, triggering, catchUp, limitedRuns, pauseOnFailure, triggers, note } = definition;
  const { retry, dataset, target } = run;
  const bounds = [
    spec.startAtMs !== undefined && `from ${isoInstant(spec.startAtMs)}`,
    spec.endAtMs !== undefined && `until ${isoInstant(spec.endAtMs)}`,
  ].filter(Boolean);
  return [
    ['note', note],
    ['when', `${spec.expressions.join(' | ')} (${[spec.timeZone, ...bounds].join(', ')})`],
    ['except', exceptText(spec)],
    ['jitter', spec.jitterMs === undefined ? undefined : `less than ${formatDuration(spec.jitterMs)}`],
    ['what', `${target.name} on pool ${run.pool}, size ${run.size}`],
    ['input', target.input === undefined ? undefined : JSON.stringify(target.input)],
    ['dataset', dataset && `${dataset.id}, ${dataset.mode}`],
    triggering === undefined
      ? ['overlap', overlap]
      : [
          'triggering',
          `${triggering.kind}, ${triggering.maxConcurrent} at once, batches of ${triggering.maxBatch}`,
        ],
    ['catch up', `${catchUp.mode}, ${formatDuration(catchUp.windowMs)} back`],
    ['ends', limitedRuns === undefined ? undefined : `after ${limitedRuns} automatic runs`],
    ['on failure', pauseOnFailure === true ? 'pauses' : undefined],
    ['triggers', triggers?.join(', ')],
    [
      'retries',
      retry.limit === 0
        ? 'none'
        : `${retry.limit}, after ${formatDuration(retry.minBackoffMs)} to ${formatDuration(retry.maxBackoffMs)}`,
    ],
    ['attempt', `at most ${formatDuration(run.timeouts.attemptMs)}, ${run.consistency}`],
  ];
}

/** What a spec leaves out; undefined where that is nothing. */
export function exceptText({ exclude }: ScheduleSpec): string | undefined {
  if (exclude === undefined) return undefined;
  const calendars = exclude.calendars.map((id) => `calendar "${id}"`);
  return [...exclude.expressions, ...calendars].join(' | ');
}

function stateEntries({
  counts,
  last,
  running,
  waitingFor,
  skipsInARow,
  unsentRows,
}: ScheduleDescription): Entries {
  const due = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const each = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`);
  return [
    ['due times', each.length === 0 ? '0' : `${due}: ${each.join(', ')}`],
    [
      'last',
      last &&
        `${isoInstant(last.dueAtMs)} ${last.outcome}${last.invocationId ? `, ${last.invocationId}` : ''}`,
    ],
    ['running', running],
    ['waits for', waitingFor],
    ['skips', skipsInARow > 0 ? `${skipsInARow} in a row` : undefined],
    ['unsent', unsentRows > 0 ? `${unsentRows} ledger rows wait for the database` : undefined],
  ];
}

/** Wall time beside UTC, or UTC alone. */
function timeLines(spec: CompiledSpec | undefined, timesMs: readonly number[]): readonly string[] {
  if (spec === undefined || spec.timeZone === 'UTC') return timesMs.map(isoInstant);
  return timesMs.map((atMs) => `${spec.local(atMs)}   ${isoInstant(atMs)}`);
}

export type FiresOptions = GlobalOptions & {
  readonly from?: number;
  readonly until?: number;
  readonly outcome?: Outcome;
  readonly limit: number;
};

/** The ledger of one schedule, newest first as the gateway gives it. */
export async function listFires(id: string, options: FiresOptions): Promise<void> {
  const gateway = await openGateway(options);
  const filter = { scheduleId: id, fromMs: options.from, untilMs: options.until, outcome: options.outcome };
  const fires = await collect((page) => gateway.listFires(filter, page), options.limit);
  const head = ['due (UTC)', 'outcome', 'late', 'run', 'took', 'worker', 'why'];
  print(
    { json: fires, text: await table(head, fires.map(fireRow), `nothing recorded for "${id}"`) },
    options,
  );
}

function fireRow(fire: Fire): readonly (string | undefined)[] {
  const { run } = fire;
  const due =
    fire.kind === 'span'
      ? `${fire.count}x, ${shortInstant(fire.fromMs)} to ${shortInstant(fire.toMs)}`
      : shortInstant(fire.toMs);
  return [
    due,
    fire.outcome,
    fire.outcome === 'started' ? shortLength(fire.decidedAtMs - fire.toMs) : undefined,
    run?.status,
    run && shortLength(run.endedAtMs - run.startedAtMs),
    run?.workerId,
    run?.error?.message ?? fire.reason,
  ];
}
