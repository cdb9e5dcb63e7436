/**
 * `plan` and the looking-ahead of `advance`: the only place where crons, time zones and calendars are read. Keeps nothing
 * but caches. Called as a local activity, so that its answer is recorded and replays never compute it again.
 * All instants asked for and answered are due times; with a jitter the nominal time of each stands beside it.
 */
import type { DueTimeRequest, PlanRequest, PlanResult } from '../src/contract/activities.ts';
import type { InputIssue } from '../src/contract/errors.ts';
import type { ScheduleDefinition, ScheduleSpec } from '../src/contract/schedule.ts';
import { parseSchedule, selfTriggerIssue } from '../src/contract/schemas.ts';
import { type DueTime, type DueTimes, dueTimes } from '../src/core/cron/jitter.ts';
import { newestTime } from '../src/core/cron/newest.ts';
import {
  type CompileOptions,
  type CompileResult,
  type CompiledSpec,
  compileSpec,
  tzDataVersion,
} from '../src/core/cron/spec.ts';
import { type CalendarStore, type CalendarsById, type Revisions, createCalendarReader } from './calendars.ts';
import { dueSummary } from './due-summary.ts';

/** Compiled specs kept: a busy worker hosts some hundreds of schedules, each entry is a few KB. */
const COMPILED_MAX = 1_000;
/** How far back the nominal time before one is looked for: a leap day's, over a century without one. */
const PREVIOUS_MS_MAX = 9 * 366 * 86_400_000;
const FAR_MS = 8_640_000_000_000_000;

export type Planner = ReturnType<typeof createPlanner>;

/** Whose times, as far as they are decided by it. */
export interface Planned {
  readonly scheduleId: string;
  readonly spec: ScheduleSpec;
  /** Revisions of its calendars that its plan was made with: a cache that knows others is read again. */
  readonly calendars?: Revisions | undefined;
}

/** Due times in (afterMs, untilMs] of one schedule. */
export interface Stretch extends Planned {
  readonly afterMs: number;
  readonly untilMs: number;
}

export interface Instant extends DueTime {
  /** The nominal time before it: its window begins there. */
  readonly previousMs?: number;
}

export function createPlanner(options: {
  /** Our search attributes are registered in the namespace. */
  readonly searchAttributes: boolean;
  readonly store: CalendarStore;
}) {
  const calendars = createCalendarReader(options.store);
  const compiledByText = new Map<string, CompiledSpec>();

  function compile(spec: ScheduleSpec, found: CalendarsById, rest: CompileOptions): CompileResult {
    return compileSpec(spec, { ...rest, calendars: found });
  }

  /** @throws Error where a spec that was accepted once is no longer understood */
  function compiled(spec: ScheduleSpec, found: CalendarsById): CompiledSpec {
    const text = JSON.stringify([spec, revisionsOf(found)]);
    const known = compiledByText.get(text);
    if (known !== undefined) return known;
    const result = compile(spec, found, { missingCalendars: 'ignore' });
    if (!result.ok) throw new Error(messageOf(result.issues));
    const oldest = compiledByText.keys().next().value;
    if (compiledByText.size >= COMPILED_MAX && oldest !== undefined) compiledByText.delete(oldest);
    compiledByText.set(text, result.compiled);
    return result.compiled;
  }

  async function timesOf(planned: Planned): Promise<{ due: DueTimes; compiled: CompiledSpec }> {
    const { scheduleId, spec, calendars: known } = planned;
    const ids = spec.exclude?.calendars ?? [];
    const found = ids.length === 0 ? {} : await calendars.read(ids, { known });
    const read = compiled(spec, found);
    return { due: dueTimes(read, scheduleId, spec.jitterMs), compiled: read };
  }

  /** The next due times strictly after an instant, at most `count`. */
  async function next(planned: Planned, afterMs: number, count: number): Promise<Ahead> {
    return ahead((await timesOf(planned)).due, planned.spec, afterMs, count);
  }

  /** Due times in (afterMs, untilMs), oldest first, at most `limit`. */
  async function between({ untilMs, ...stretch }: Stretch, limit: number): Promise<readonly DueTime[]> {
    return (await timesOf(stretch)).due.times(stretch.afterMs, untilMs - 1, limit);
  }

  /** The oldest instants of a stretch, oldest first. */
  async function oldest(stretch: Stretch, count: number): Promise<readonly Instant[]> {
    const { due, compiled: spec } = await timesOf(stretch);
    return due.times(stretch.afterMs, stretch.untilMs, count).map((time) => instantOf(spec, time));
  }

  /** The newest instants of a stretch, newest first. */
  async function newest(stretch: Stretch, count: number): Promise<readonly Instant[]> {
    const { due, compiled: spec } = await timesOf(stretch);
    return due.newest(stretch.afterMs, stretch.untilMs, count).map((time) => instantOf(spec, time));
  }

  /** When a nominal time is due; undefined for an instant that is none. */
  async function dueTimeOf({
    scheduleId,
    definition: { spec },
    nominalMs,
  }: DueTimeRequest): Promise<number | undefined> {
    return (await timesOf({ scheduleId, spec })).due.dueOf(nominalMs);
  }

  /** @throws UnavailableError where calendars are named and the database is out of reach */
  async function plan(request: PlanRequest): Promise<PlanResult> {
    const read = definitionOf(request);
    if (!read.ok) return { kind: 'refused', message: messageOf(read.issues) };
    const { spec } = read.definition;
    // A definition that is new must fire from now on; one that was accepted once may have come to its end.
    const fresh = request.input !== undefined || request.fresh === true;
    const ids = spec.exclude?.calendars ?? [];
    const found = ids.length === 0 ? {} : await calendars.read(ids, { fresh: true });
    const result = compile(
      spec,
      found,
      fresh ? { firesAfterMs: request.nowMs } : { missingCalendars: 'ignore' },
    );
    if (!result.ok) return { kind: 'refused', message: messageOf(result.issues, 'spec') };
    await noteUses(request.scheduleId, ids, fresh);
    return { ...planned(request, read.definition, result.compiled), ...revisionsField(found) };
  }

  function planned(request: PlanRequest, definition: ScheduleDefinition, spec: CompiledSpec) {
    const { timing, zoned, notes } = spec;
    const { dueAfterMs: afterMs, nowMs: untilMs, except = [] } = request;
    const jitters = definition.spec.jitterMs !== undefined;
    const times = dueTimes(spec, request.scheduleId, definition.spec.jitterMs);
    const due =
      afterMs === undefined || timing.kind !== 'absolute'
        ? undefined
        : dueSummary(times, { afterMs, untilMs }, { except, jitters });
    return {
      kind: 'planned' as const,
      definition,
      timing,
      ...(zoned && { zoneData: tzDataVersion }),
      notes,
      ...(timing.kind === 'absolute'
        ? ahead(times, definition.spec, request.nowMs, request.count)
        : { timesMs: [], exhausted: false }),
      searchAttributes: options.searchAttributes,
      ...(due !== undefined && { due }),
    };
  }

  /** Whoever names a calendar must be told of its changes; that others are told of one they no longer use does no harm. */
  async function noteUses(scheduleId: string, ids: readonly string[], fresh: boolean): Promise<void> {
    if (ids.length === 0 && !fresh) return;
    const again = { fresh: fresh && ids.length > 0 };
    await calendars.noteUses(scheduleId, ids, again).catch((error: unknown) => {
      if (ids.length > 0 && fresh) throw error;
    });
  }

  /** A plan made with other zone data than this process has. */
  const isStale = (zoneData: string | undefined): boolean =>
    zoneData !== undefined && zoneData !== tzDataVersion;

  return { plan, next, between, oldest, newest, dueTimeOf, isStale };
}

/** Next due times; `nominalMs` is there where the spec has a jitter. */
interface Ahead {
  readonly timesMs: readonly number[];
  readonly nominalMs?: readonly number[];
  readonly exhausted: boolean;
}

function ahead(due: DueTimes, { jitterMs }: ScheduleSpec, afterMs: number, count: number): Ahead {
  const times = due.times(afterMs, FAR_MS, count);
  return {
    timesMs: times.map(({ dueMs }) => dueMs),
    ...(jitterMs !== undefined && { nominalMs: times.map(({ nominalMs }) => nominalMs) }),
    exhausted: times.length < count,
  };
}

function instantOf(spec: CompiledSpec, time: DueTime): Instant {
  const previousMs = newestTime(spec, time.nominalMs - PREVIOUS_MS_MAX, time.nominalMs - 1);
  return { ...time, ...(previousMs !== undefined && { previousMs }) };
}

function revisionsOf(found: CalendarsById): Revisions {
  return Object.fromEntries(Object.values(found).map(({ id, revision }) => [id, revision]));
}

function revisionsField(found: CalendarsById): { readonly calendars?: Revisions } {
  return Object.keys(found).length === 0 ? {} : { calendars: revisionsOf(found) };
}

type ReadDefinition =
  | { readonly ok: true; readonly definition: ScheduleDefinition }
  | { readonly ok: false; readonly issues: readonly InputIssue[] };

function definitionOf(request: PlanRequest): ReadDefinition {
  if (request.input === undefined && request.definition !== undefined) {
    return { ok: true, definition: request.definition };
  }
  const read = parseSchedule(request.input, request.createdAtMs);
  if (!read.ok || read.definition.triggers?.includes(request.scheduleId) !== true) return read;
  return { ok: false, issues: [selfTriggerIssue(request.scheduleId)] };
}

/** All issues in one sentence, each with the field it is about. */
function messageOf(issues: readonly InputIssue[], prefix?: string): string {
  return issues
    .map(({ path, message }) => {
      const where = [prefix, path].filter(Boolean).join('.');
      return where === '' ? message : `${where}: ${message}`;
    })
    .join('; ');
}
