/**
 * The zod schemas of schedules as people write them. Used at the edges (SDK, CLI, gateway, files) and by the `plan`
 * activity, never by workflows. What they accept they turn into the definitions that the system keeps, every default
 * filled in; what they refuse comes back as issues that name the field. What a schedule runs is in run-schema.ts, its
 * catch-up and triggering in policy-schemas.ts.
 */
import { z } from 'zod';
import { DEFINITION_CHARS_MAX } from '../core/limits.ts';
import { CALENDARS_PER_SCHEDULE_MAX } from './calendars.ts';
import type { InputIssue } from './errors.ts';
import { durationSchema, idSchema, instantSchema, issuesOf } from './fields.ts';
import { OVERLAPS } from './message-shape.ts';
import { catchUpSchema, triggeringSchema } from './policy-schemas.ts';
import { runFields, runIssues, runPolicy } from './run-schema.ts';
import type { ScheduleDefinition, ScheduleSpec } from './schedule.ts';
import { charsOf } from './size.ts';

/** Expressions in one spec: a union of more is a calendar, not a schedule. */
const EXPRESSIONS_MAX = 50;
const TEXT_MAX = 10_000;

const expressionsSchema = z.union([
  z
    .string()
    .max(TEXT_MAX)
    .transform((text) => [text]),
  z.array(z.string().max(TEXT_MAX)).min(1).max(EXPRESSIONS_MAX),
]);

const calendarsSchema = z.union([
  idSchema('calendar').transform((id) => [id]),
  z.array(idSchema('calendar')).max(CALENDARS_PER_SCHEDULE_MAX),
]);

const excludeSchema = z.union([
  expressionsSchema.transform((expressions) => ({ expressions, calendars: [] as string[] })),
  z
    .strictObject({
      expressions: z.union([expressionsSchema, z.array(z.string()).length(0)]).optional(),
      calendars: calendarsSchema.optional(),
    })
    .transform(({ expressions = [], calendars = [] }) => ({ expressions, calendars })),
]);

const specObject = z.strictObject({
  expressions: expressionsSchema,
  timeZone: z.string().optional(),
  dst: z
    .strictObject({
      gap: z.enum(['next', 'skip', 'shift']).optional(),
      repeat: z.enum(['first', 'last', 'both']).optional(),
    })
    .optional(),
  phase: durationSchema().optional(),
  anchor: instantSchema.optional(),
  startAt: instantSchema.optional(),
  endAt: instantSchema.optional(),
  exclude: excludeSchema.optional(),
  jitter: durationSchema().optional(),
});
type SpecFields = z.output<typeof specObject>;
const specSchema = z.union([
  expressionsSchema.transform((expressions): SpecFields => ({ expressions })),
  specObject,
]);

function specOf(fields: SpecFields, timeZone: string | undefined, createdAtMs: number): ScheduleSpec {
  return {
    expressions: fields.expressions,
    timeZone: fields.timeZone ?? timeZone ?? 'UTC',
    createdAtMs,
    ...(fields.dst?.gap !== undefined && { dstGap: fields.dst.gap }),
    ...(fields.dst?.repeat !== undefined && { dstRepeat: fields.dst.repeat }),
    ...(fields.phase !== undefined && { phaseMs: fields.phase }),
    ...(fields.anchor !== undefined && { anchorMs: fields.anchor }),
    ...(fields.startAt !== undefined && { startAtMs: fields.startAt }),
    ...(fields.endAt !== undefined && { endAtMs: fields.endAt }),
    ...(fields.exclude !== undefined &&
      fields.exclude.expressions.length + fields.exclude.calendars.length > 0 && { exclude: fields.exclude }),
    ...(fields.jitter !== undefined && fields.jitter > 0 && { jitterMs: fields.jitter }),
  };
}

/** Schedules that one schedule may trigger: each is told in the step that ends a run. */
const TRIGGERS_MAX = 20;

export const scheduleSchema = z.strictObject({
  ...runFields,
  spec: specSchema,
  timeZone: z.string().optional(),
  overlap: z.enum(OVERLAPS).optional(),
  triggering: triggeringSchema.optional(),
  catchUp: catchUpSchema.prefault({}),
  limitedRuns: z.int().min(1).max(1_000_000_000).optional(),
  pauseOnFailure: z.boolean().default(false),
  triggers: z
    .union([idSchema('schedule').transform((id) => [id]), z.array(idSchema('schedule')).max(TRIGGERS_MAX)])
    .default([]),
  note: z.string().max(TEXT_MAX).optional(),
  enabled: z.boolean().default(true),
});

export type ParsedSchedule =
  | { readonly ok: true; readonly definition: ScheduleDefinition; readonly enabled: boolean }
  | { readonly ok: false; readonly issues: readonly InputIssue[] };

/** Reads a schedule's shape; whether its spec ever fires is for `compileSpec` to say. */
export function parseSchedule(input: unknown, createdAtMs: number): ParsedSchedule {
  const parsed = scheduleSchema.safeParse(input);
  if (!parsed.success) return { ok: false, issues: issuesOf(parsed.error) };
  const { spec, timeZone, overlap, triggering, catchUp, limitedRuns, pauseOnFailure, ...more } = parsed.data;
  const { triggers, note, enabled, ...run } = more;
  const wrong = [...runIssues(run), ...definitionIssues(parsed.data)];
  if (wrong.length > 0) return { ok: false, issues: wrong };
  if (overlap !== undefined && triggering !== undefined) {
    const message = `"${overlap}" and triggering "${triggering.kind}" both say what happens while a run goes: give one of them`;
    return { ok: false, issues: [{ path: 'overlap', message }] };
  }
  return {
    ok: true,
    enabled,
    definition: {
      spec: specOf(spec, timeZone, createdAtMs),
      run: runPolicy(run),
      overlap: overlap ?? 'skip',
      ...(triggering !== undefined && { triggering }),
      catchUp,
      ...(limitedRuns !== undefined && { limitedRuns }),
      ...(pauseOnFailure && { pauseOnFailure }),
      ...(triggers.length > 0 && { triggers }),
      ...(note !== undefined && { note }),
    },
  };
}

/** Names the largest field of a definition that is too large to be carried on. */
function definitionIssues(definition: Readonly<Record<string, unknown>>): readonly InputIssue[] {
  const sizes = Object.entries(definition).map(([path, value]) => ({ path, chars: charsOf(value).chars }));
  if (sizes.reduce((sum, { chars }) => sum + chars, 0) <= DEFINITION_CHARS_MAX) return [];
  const { path = '', chars = 0 } = sizes.toSorted((a, b) => b.chars - a.chars)[0] ?? {};
  const message = `has ${chars} characters as JSON, and the whole definition at most ${DEFINITION_CHARS_MAX}`;
  return [{ path, message }];
}

/** What is wrong with a schedule that triggers itself; longer circles are found by who knows the other schedules. */
export function selfTriggerIssue(id: string): InputIssue {
  return { path: 'triggers', message: circleMessage([id, id]) };
}

/** @param circle ids of schedules of which each triggers the next; the last is the first */
export function circleMessage(circle: readonly string[]): string {
  const shown = circle.map((id) => `"${id}"`).join(' -> ');
  return `goes round in a circle (${shown}), so it would never end: leave one of them out`;
}
