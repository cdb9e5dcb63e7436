/**
 * The bodies of the REST gateway as zod schemas: what it accepts, what it answers, how it says no.
 * Used by the gateway (validation, OpenAPI) and by `client/gateway-client.ts` (checking answers).
 * Edge-only: workflows never import it. Requests are strict (an unknown field is an error); answers are
 * not, so an older client reads a newer gateway.
 */
import { z } from 'zod';
import {
  CAPACITY_MAX,
  DATASETS_PER_WORKER_MAX,
  POOL_TTL_MS_MAX,
  TARGETS_PER_WORKER_MAX,
  TTL_MS_MIN,
} from '../core/limits.ts';
import { idProblem } from './ids.ts';

/** Largest request body: 256 KB. */
export const BODY_BYTES_MAX = 256 * 1024;
/**
 * Allocs in one renewal. An alloc's id is at most about 500 characters (ids of 200, three bytes each in
 * UTF-8 at worst), so 150 of them stay below `BODY_BYTES_MAX`; a busier worker renews in several calls.
 */
export const RUNNING_PER_RENEWAL_MAX = 150;
/** Longest TTL of a pool: a day. Beyond that a lost worker would hold capacity for ever. */
const TTL_MS_MAX = 24 * 60 * 60 * 1000;
const TEXT_LENGTH_MAX = 1_000;

/** An id that a URL can carry: `.` and `..` would be resolved away before the gateway sees them. */
export function idSchema(noun: string) {
  return z.string().superRefine((id, context) => {
    const problem =
      id === '.' || id === '..' ? `${noun} id "${id}" cannot be part of a URL` : idProblem(noun, id);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });
}

const text = z.string().min(1).max(TEXT_LENGTH_MAX);
const instant = z.number();
const ttl = z.int().min(TTL_MS_MIN).max(TTL_MS_MAX);
const nonNegative = z.int().min(0);
const poolTtl = z
  .int()
  .max(POOL_TTL_MS_MAX)
  .refine((ms) => ms === 0 || ms >= TTL_MS_MIN, {
    message: `must be 0 (never) or at least ${TTL_MS_MIN}`,
  });
const strategy = z.enum(['pack', 'spread']);

// -- requests --------------------------------------------------------------------------------------

export const poolSettingsInputSchema = z
  .strictObject({
    workerTtlMs: ttl
      .optional()
      .describe('A worker that has not renewed for this long is lost. Default 15 s.'),
    replicaTtlMs: ttl.optional().describe('A dataset not renewed for this long is gone. Default 60 s.'),
    allocTtlMs: ttl.optional().describe('An alloc not confirmed for this long is given back. Default 30 s.'),
    poolTtlMs: poolTtl
      .optional()
      .describe(
        'A pool without a live worker, and not created again, for this long is disbanded. Default 0: never.',
      ),
    retryMax: nonNegative.max(1_000).optional().describe('Lost workers before a dead letter. Default 5.'),
    reserveAfterMs: nonNegative.max(TTL_MS_MAX).optional().describe('Default 30 s.'),
    strategy: strategy.optional().describe('Which of the workers that fit: least left (default), or most.'),
  })
  .meta({ id: 'PoolSettingsInput' });

export const createPoolSchema = z
  .strictObject({ id: idSchema('pool'), settings: poolSettingsInputSchema.optional() })
  .meta({ id: 'CreatePool' });

export const registerWorkerSchema = z
  .strictObject({
    incarnation: text.describe('Tells two processes of one name apart; new at every process start.'),
    capacity: z.int().min(1).max(CAPACITY_MAX),
    targets: z.array(idSchema('target')).max(TARGETS_PER_WORKER_MAX),
    datasets: z.array(idSchema('dataset')).max(DATASETS_PER_WORKER_MAX),
    taskQueue: text,
    replace: z.boolean().optional().describe('Take the name over from a live worker. Default false.'),
  })
  .meta({ id: 'RegisterWorker' });

export const allocRefSchema = z.object({ id: text, epoch: nonNegative }).meta({ id: 'AllocRef' });

export const renewWorkerSchema = z
  .strictObject({
    incarnation: text,
    running: z.array(allocRefSchema).max(RUNNING_PER_RENEWAL_MAX),
    part: z
      .strictObject({
        last: z.boolean(),
        sinceMs: instant.optional().describe('`nowMs` of the answer to the first part.'),
      })
      .optional()
      .describe('Of a renewal in several calls, as more runs than one can list.'),
  })
  .meta({ id: 'RenewWorker' });

export const drainPoolSchema = z
  .strictObject({ off: z.boolean().optional().describe('Take new ones again. Default false.') })
  .meta({ id: 'DrainPool' });

export const drainWorkerSchema = z.strictObject({ incarnation: text.optional() }).meta({ id: 'DrainWorker' });

// -- answers ---------------------------------------------------------------------------------------

export const poolSchema = z
  .object({
    id: z.string(),
    state: z.enum(['active', 'draining', 'disbanded']),
    settings: z.object({
      workerTtlMs: z.number(),
      replicaTtlMs: z.number(),
      allocTtlMs: z.number(),
      poolTtlMs: z.number(),
      retryMax: z.number(),
      reserveAfterMs: z.number(),
      strategy,
    }),
    createdAtMs: instant,
    expiresAtMs: instant.optional().describe('When a pool with a TTL expires, or has expired.'),
  })
  .meta({ id: 'Pool' });

export const poolDetailsSchema = poolSchema
  .extend({
    counts: z.object({
      workers: z.number(),
      capacity: z.number(),
      free: z.number(),
      allocs: z.number(),
      waiting: z.number(),
      complete: z.boolean().describe('False where a count stopped at its bound and is a lower limit.'),
    }),
  })
  .meta({ id: 'PoolDetails' });

const workerState = z.enum(['active', 'draining', 'cordoned']);

export const workerSchema = z
  .object({
    poolId: z.string(),
    id: z.string(),
    incarnation: z.string(),
    state: workerState,
    capacity: z.number(),
    free: z.number(),
    peakUsed: z.number(),
    targets: z.array(z.string()).readonly(),
    datasets: z.array(z.string()).readonly(),
    taskQueue: z.string(),
    registeredAtMs: instant,
    renewedAtMs: instant,
    expiresAtMs: instant,
  })
  .meta({ id: 'Worker' });

export const leaseSchema = z
  .object({
    nowMs: instant,
    expiresAtMs: instant,
    workerTtlMs: z.number(),
    allocTtlMs: z.number(),
    held: z.array(allocRefSchema).readonly(),
    lost: z.array(allocRefSchema).readonly().describe('Given up, but counted as used while they are listed.'),
    used: z.number().describe('Units that the pool counts as used on this worker.'),
    state: workerState,
  })
  .meta({ id: 'WorkerLease' });

export const allocSchema = z
  .object({
    id: z.string(),
    poolId: z.string(),
    workerId: z.string(),
    incarnation: z.string(),
    taskQueue: z.string(),
    epoch: z.number(),
    size: z.number(),
    invocationId: z.string(),
    target: z.string(),
    dataset: z.string().optional(),
    warm: z.boolean().optional(),
    grantedAtMs: instant,
    expiresAtMs: instant,
  })
  .meta({ id: 'Alloc' });

export const waitReasonSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('no-pool') }),
  z.object({ kind: z.literal('no-workers') }),
  z.object({ kind: z.literal('no-worker-with-target'), target: z.string() }),
  z.object({ kind: z.literal('no-worker-with-dataset'), dataset: z.string() }),
  z.object({ kind: z.literal('larger-than-any-worker'), largest: z.number() }),
  z.object({ kind: z.literal('warming'), dataset: z.string() }),
  z.object({ kind: z.literal('draining') }),
  z.object({ kind: z.literal('reserved'), forEval: z.string() }),
  z.object({ kind: z.literal('no-free-capacity'), largestFree: z.number() }),
]);

export const waitingEvalSchema = z
  .object({
    id: z.string(),
    poolId: z.string(),
    invocationId: z.string(),
    target: z.string(),
    size: z.number(),
    dataset: z
      .object({ id: z.string(), mode: z.enum(['required', 'preferred']), warmWaitMs: z.number() })
      .optional(),
    priority: z.number(),
    retry: z.number(),
    enqueuedAtMs: instant,
    reason: waitReasonSchema,
  })
  .meta({ id: 'WaitingEval' });

export const disbandedSchema = z
  .object({ refused: z.array(waitingEvalSchema).readonly() })
  .meta({ id: 'Disbanded' });

export const outcomeSchema = z.enum([
  'started',
  'skipped-overlap',
  'skipped-occurrence',
  'held',
  'moved',
  'disabled',
  'paused',
  'missed',
  'superseded',
  'dropped',
  'duplicate',
  'deleted',
  'refused',
]);

export const runStatusSchema = z.enum([
  'succeeded',
  'failed',
  'dead-lettered',
  'expired',
  'cancelled',
  'terminated',
  'unknown',
]);

const runErrorSchema = z.object({ type: z.string(), message: z.string() });

export const runSchema = z
  .object({
    invocationId: z.string(),
    scheduleId: z.string().optional(),
    jobId: z.string().optional(),
    nominalAtMs: instant.optional(),
    target: z.string(),
    poolId: z.string(),
    workerId: z.string().optional(),
    why: z.string(),
    status: runStatusSchema,
    attempts: z.number(),
    lost: z.number(),
    startedAtMs: instant,
    endedAtMs: instant,
    result: z.unknown().optional(),
    error: runErrorSchema.optional(),
  })
  .meta({ id: 'Run' });

export const fireSchema = z
  .object({
    scheduleId: z.string(),
    creation: z.string(),
    key: z.string(),
    kind: z.enum(['fire', 'manual', 'upstream', 'backfill', 'span']),
    outcome: outcomeSchema,
    reason: z.string().optional(),
    fromMs: instant,
    toMs: instant,
    count: z.number(),
    invocationId: z.string().optional(),
    blockedBy: z.string().optional(),
    decidedAtMs: instant,
    recordedAtMs: instant,
    run: runSchema.optional(),
  })
  .meta({ id: 'Fire' });

export const deadLetterSchema = z
  .object({
    invocationId: z.string(),
    reason: z.string(),
    error: runErrorSchema.optional(),
    attempts: z.number(),
    input: z.unknown(),
    atMs: instant,
  })
  .meta({ id: 'DeadLetter' });

/** One page of `item`; `nextCursor` is absent on the last. */
export function pageSchema<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item).readonly(), nextCursor: z.string().optional() });
}

/** How the gateway says no: RFC 9457, with our `code`, and `errors` where fields are at fault. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    code: z.string(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .readonly()
      .optional(),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem' });

export type Problem = z.infer<typeof problemSchema>;
