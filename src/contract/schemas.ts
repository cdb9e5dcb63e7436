/**
 * The zod schemas of what people write: schedules, jobs, run policies. Used at the edges (SDK, CLI, gateway, files)
 * and by the `plan` activity, never by workflows. What they accept they turn into the definitions that the
 * system keeps, every default filled in; what they refuse comes back as issues that name the field.
 */
import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';
import {
  ATTEMPT_TIMEOUT_MS_DEFAULT,
  BACKOFF_COEFFICIENT_DEFAULT,
  CAPACITY_MAX,
  CATCH_UP_PER_SECOND_DEFAULT,
  CATCH_UP_PER_SECOND_MAX,
  CATCH_UP_WINDOW_MS_DEFAULT,
  CATCH_UP_WINDOW_MS_MIN,
  HEARTBEAT_TIMEOUT_MS_DEFAULT,
  LOGARITHMIC_BASE_MIN,
  MAX_BACKOFF_MS_DEFAULT,
  MAX_BATCH_DEFAULT,
  MAX_CONCURRENT_MAX,
  MIN_BACKOFF_MS_DEFAULT,
  PENDING_TIMEOUT_MS_DEFAULT,
  POOL_DEFAULT,
  RETRY_LIMIT_DEFAULT,
  SCHEDULE_TO_START_MS_DEFAULT,
  WARM_WAIT_MS_DEFAULT,
} from '../core/limits.ts';
import { CALENDARS_PER_SCHEDULE_MAX } from './calendars.ts';
import { type InputIssue, InvalidInputError } from './errors.ts';
import { idProblem } from './ids.ts';
import { parseInstant } from './messages.ts';
import { memoIssues, searchAttributesIssues } from './search-attributes.ts';
import { readWorkflowTarget, WORKFLOW_TARGET } from './workflow-target.ts';
import type { RunPolicy, ScheduleDefinition, ScheduleSpec, SearchAttributesInput } from './schedule.ts';

/** Expressions in one spec: a union of more is a calendar, not a schedule. */
const EXPRESSIONS_MAX = 50;
const TEXT_MAX = 10_000;

/** A duration as text or ms, read as whole ms. */
export const durationSchema = (minMs = 0) =>
  z.union([z.number(), z.string()]).transform((value, context) => {
    const parsed = parseDuration(value);
    if (parsed.ok && parsed.ms >= minMs) return parsed.ms;
    const message = parsed.ok ? `must be at least ${minMs} ms, got ${JSON.stringify(value)}` : parsed.message;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

/** An id that may become part of a workflow id. */
export const idSchema = (noun: string) =>
  z.string().superRefine((value, context) => {
    const message = idProblem(noun, value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** An ISO 8601 instant with its offset, read as ms since the epoch. */
export const instantSchema = z.string().transform((value, context) => {
  const atMs = parseInstant(value);
  if (atMs !== undefined) return atMs;
  const message = `"${value}" is not an ISO 8601 instant with its offset, such as "2026-01-31T09:00:00Z"`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const targetSchema = z.union([
  idSchema('target').transform((name) => ({ name, input: undefined as unknown })),
  z.strictObject({ name: idSchema('target'), input: z.unknown().optional() }),
]);

const datasetSchema = z.union([
  idSchema('dataset').transform((id) => ({
    id,
    mode: 'required' as const,
    warmWaitMs: WARM_WAIT_MS_DEFAULT,
  })),
  z
    .strictObject({
      id: idSchema('dataset'),
      mode: z.enum(['required', 'preferred']).default('required'),
      warmWait: durationSchema().default(WARM_WAIT_MS_DEFAULT),
    })
    .transform(({ warmWait, ...rest }) => ({ ...rest, warmWaitMs: warmWait })),
]);

const retrySchema = z
  .strictObject({
    limit: z.int().min(0).max(1_000_000).default(RETRY_LIMIT_DEFAULT),
    minBackoff: durationSchema(1).default(MIN_BACKOFF_MS_DEFAULT),
    maxBackoff: durationSchema(1).default(MAX_BACKOFF_MS_DEFAULT),
    coefficient: z.number().min(1).max(1_000).default(BACKOFF_COEFFICIENT_DEFAULT),
    ageLimit: durationSchema(1).optional(),
  })
  .superRefine((retry, context) => {
    if (retry.minBackoff <= retry.maxBackoff) return;
    const message = `is ${retry.minBackoff} ms, longer than maxBackoff (${retry.maxBackoff} ms): raise maxBackoff too`;
    context.addIssue({ code: 'custom', path: ['minBackoff'], message });
  });

const timeoutsSchema = z.strictObject({
  attempt: durationSchema(1).default(ATTEMPT_TIMEOUT_MS_DEFAULT),
  heartbeat: durationSchema(1_000).default(HEARTBEAT_TIMEOUT_MS_DEFAULT),
  scheduleToStart: durationSchema(1_000).default(SCHEDULE_TO_START_MS_DEFAULT),
});

/** The fields that schedules and jobs share. */
const runFields = {
  target: targetSchema,
  input: z.unknown().optional(),
  pool: idSchema('pool').optional(),
  size: z.int().min(0).max(CAPACITY_MAX).optional(),
  priority: z.int().min(-1_000_000).max(1_000_000).default(0),
  dataset: datasetSchema.optional(),
  retry: retrySchema.prefault({}),
  timeouts: timeoutsSchema.prefault({}),
  startDeadline: durationSchema(1).optional(),
  consistency: z.enum(['atLeastOnce', 'atMostOnce']).default('atLeastOnce'),
  memo: z
    .custom<Readonly<Record<string, unknown>>>()
    .superRefine((memo, context) => addIssues(context, memoIssues(memo, '')))
    .optional(),
  searchAttributes: z
    .custom<SearchAttributesInput>()
    .superRefine((given, context) => addIssues(context, searchAttributesIssues(given, '')))
    .optional(),
};

type RunFields = z.output<z.ZodObject<typeof runFields>>;

/** Hands issues of a plain check on to zod, which knows where it is. */
function addIssues(context: z.RefinementCtx, issues: readonly InputIssue[]): void {
  for (const { path, message } of issues) {
    context.addIssue({ code: 'custom', path: path.split('.').filter((part) => part !== ''), message });
  }
}

/** What the fields of a run say together. */
function runIssues(fields: RunFields): readonly InputIssue[] {
  const { target, dataset } = fields;
  const size = sizeOf(fields);
  if (target.name !== WORKFLOW_TARGET) {
    const message = `must be at least 1, got ${size}: only the target "workflow" can do without capacity`;
    return size > 0 ? [] : [{ path: 'size', message }];
  }
  const path = fields.input === undefined && target.input !== undefined ? 'target.input' : 'input';
  const read = readWorkflowTarget(fields.input ?? target.input, path);
  const issues = read.ok ? [] : read.issues;
  if (size > 0 || dataset === undefined) return issues;
  return [...issues, { path: 'size', message: 'is 0, but a dataset needs capacity: leave one of them out' }];
}

/** A workflow of the user's own runs on workers of theirs, so by itself it needs none of ours. */
function sizeOf({ size, target, pool, dataset }: RunFields): number {
  if (size !== undefined) return size;
  return target.name === WORKFLOW_TARGET && pool === undefined && dataset === undefined ? 0 : 1;
}

function runPolicy(fields: RunFields): RunPolicy {
  const { retry, timeouts, dataset } = fields;
  const input = fields.input ?? fields.target.input;
  return {
    target: { name: fields.target.name, ...(input !== undefined && { input }) },
    pool: fields.pool ?? POOL_DEFAULT,
    size: sizeOf(fields),
    priority: fields.priority,
    ...(dataset !== undefined && { dataset }),
    retry: {
      limit: retry.limit,
      minBackoffMs: retry.minBackoff,
      maxBackoffMs: retry.maxBackoff,
      coefficient: retry.coefficient,
      ...(retry.ageLimit !== undefined && { ageLimitMs: retry.ageLimit }),
    },
    timeouts: {
      attemptMs: timeouts.attempt,
      heartbeatMs: timeouts.heartbeat,
      scheduleToStartMs: timeouts.scheduleToStart,
    },
    ...(fields.startDeadline !== undefined && { startDeadlineMs: fields.startDeadline }),
    consistency: fields.consistency,
    ...(fields.memo !== undefined && { memo: fields.memo }),
    ...(fields.searchAttributes !== undefined && { searchAttributes: fields.searchAttributes }),
  };
}

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

export const OVERLAPS = [
  'skip',
  'bufferOne',
  'bufferNewest',
  'bufferAll',
  'cancelOther',
  'terminateOther',
  'allowAll',
] as const;
/** Schedules that one schedule may trigger: each is told in the step that ends a run. */
const TRIGGERS_MAX = 20;

const CATCH_UP_MODES = z.enum(['none', 'latest', 'all']);
const catchUpFields = z.strictObject({
  mode: CATCH_UP_MODES.default('latest'),
  window: durationSchema(CATCH_UP_WINDOW_MS_MIN).default(CATCH_UP_WINDOW_MS_DEFAULT),
  perSecond: z.number().min(0.01).max(CATCH_UP_PER_SECOND_MAX).default(CATCH_UP_PER_SECOND_DEFAULT),
});
const catchUpSchema = z.union([
  CATCH_UP_MODES.transform((mode) => catchUpFields.parse({ mode })),
  catchUpFields,
]);

const TRIGGERING_KINDS = z.enum(['greedy', 'logarithmic', 'newestFirst']);
const triggeringFields = z.strictObject({
  kind: TRIGGERING_KINDS,
  maxConcurrent: z.int().min(1).max(MAX_CONCURRENT_MAX).default(1),
  maxBatch: z.int().min(1).max(MAX_BATCH_DEFAULT).default(MAX_BATCH_DEFAULT),
  base: z.number().min(LOGARITHMIC_BASE_MIN).max(1_000_000).default(2),
  pendingTimeout: durationSchema(1).default(PENDING_TIMEOUT_MS_DEFAULT),
});
const triggeringSchema = z.union([
  TRIGGERING_KINDS.transform((kind) => triggeringFields.parse({ kind })),
  triggeringFields,
]);

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
  const wrong = runIssues(run);
  if (wrong.length > 0) return { ok: false, issues: wrong };
  if (overlap !== undefined && triggering !== undefined) {
    const message = `"${overlap}" and triggering "${triggering.kind}" both say what happens while a run goes: give one of them`;
    return { ok: false, issues: [{ path: 'overlap', message }] };
  }
  const { pendingTimeout, ...policy } = triggering ?? { pendingTimeout: 0 };
  return {
    ok: true,
    enabled,
    definition: {
      spec: specOf(spec, timeZone, createdAtMs),
      run: runPolicy(run),
      overlap: overlap ?? 'skip',
      ...('kind' in policy && { triggering: { ...policy, pendingTimeoutMs: pendingTimeout } }),
      catchUp: { mode: catchUp.mode, windowMs: catchUp.window, perSecond: catchUp.perSecond },
      ...(limitedRuns !== undefined && { limitedRuns }),
      ...(pauseOnFailure && { pauseOnFailure }),
      ...(triggers.length > 0 && { triggers }),
      ...(note !== undefined && { note }),
    },
  };
}

/** Reads what a job runs. @throws InvalidInputError */
export function parseRun(subject: string, input: unknown): RunPolicy {
  const parsed = z.strictObject(runFields).safeParse(input);
  const issues = parsed.success ? runIssues(parsed.data) : issuesOf(parsed.error);
  if (!parsed.success || issues.length > 0) throw new InvalidInputError(subject, issues);
  return runPolicy(parsed.data);
}

/** zod's issues as ours: the path as people write it, the message with what to do. */
export function issuesOf(error: z.ZodError): readonly InputIssue[] {
  return error.issues.flatMap((issue) => flatten(issue, []));
}

type Issue = z.ZodError['issues'][number];

/** Of a union's branches the one that got furthest is what the person meant. */
function flatten(issue: Issue, prefix: readonly PropertyKey[]): readonly InputIssue[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branches = issue.errors.map((errors) => errors.flatMap((e) => flatten(e, path)));
    const deepest = branches.toSorted((a, b) => depth(b) - depth(a))[0];
    if (deepest !== undefined && deepest.length > 0) return deepest;
  }
  return [{ path: pathText(path), message: issue.message }];
}

function depth(issues: readonly InputIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.split('.').length + (isTypeIssue(issue) ? 0 : 1)));
}

function isTypeIssue(issue: InputIssue): boolean {
  return issue.message.startsWith('Invalid input: expected');
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}
