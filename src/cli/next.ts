/**
 * `escapement next '<expression>'`: the nominal times of an expression, with no server. Called by the command's
 * definition, which parses flags and writes what this returns. Pure: the present is an argument, output is a value.
 */
import { InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleSpec } from '../contract/schedule.ts';
import { DAY_S, parseWall, weekday } from '../core/cron/civil.ts';
import { AFFECTED_AHEAD_MS, type AffectedDate, type CompiledSpec, compileSpec } from '../core/cron/spec.ts';
import { type Zone, findZone, parseInstant } from '../core/cron/zone.ts';
import { jsonLine } from './failure.ts';

/** Flags as the command line gives them, unchecked. */
export interface NextOptions {
  readonly expression: string;
  /** ISO 8601; times strictly after it. Default: now. Without an offset it is a wall time of `timeZone`. */
  readonly from?: string | undefined;
  /** ISO 8601; times up to and including it. */
  readonly until?: string | undefined;
  /** Default 10; with `until` all up to it, at most `NEXT_COUNT_MAX`. */
  readonly count?: string | number | undefined;
  /** IANA name; default UTC. */
  readonly timeZone?: string | undefined;
  readonly dstGap?: string | undefined;
  readonly dstRepeat?: string | undefined;
  /** Cron expressions whose times are left out. */
  readonly exclude?: readonly string[] | undefined;
  readonly json?: boolean | undefined;
}

/** What a command leaves behind: two texts, each empty or ending in a newline, and the exit code (2 = bad input). */
export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

const NEXT_COUNT_DEFAULT = 10;
export const NEXT_COUNT_MAX = 10_000;

const AFFECTED_SHOWN_MAX = 10;

const DST_GAPS = ['next', 'skip', 'shift'] as const;
const DST_REPEATS = ['first', 'last', 'both'] as const;

/** The options after checking. */
interface Query {
  readonly spec: ScheduleSpec;
  readonly fromMs: number;
  readonly untilMs: number | undefined;
  readonly count: number;
  /** True where `count` was not asked for, so that leaving times out must be told. */
  readonly countImplied: boolean;
}

/** Runs the command. `nowMs` stands in for `--from` where that is not given. */
export function runNext(options: NextOptions, nowMs: number): CommandOutput {
  const problems: string[] = [];
  const query = readOptions(options, nowMs, problems);
  if (query === undefined) return badInput(problems, options);
  // A window that was asked for may be empty; without one, an expression with nothing to come is a mistake.
  const firesAfterMs = query.untilMs === undefined ? query.fromMs : -Infinity;
  const result = compileSpec(query.spec, { firesAfterMs });
  if (!result.ok)
    return badInput(
      result.issues.map((issue) => `${flagOf(issue.path)}: ${issue.message}`),
      options,
    );
  const { compiled } = result;
  // One more than shown tells whether any was left out.
  const untilMs = query.untilMs ?? Infinity;
  const found = compiled.times(query.fromMs, untilMs, query.count + 1);
  const times = found.slice(0, query.count);
  const notes = [...compiled.notes, ...timingNotes(compiled)];
  if (query.countImplied && found.length > times.length) {
    notes.push(`only the first ${query.count} are listed: give a nearer --until or a --count`);
  }
  if (options.json === true) {
    return {
      stdout: `${JSON.stringify(times.map(isoInstant))}\n`,
      stderr: notes.map((note) => `note: ${note}\n`).join(''),
      exitCode: 0,
    };
  }
  const affected = compiled.affectedDates(query.fromMs, query.fromMs + AFFECTED_AHEAD_MS);
  return { stdout: humanText(compiled, times, notes, affected), stderr: '', exitCode: 0 };
}

function readOptions(options: NextOptions, nowMs: number, problems: string[]): Query | undefined {
  const timeZone = options.timeZone ?? 'UTC';
  const zone = findZone(timeZone);
  if (zone === undefined) {
    problems.push(`--time-zone: "${timeZone}" is no time zone: use an IANA name such as "Europe/Berlin"`);
    return undefined;
  }
  const fromMs = options.from === undefined ? nowMs : readInstant('--from', options.from, zone, problems);
  const untilMs =
    options.until === undefined ? undefined : readInstant('--until', options.until, zone, problems);
  const count = readCount(options, problems);
  const dstGap = readChoice('--dst-gap', options.dstGap, DST_GAPS, problems);
  const dstRepeat = readChoice('--dst-repeat', options.dstRepeat, DST_REPEATS, problems);
  if (fromMs !== undefined && untilMs !== undefined && untilMs < fromMs) {
    problems.push(`--until: ${isoInstant(untilMs)} lies before --from ${isoInstant(fromMs)}: exchange them`);
  }
  if (fromMs === undefined || problems.length > 0) return undefined;
  const spec: ScheduleSpec = {
    expressions: [options.expression],
    timeZone,
    // `@every` and `rate` count from a schedule's creation: here, from `--from`.
    createdAtMs: fromMs,
    ...(dstGap === undefined ? {} : { dstGap }),
    ...(dstRepeat === undefined ? {} : { dstRepeat }),
    ...(options.exclude === undefined ? {} : { exclude: { expressions: options.exclude, calendars: [] } }),
  };
  return { spec, fromMs, untilMs, count, countImplied: options.count === undefined && untilMs !== undefined };
}

function readInstant(flag: string, text: string, zone: Zone, problems: string[]): number | undefined {
  const atMs = parseInstant(text, zone);
  if (atMs === undefined) {
    problems.push(
      `${flag}: "${text}" is no instant of 1970 to 2099: write ISO 8601, for example 2026-03-08T07:00:00Z`,
    );
  }
  return atMs;
}

function readCount(options: NextOptions, problems: string[]): number {
  const { count } = options;
  if (count === undefined) return options.until === undefined ? NEXT_COUNT_DEFAULT : NEXT_COUNT_MAX;
  const value = typeof count === 'string' && !/^\d{1,9}$/.test(count) ? Number.NaN : Number(count);
  if (!Number.isInteger(value) || value < 1 || value > NEXT_COUNT_MAX) {
    problems.push(`--count: ${count} is not a whole number from 1 to ${NEXT_COUNT_MAX}: give one`);
  }
  return value;
}

function readChoice<T extends string>(
  flag: string,
  text: string | undefined,
  choices: readonly T[],
  problems: string[],
): T | undefined {
  if (text === undefined) return undefined;
  const choice = choices.find((c) => c === text);
  if (choice === undefined)
    problems.push(`${flag}: "${text}" is none of ${choices.join(', ')}: give one of them`);
  return choice;
}

/** Where an issue of the spec is, in the words of this command. */
function flagOf(path: string): string {
  if (path.startsWith('exclude')) return '--exclude';
  return path === 'timeZone' ? '--time-zone' : 'expression';
}

function timingNotes(compiled: CompiledSpec): string[] {
  const { timing } = compiled;
  if (timing.kind === 'triggered')
    return ['a triggered schedule is never due by itself: there are no times to list'];
  if (timing.kind !== 'relative') return [];
  if (timing.intervalMs === 0) {
    return ['each run is due as soon as the one before it has ended: there are no times to list'];
  }
  return [
    'each run is due that long after the one before it ENDED: these times are as if a run took no time',
  ];
}

function humanText(
  compiled: CompiledSpec,
  times: readonly number[],
  notes: readonly string[],
  affected: readonly AffectedDate[],
): string {
  const lines = times.length === 0 ? ['no times'] : timeLines(compiled, times);
  lines.push(...notes.map((note) => `note: ${note}`));
  for (const date of affected.slice(0, AFFECTED_SHOWN_MAX)) lines.push(affectedLine(date));
  if (affected.length > AFFECTED_SHOWN_MAX) {
    lines.push(`clock change: and ${affected.length - AFFECTED_SHOWN_MAX} more in the next two years`);
  }
  return `${lines.join('\n')}\n`;
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Wall time and UTC side by side, or UTC alone where they are the same. */
function timeLines(compiled: CompiledSpec, times: readonly number[]): string[] {
  const rows = times.map((atMs) => {
    const local = compiled.local(atMs);
    const day = Math.floor((parseWall(local.slice(0, 19)) ?? 0) / DAY_S);
    return { local, weekday: WEEKDAYS[weekday(day)] ?? '', utc: isoInstant(atMs) };
  });
  const width = Math.max(...rows.map((row) => row.local.length));
  if (compiled.timeZone === 'UTC') return rows.map((row) => `${row.utc}  ${row.weekday}`);
  return rows.map((row) => `${row.local.padEnd(width)}  ${row.weekday}  ${row.utc}`);
}

function affectedLine(date: AffectedDate): string {
  const [first = ''] = date.wallTimes;
  const more = date.count > 1 ? ` and ${date.count - 1} more` : '';
  const does = date.kind === 'lost' ? 'is left out by the clock' : 'comes twice';
  return `clock change: ${first}${more} (${date.timeZone}) ${does}: ${date.becomes}`;
}

/** @param problems each begins with the flag, or `expression`, and a colon */
function badInput(problems: readonly string[], { json }: NextOptions): CommandOutput {
  const stderr =
    json === true ? jsonLine(refusalOf(problems)) : problems.map((text) => `error: ${text}\n`).join('');
  return { stdout: '', stderr, exitCode: 2 };
}

function refusalOf(problems: readonly string[]): InvalidInputError {
  const issues = problems.map((problem) => {
    const [path = '', ...rest] = problem.split(': ');
    return { path, message: rest.join(': ') };
  });
  return new InvalidInputError('next', issues);
}
