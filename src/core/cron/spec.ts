/**
 * A schedule's spec made ready to answer "when next?": checks it at the door, then gives nominal times.
 * Called by activities (plan, advance), the client and the CLI; NEVER by workflows, as zone data differs between hosts.
 * Pure: no clock is read; problems are values. Bounded: nominal times lie in 1970 to 2099 and no search goes past that.
 */
import type { InputIssue } from '../../contract/errors.ts';
import type { ScheduleSpec, Timing } from '../../contract/schedule.ts';
import { DAY_MS } from './civil.ts';
import type { Exclusion } from './exclusion.ts';
import {
  type ExclusionOptions,
  type Exclusions,
  exclusionBounds,
  readExclusions,
} from './read-exclusions.ts';
import { type Recurrence, parseExpression, zoneProblem } from './recurrence.ts';
import type { AffectedDate, Source } from './source.ts';
import { combinationIssues, settingIssues } from './spec-issues.ts';
import { union } from './union.ts';
import { HORIZON_MS, type Zone, findZone, localText } from './zone.ts';

export type { AffectedDate } from './source.ts';
export { tzDataVersion } from './zone.ts';

/** People are told of clock changes this far ahead: two years. */
export const AFFECTED_AHEAD_MS = 2 * 366 * DAY_MS;

/** Affected dates listed at once. */
export const AFFECTED_DATES_MAX = 100;

/** A spec that passed the door. All instants are ms since the epoch. */
export interface CompiledSpec {
  readonly timing: Timing;
  /** True where nominal times depend on zone data: plans are made again when `tzDataVersion` changes. */
  readonly zoned: boolean;
  /** The zone to show times in: that of the expressions where they share one, else the spec's. */
  readonly timeZone: string;
  /** What a reader of other crons could take otherwise; for the answer to whoever wrote the spec. */
  readonly notes: readonly string[];
  /**
   * The first nominal time strictly after an instant; undefined where there is none. Relative: as if a run ended
   * at that instant (none for `continuously`, whose next run is due at once). Triggered: none.
   */
  next(afterMs: number): number | undefined;
  /** Nominal times in (afterMs, untilMs], oldest first, at most `max`. */
  times(afterMs: number, untilMs: number, max: number): number[];
  /** How many nominal times lie in (afterMs, untilMs]; by arithmetic, so spans of months are cheap. */
  count(afterMs: number, untilMs: number): number;
  /** Wall times lost or doubled by clock changes in (afterMs, untilMs], with what becomes of them. */
  affectedDates(afterMs: number, untilMs: number): AffectedDate[];
  /** `2026-03-08T03:00:00-04:00`: an instant on the clock of `timeZone`. */
  local(atMs: number): string;
}

export type CompileResult =
  | { readonly ok: true; readonly compiled: CompiledSpec }
  | { readonly ok: false; readonly issues: readonly InputIssue[] };

export interface CompileOptions extends ExclusionOptions {
  /**
   * A spec with no nominal time after this instant is refused. Default `createdAtMs`; give the present when an old
   * schedule gets a new spec, `-Infinity` to look at the past.
   */
  readonly firesAfterMs?: number;
}

/** Checks a spec and makes it ready. Issues name their place as a person writes it, such as `expressions[0]` or `startAt`. */
export function compileSpec(spec: ScheduleSpec, options: CompileOptions = {}): CompileResult {
  const issues: InputIssue[] = [...settingIssues(spec), ...exclusionBounds(spec)];
  const zone = findZone(spec.timeZone);
  if (zone === undefined) issues.push({ path: 'timeZone', message: zoneProblem(spec.timeZone) });
  const recurrences = zone === undefined || issues.length > 0 ? [] : readExpressions(spec, zone, issues);
  if (zone === undefined || issues.length > 0) return { ok: false, issues };
  const left = readExclusions(spec, zone, options, issues);
  issues.push(...combinationIssues(spec, recurrences));
  if (issues.length > 0) return { ok: false, issues };
  const compiled = compile(spec, zone, recurrences, left);
  const never = neverFires(spec, compiled, recurrences, options.firesAfterMs ?? spec.createdAtMs);
  return never === undefined ? { ok: true, compiled } : { ok: false, issues: [never] };
}

function readExpressions(spec: ScheduleSpec, zone: Zone, issues: InputIssue[]): Recurrence[] {
  const recurrences: Recurrence[] = [];
  spec.expressions.forEach((expression, index) => {
    const result = parseExpression(expression, spec, zone);
    if (result.ok) recurrences.push(result.recurrence);
    else for (const message of result.messages) issues.push({ path: `expressions[${index}]`, message });
  });
  return recurrences;
}

function compile(
  spec: ScheduleSpec,
  zone: Zone,
  recurrences: readonly Recurrence[],
  left: Exclusions,
): CompiledSpec {
  const [first] = recurrences;
  const absolute = recurrences.filter((r) => r.kind === 'absolute');
  const zones = new Set(absolute.flatMap((r) => (r.zone === undefined ? [] : [r.zone])));
  const [sharedZone] = zones;
  const shownZone = zones.size === 1 && sharedZone !== undefined ? sharedZone : zone;
  const settings = {
    notes: [...new Set([...absolute.flatMap((r) => r.notes), ...left.notes])],
    zoned: left.zoned || [...zones].some((z) => z.name !== 'UTC'),
    timeZone: shownZone.name,
    local: (atMs: number) => localText(shownZone, atMs),
  };
  if (first?.kind === 'relative') return { ...settings, ...relativeTimes(spec, first.intervalMs) };
  if (first?.kind === 'triggered') return { ...settings, ...triggeredTimes() };
  return {
    ...settings,
    ...absoluteTimes(
      spec,
      absolute.map(({ source }) => source.without?.(left.exclusions) ?? source),
      left.exclusions,
    ),
  };
}

type TimesOf = Pick<CompiledSpec, 'timing' | 'next' | 'times' | 'count' | 'affectedDates'>;

function absoluteTimes(
  spec: ScheduleSpec,
  sources: readonly Source[],
  exclusions: readonly Exclusion[],
): TimesOf {
  const { startAtMs = -Infinity, endAtMs = Infinity } = spec;
  const set = union(sources, exclusions);
  // Both bounds are within: the first instant asked after is the one before `startAt`.
  const clipped = (afterMs: number) => Math.max(afterMs, startAtMs - 1);
  return {
    timing: { kind: 'absolute' },
    next(afterMs) {
      const atMs = set.next(clipped(afterMs));
      return atMs === undefined || atMs > endAtMs ? undefined : atMs;
    },
    times: (afterMs, untilMs, max) => set.times(clipped(afterMs), Math.min(untilMs, endAtMs), max),
    count: (afterMs, untilMs) => set.count(clipped(afterMs), Math.min(untilMs, endAtMs)),
    affectedDates(afterMs, untilMs) {
      const dates = sources.flatMap((source) =>
        source.affected(clipped(afterMs), Math.min(untilMs, endAtMs), AFFECTED_DATES_MAX),
      );
      return dates
        .filter(({ runsAtMs }) => runsAtMs.length === 0 || !runsAtMs.every(set.excludes))
        .sort((a, b) => a.changeAtMs - b.changeAtMs)
        .slice(0, AFFECTED_DATES_MAX);
    },
  };
}

function relativeTimes(spec: ScheduleSpec, intervalMs: number): TimesOf {
  const { startAtMs = -Infinity, endAtMs = HORIZON_MS - 1 } = spec;
  const next = (afterMs: number) => {
    const atMs = Math.max(afterMs + intervalMs, startAtMs);
    return atMs > afterMs && atMs <= endAtMs ? atMs : undefined;
  };
  return {
    timing: { kind: 'relative', intervalMs },
    next,
    times(afterMs, untilMs, max) {
      const times: number[] = [];
      for (let at = next(afterMs); at !== undefined && at <= untilMs && times.length < max; at = next(at)) {
        times.push(at);
      }
      return times;
    },
    count(afterMs, untilMs) {
      const firstMs = next(afterMs);
      const lastMs = Math.min(untilMs, endAtMs);
      if (firstMs === undefined || firstMs > lastMs) return 0;
      return intervalMs === 0 ? 1 : Math.floor((lastMs - firstMs) / intervalMs) + 1;
    },
    affectedDates: () => [],
  };
}

function triggeredTimes(): TimesOf {
  return {
    timing: { kind: 'triggered' },
    next: () => undefined,
    times: () => [],
    count: () => 0,
    affectedDates: () => [],
  };
}

/** The issue of a spec that has no time still to come. */
function neverFires(
  spec: ScheduleSpec,
  compiled: CompiledSpec,
  recurrences: readonly Recurrence[],
  afterMs: number,
): InputIssue | undefined {
  if (compiled.timing.kind === 'triggered') return undefined;
  if (compiled.timing.kind === 'relative') {
    if (spec.endAtMs === undefined || afterMs + compiled.timing.intervalMs <= spec.endAtMs) return undefined;
    return { path: 'endAt', message: 'endAt lies before the first run would be due: move it, or remove it' };
  }
  if (compiled.next(afterMs) !== undefined) return undefined;
  if (spec.exclude !== undefined && firesUnexcluded(spec, recurrences, afterMs)) {
    return {
      path: 'exclude',
      message:
        'leaves out every time that is still to come: it would never be due; exclude less, or change the expressions',
    };
  }
  const bounded = spec.startAtMs !== undefined || spec.endAtMs !== undefined;
  const path = bounded ? (spec.endAtMs === undefined ? 'startAt' : 'endAt') : 'expressions[0]';
  const what = bounded
    ? 'no date of the expressions lies between now, startAt and endAt'
    : `"${spec.expressions[0]}"${spec.expressions.length > 1 ? ' and those beside it have' : ' has'} no date that is still to come`;
  return { path, message: `${what}: it would never be due` };
}

/** Would it fire without its exclusions? Told from wall times where that is enough: it is asked before a refusal only. */
function firesUnexcluded(
  { startAtMs, endAtMs }: ScheduleSpec,
  recurrences: readonly Recurrence[],
  afterMs: number,
): boolean {
  const sources = recurrences.flatMap((r) => (r.kind === 'absolute' ? [r.source] : []));
  const today = Math.max(0, Math.floor(afterMs / DAY_MS));
  const open = sources.some(
    ({ wall }) => wall === undefined || wall.dayTimes.days.next(today + 2) !== undefined,
  );
  if (open && startAtMs === undefined && endAtMs === undefined) return true;
  const fromMs = Math.max(afterMs, (startAtMs ?? -Infinity) - 1);
  return sources.some((source) => (source.next(fromMs) ?? Infinity) <= (endAtMs ?? HORIZON_MS));
}
