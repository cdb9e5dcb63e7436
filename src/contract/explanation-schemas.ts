/** The gateway's explanations as zod schemas. Edge-only, like `gateway.ts`: workflows never import it. */
import { z } from 'zod';
import { allocSchema, waitingEvalSchema, waitReasonSchema } from './gateway.ts';

const instant = z.number();

const lostBy = z.enum([
  ...(['expired', 'draining', 'cordoned', 'no-target', 'no-dataset', 'colder'] as const),
  ...(['too-small', 'full', 'reserved', 'less-good-fit'] as const),
]);

const losersSchema = z
  .array(z.object({ workerId: z.string(), by: lostBy, free: z.number() }))
  .readonly()
  .describe('Those that came nearest, with what they had free.');

const lostSchema = z.partialRecord(lostBy, z.number()).describe('How many workers lost, by reason.');

const waitedSchema = z
  .array(z.object({ reason: waitReasonSchema, untilAtMs: instant }))
  .readonly()
  .describe('What it waited for, one reason after the other.');

const placementSchema = z.object({
  left: z.number().describe('What its worker had left after it.'),
  lost: lostSchema,
  nearest: losersSchema,
});

export const evalStorySchema = z
  .object({
    evalId: z.string(),
    poolId: z.string(),
    state: z.enum(['waiting', 'granted', 'ended']),
    enqueuedAtMs: instant.optional(),
    waited: waitedSchema,
    waitsFor: waitReasonSchema.optional(),
    workerId: z.string().optional(),
    grantedAtMs: instant.optional(),
    warm: z.boolean().optional(),
    placement: placementSchema.optional(),
    endedAtMs: instant.optional(),
    release: z.string().optional(),
  })
  .meta({ id: 'EvalStory' });

const estimateSchema = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('estimate'),
      medianAtMs: instant,
      fromAtMs: instant,
      untilAtMs: instant.optional(),
      runs: z.number(),
      withoutRuns: z.array(z.string()).readonly(),
    }),
    z.object({
      kind: z.literal('unknown'),
      why: z.enum(['no-past-runs', 'nobody-could', 'too-far-back']),
      targets: z.array(z.string()).readonly().optional(),
    }),
  ])
  .describe('When it may begin: four times of five between `fromAtMs` and `untilAtMs`.')
  .meta({ id: 'StartEstimate' });

export const queueEntrySchema = waitingEvalSchema
  .extend({ position: z.number(), estimate: estimateSchema })
  .meta({ id: 'QueueEntry' });

export const queueSchema = z.object({ items: z.array(queueEntrySchema).readonly() });

export const storiesSchema = z.object({ items: z.array(evalStorySchema).readonly() });

export const evalExplanationSchema = z
  .discriminatedUnion('state', [
    z.object({
      state: z.literal('waiting'),
      waiting: queueEntrySchema,
      waited: waitedSchema,
      candidates: losersSchema,
      lost: lostSchema,
    }),
    z.object({ state: z.literal('granted'), alloc: allocSchema, story: evalStorySchema }),
    z.object({ state: z.literal('ended'), story: evalStorySchema }),
  ])
  .meta({ id: 'EvalExplanation' });
