/**
 * The zod schema of what an invocation runs: the fields that schedules and jobs share, and what they say together. Used by
 * the schedules' schema and, for jobs, by the edges. What it accepts becomes a `RunPolicy`, every default filled in.
 */
import { z } from 'zod';
import {
  ATTEMPT_TIMEOUT_MS_DEFAULT,
  BACKOFF_COEFFICIENT_DEFAULT,
  CAPACITY_MAX,
  HEARTBEAT_TIMEOUT_MS_DEFAULT,
  INPUT_CHARS_MAX,
  MAX_BACKOFF_MS_DEFAULT,
  MIN_BACKOFF_MS_DEFAULT,
  POOL_DEFAULT,
  RETRY_LIMIT_DEFAULT,
  SCHEDULE_TO_START_MS_DEFAULT,
  WARM_WAIT_MS_DEFAULT,
} from '../core/limits.ts';
import { type InputIssue, InvalidInputError } from './errors.ts';
import { durationSchema, idSchema, issuesOf } from './fields.ts';
import type { RunPolicy, SearchAttributesInput } from './schedule.ts';
import { memoIssues, searchAttributesIssues } from './search-attributes.ts';
import { charsOf, inputTooLarge } from './size.ts';
import { readWorkflowTarget, WORKFLOW_TARGET } from './workflow-target.ts';

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
      warmWait: durationSchema().optional(),
    })
    .superRefine(({ mode, warmWait }, context) => {
      if (mode === 'preferred' || warmWait === undefined) return;
      const message = 'is for "preferred", not for "required": leave it out, or choose that';
      context.addIssue({ code: 'custom', path: ['warmWait'], message });
    })
    .transform(({ warmWait = WARM_WAIT_MS_DEFAULT, ...rest }) => ({ ...rest, warmWaitMs: warmWait })),
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
export const runFields = {
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
export function runIssues(fields: RunFields): readonly InputIssue[] {
  const { target, dataset } = fields;
  const input = fields.input ?? target.input;
  const { chars, wrong } = charsOf(input);
  if (wrong !== undefined) return [{ path: 'input', message: `cannot be written as JSON: ${wrong}` }];
  if (chars > INPUT_CHARS_MAX) return [{ path: 'input', message: inputTooLarge(chars) }];
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

export function runPolicy(fields: RunFields): RunPolicy {
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

/** Reads what a job runs. @throws InvalidInputError */
export function parseRun(subject: string, input: unknown): RunPolicy {
  const parsed = z.strictObject(runFields).safeParse(input);
  const issues = parsed.success ? runIssues(parsed.data) : issuesOf(parsed.error);
  if (!parsed.success || issues.length > 0) throw new InvalidInputError(subject, issues);
  return runPolicy(parsed.data);
}
