/**
 * A schedule looked at before it is made: what it would be, when it would be due, and what clock changes do to it.
 * Used by the SDK (`scheduler.schedules.preview`) and by `schedule create --dry-run`. Nothing is created or asked of Temporal.
 */
import type { ScheduleDefinition, Timing } from '../contract/schedule.ts';
import { dueTimes } from '../core/cron/jitter.ts';
import { AFFECTED_AHEAD_MS, type AffectedDate } from '../core/cron/spec.ts';
import type { CheckedSchedule } from './definition.ts';

export interface SchedulePreview {
  /** With every default filled in. */
  readonly definition: ScheduleDefinition;
  readonly timing: Timing;
  /** How its spec is read, where a reader of other crons could take it otherwise. */
  readonly notes: readonly string[];
  /** The zone that `local` is read in. */
  readonly timeZone: string;
  /** Of a relative schedule the first alone, as if it was made now: the others count from the ends of runs. */
  readonly next: readonly PreviewedTime[];
  /** Wall times that clock changes of the next two years leave out or repeat, and what becomes of them. */
  readonly affectedDates: readonly AffectedDate[];
  /** Mean over the next 365 days; absent where no time is known ahead. */
  readonly firesPerDay?: number;
}

export interface PreviewedTime {
  readonly dueAtMs: number;
  /** The instant that the spec names, where a jitter makes it due later. */
  readonly nominalAtMs?: number;
  /** The due time on the clock of the schedule's zone, with its offset. */
  readonly local: string;
}

export interface PreviewOptions {
  /** Times wanted. Default 10, at most 10,000. */
  readonly count?: number;
  /** The id that the schedule is to have: its jitter comes from it. */
  readonly id?: string;
}

export const PREVIEW_COUNT_MAX = 10_000;

const PREVIEW_COUNT_DEFAULT = 10;
const DAYS = 365;
const DAY_MS = 86_400_000;

export function previewOf(
  { definition, spec }: CheckedSchedule,
  nowMs: number,
  { count = PREVIEW_COUNT_DEFAULT, id = '' }: PreviewOptions = {},
): SchedulePreview {
  const { timing, notes, timeZone } = spec;
  const due = dueTimes(spec, id, definition.spec.jitterMs);
  const wanted = timing.kind === 'relative' ? Math.min(1, count) : count;
  const times = due.times(nowMs, Number.MAX_SAFE_INTEGER, wanted);
  return {
    definition,
    timing,
    notes,
    timeZone,
    next: times.map(({ dueMs, nominalMs }) => ({
      dueAtMs: dueMs,
      ...(definition.spec.jitterMs !== undefined && { nominalAtMs: nominalMs }),
      local: spec.local(dueMs),
    })),
    affectedDates: spec.affectedDates(nowMs, nowMs + AFFECTED_AHEAD_MS),
    ...(timing.kind === 'absolute' && { firesPerDay: spec.count(nowMs, nowMs + DAYS * DAY_MS) / DAYS }),
  };
}
