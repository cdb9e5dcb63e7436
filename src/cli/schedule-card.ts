/**
 * A schedule as `schedule describe` shows it: what it is, how it stands, and what is out of the ordinary, each only where
 * there is something to say. Pure.
 */
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleDescription, Suspension } from '../contract/messages.ts';
import type { CatchUp, RunPolicy, TriggeringPolicy } from '../contract/schedule.ts';
import type { AffectedDate, CompiledSpec } from '../core/cron/spec.ts';
import { formatDuration } from '../core/duration.ts';
import { clockChangeLines } from './clock-changes.ts';
import { card, counted, section } from './output.ts';
import { backlogLine } from './schedule-backlogs.ts';
import { occurrenceLine } from './schedule-occurrences.ts';
import { exceptText, jitterText, whatText, whenText } from './spec-text.ts';

/** What a person looks at: a longer list has a command of its own, or stands in `--json`. */
const LISTED_MAX = 5;

export interface Described {
  readonly description: ScheduleDescription;
  /** Absent where its calendars cannot be read. */
  readonly spec: CompiledSpec | undefined;
  readonly nextTimesMs: readonly number[];
  readonly affected: readonly AffectedDate[];
}

type Entries = readonly (readonly [string, string | undefined])[];

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

export function cardOf({ description, spec, nextTimesMs, affected }: Described): string {
  const { notes, problems, occurrences, backlogs } = description;
  return [
    `${stateLine(description)}\n`,
    card([...definitionEntries(description), ...stateEntries(description)]),
    section('next times', timeLines(spec, nextTimesMs)),
    section('not as planned', firstOf(occurrences.map(occurrenceLine))),
    section('backlogs', backlogs.map(backlogLine)),
    section('waiting triggers', pendingLines(description)),
    section('clock changes of the next two years', clockChangeLines(affected)),
    section('revisions', revisionLines(description)),
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

function definitionEntries({ definition, runsLeft }: ScheduleDescription): Entries {
  const { spec, run, overlap, triggering, catchUp, pauseOnFailure, triggers, note } = definition;
  const { limitedRuns } = definition;
  const left = runsLeft === undefined ? '' : `, ${runsLeft} left`;
  return [
    ['note', note],
    ['when', whenText(spec)],
    ['except', exceptText(spec)],
    ['jitter', jitterText(spec)],
    ...runEntries(run),
    triggering === undefined ? ['overlap', overlap] : ['triggering', triggeringText(triggering)],
    ['catch up', catchUpText(catchUp)],
    ['ends', limitedRuns === undefined ? undefined : `after ${counted(limitedRuns, 'automatic run')}${left}`],
    ['on failure', pauseOnFailure === true ? 'pauses' : undefined],
    ['on success', triggers && `triggers ${triggers.join(', ')}`],
    ...tryEntries(run),
  ];
}

function runEntries(run: RunPolicy): Entries {
  const { target, dataset, memo, searchAttributes } = run;
  const attributes = Object.entries(searchAttributes ?? {});
  return [
    ['what', whatText(run)],
    ['input', target.input === undefined ? undefined : JSON.stringify(target.input)],
    ['dataset', dataset && `${dataset.id}, ${dataset.mode}`],
    ['memo', memo && JSON.stringify(memo)],
    [
      'attributes',
      attributes.length === 0
        ? undefined
        : attributes.map(([name, { type, value }]) => `${name}=${type}:${String(value)}`).join(', '),
    ],
  ];
}

function tryEntries({ retry, timeouts, consistency, startDeadlineMs }: RunPolicy): Entries {
  const backoff = `${formatDuration(retry.minBackoffMs)} to ${formatDuration(retry.maxBackoffMs)}`;
  const age = retry.ageLimitMs === undefined ? '' : `, and for ${formatDuration(retry.ageLimitMs)}`;
  return [
    ['retries', retry.limit === 0 && age === '' ? 'none' : `${retry.limit}, after ${backoff}${age}`],
    ['attempt', `at most ${formatDuration(timeouts.attemptMs)}, ${consistency}`],
    ['expires', startDeadlineMs === undefined ? undefined : `${formatDuration(startDeadlineMs)} late`],
  ];
}

function triggeringText(policy: TriggeringPolicy): string {
  const { kind, maxConcurrent } = policy;
  if (kind === 'newestFirst') {
    return `${kind}, dropped after ${formatDuration(policy.pendingTimeoutMs)}, ${maxConcurrent} at once`;
  }
  const base = kind === 'logarithmic' ? `, base ${policy.base}` : '';
  return `${kind}${base}, ${maxConcurrent} at once, batches of at most ${policy.maxBatch}`;
}

function catchUpText(catchUp: CatchUp): string {
  if (catchUp.mode === 'none') return 'none';
  const pace = catchUp.mode === 'all' ? `, ${catchUp.perSecond} a second` : '';
  return `${catchUp.mode}, ${formatDuration(catchUp.windowMs)} back${pace}`;
}

function stateEntries(description: ScheduleDescription): Entries {
  const { counts, last, running, waitingFor, skipsInARow, unsentRows, active } = description;
  const due = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const each = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`);
  const run = last?.invocationId === undefined ? '' : `, ${last.invocationId}`;
  const goes = active.length > 0 ? firstOf(active).join('\n') : running;
  return [
    ['due times', each.length === 0 ? '0' : `${due}: ${each.join(', ')}`],
    ['last', last && `${isoInstant(last.dueAtMs)} ${last.outcome}${run}`],
    ['running', goes],
    ['waits for', waitingFor],
    ['skips', skipsInARow > 0 ? `${skipsInARow} in a row` : undefined],
    ['unsent', unsentRows > 0 ? `${counted(unsentRows, 'ledger row')} for the database` : undefined],
  ];
}

function pendingLines({ pending, pendingCount }: ScheduleDescription): readonly string[] {
  const lines = pending.map(({ kind, key, createdAtMs }) => {
    return `${isoInstant(createdAtMs)}   ${kind === 'fire' ? kind : key}`;
  });
  return firstOf(lines, pendingCount);
}

/** The first alone is nothing to tell. */
function revisionLines({ revisions }: ScheduleDescription): readonly string[] {
  if (revisions.length < 2) return [];
  const lines = revisions.map(({ revision, atMs, actor, reason }) => {
    const by = actor === undefined ? '' : ` by ${actor}`;
    return `${revision}   ${isoInstant(atMs)}${by}${reason === undefined ? '' : ` (${reason})`}`;
  });
  return firstOf(lines);
}

function firstOf(lines: readonly string[], count = lines.length): readonly string[] {
  const shown = lines.slice(0, LISTED_MAX);
  return count > shown.length ? [...shown, `and ${count - shown.length} more`] : shown;
}

/** Wall time beside UTC, or UTC alone. */
function timeLines(spec: CompiledSpec | undefined, timesMs: readonly number[]): readonly string[] {
  if (spec === undefined || spec.timeZone === 'UTC') return timesMs.map(isoInstant);
  return timesMs.map((atMs) => `${spec.local(atMs)}   ${isoInstant(atMs)}`);
}
