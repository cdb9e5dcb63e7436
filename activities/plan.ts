/**
 * `plan` and the looking-ahead of `advance`: the only place where crons and time zones are read. Pure but for a
 * cache of compiled specs. Called as a local activity, so that its answer is recorded and replays never compute it again.
 */
import type { DueSummary, PlanRequest, PlanResult } from '../src/contract/activities.ts';
import type { InputIssue } from '../src/contract/errors.ts';
import type { ScheduleDefinition, ScheduleSpec } from '../src/contract/schedule.ts';
import { parseSchedule } from '../src/contract/schemas.ts';
import { type CompiledSpec, compileSpec, tzDataVersion } from '../src/core/cron/spec.ts';

/** Compiled specs kept: a busy worker hosts some hundreds of schedules, each entry is a few KB. */
const COMPILED_MAX = 1_000;
const FAR_MS = 8_640_000_000_000_000;

export type Planner = ReturnType<typeof createPlanner>;

export function createPlanner(options: { readonly searchAttributes: boolean }) {
  const compiledByText = new Map<string, CompiledSpec>();

  /** @throws Error where a spec that was accepted once is no longer understood */
  function compiled(spec: ScheduleSpec): CompiledSpec {
    const text = JSON.stringify(spec);
    const known = compiledByText.get(text);
    if (known !== undefined) return known;
    const result = compileSpec(spec);
    if (!result.ok) throw new Error(messageOf(result.issues));
    const oldest = compiledByText.keys().next().value;
    if (compiledByText.size >= COMPILED_MAX && oldest !== undefined) compiledByText.delete(oldest);
    compiledByText.set(text, result.compiled);
    return result.compiled;
  }

  function next(spec: ScheduleSpec, afterMs: number, count: number) {
    const times = compiled(spec).times(afterMs, FAR_MS, count);
    return { timesMs: times, exhausted: times.length < count };
  }

  /** Due times in (afterMs, untilMs), at most `limit`. */
  function between(spec: ScheduleSpec, afterMs: number, untilMs: number, limit: number): readonly number[] {
    return compiled(spec).times(afterMs, untilMs - 1, limit);
  }

  function plan(request: PlanRequest): PlanResult {
    const read = definitionOf(request);
    if (!read.ok) return { kind: 'refused', message: messageOf(read.issues) };
    const { spec } = read.definition;
    // A definition that is new must fire from now on; one that was accepted once may have come to its end.
    const fresh = request.input !== undefined;
    const result = compileSpec(spec, fresh ? { firesAfterMs: request.nowMs } : {});
    if (!result.ok) {
      return { kind: 'refused', message: messageOf(result.issues, 'spec') };
    }
    const { timing, zoned, notes } = result.compiled;
    const due =
      request.dueAfterMs === undefined
        ? undefined
        : dueSummary(result.compiled, request.dueAfterMs, request.nowMs);
    const ahead =
      timing.kind === 'absolute'
        ? next(spec, request.nowMs, request.count)
        : { timesMs: [], exhausted: false };
    return {
      kind: 'planned',
      definition: read.definition,
      timing,
      ...(zoned && { zoneData: tzDataVersion }),
      notes,
      ...ahead,
      searchAttributes: options.searchAttributes,
      ...(due !== undefined && { due }),
    };
  }

  /** A plan made with other zone data than this process has. */
  const isStale = (zoneData: string | undefined): boolean =>
    zoneData !== undefined && zoneData !== tzDataVersion;

  return { plan, next, between, isStale };
}

type ReadDefinition =
  | { readonly ok: true; readonly definition: ScheduleDefinition }
  | { readonly ok: false; readonly issues: readonly InputIssue[] };

function definitionOf(request: PlanRequest): ReadDefinition {
  if (request.input === undefined && request.definition !== undefined) {
    return { ok: true, definition: request.definition };
  }
  return parseSchedule(request.input, request.createdAtMs);
}

/** Due times of (afterMs, untilMs], counted without listing them. */
export function dueSummary(spec: CompiledSpec, afterMs: number, untilMs: number): DueSummary | undefined {
  if (spec.timing.kind !== 'absolute') return undefined;
  const firstMs = spec.next(afterMs);
  if (firstMs === undefined || firstMs > untilMs) return undefined;
  const count = spec.count(afterMs, untilMs);
  const [lastMs = firstMs, beforeLastMs] = newest(spec, afterMs, untilMs).toReversed();
  return {
    count,
    firstMs,
    lastMs,
    ...(beforeLastMs !== undefined && { beforeLastMs }),
  };
}

/** The last two times of the stretch: looked for in a window that doubles backwards from its end. */
function newest(spec: CompiledSpec, afterMs: number, untilMs: number): readonly number[] {
  const WINDOW_TIMES_MAX = 100_000;
  for (let lengthMs = 1_000; ; lengthMs *= 2) {
    const fromMs = Math.max(afterMs, untilMs - lengthMs);
    if (spec.count(fromMs, untilMs) >= 2 || fromMs === afterMs) {
      return spec.times(fromMs, untilMs, WINDOW_TIMES_MAX).slice(-2);
    }
  }
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
