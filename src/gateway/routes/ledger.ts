/**
 * The durable record over REST: what became of every due time, every run with its result, and the
 * dead letters. Read-only. Registered by `app.ts`.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { InvalidInputError } from '../../contract/errors.ts';
import { backwardsIssue } from '../../contract/ledger.ts';
import {
  deadLetterSchema,
  fireSchema,
  idSchema,
  outcomeSchema,
  pageSchema,
  runSchema,
  runStatusSchema,
} from '../../contract/gateway.ts';
import {
  type GatewayApp,
  instantQuery,
  json,
  longId,
  needs,
  pageOf,
  pageQuery,
  present,
  problemAnswer,
  type RouteDeps,
} from '../routing.ts';

const listFires = createRoute({
  method: 'get',
  path: '/v1/fires',
  operationId: 'listFires',
  description: 'Due times from `from` (inclusive) until `until` (exclusive).',
  middleware: needs('read'),
  request: {
    query: z.strictObject({
      scheduleId: idSchema('schedule').optional(),
      from: instantQuery.optional(),
      until: instantQuery.optional(),
      outcome: outcomeSchema.optional(),
      ...pageQuery,
    }),
  },
  responses: { 200: json(pageSchema(fireSchema), 'Due times and their outcomes.'), default: problemAnswer },
});

const listRuns = createRoute({
  method: 'get',
  path: '/v1/runs',
  operationId: 'listRuns',
  middleware: needs('read'),
  request: {
    query: z.strictObject({
      scheduleId: idSchema('schedule').optional(),
      jobId: idSchema('job').optional(),
      status: runStatusSchema.optional(),
      ...pageQuery,
    }),
  },
  responses: { 200: json(pageSchema(runSchema), 'Invocations that ended.'), default: problemAnswer },
});

const getRun = createRoute({
  method: 'get',
  path: '/v1/runs/{invocationId}',
  operationId: 'getRun',
  description: 'The id contains slashes: encode it as one path segment.',
  middleware: needs('read'),
  request: { params: z.object({ invocationId: longId }) },
  responses: { 200: json(runSchema, 'The record of one invocation.'), default: problemAnswer },
});

const listDeadLetters = createRoute({
  method: 'get',
  path: '/v1/dead-letters',
  operationId: 'listDeadLetters',
  middleware: needs('read'),
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: json(pageSchema(deadLetterSchema), 'Invocations given up on.'), default: problemAnswer },
});

export function addLedgerRoutes(app: GatewayApp, { store }: RouteDeps): void {
  app.openapi(listFires, async (c) => {
    const { limit, cursor, from, until, ...filter } = c.req.valid('query');
    const issue = backwardsIssue({ fromMs: from, untilMs: until });
    if (issue !== undefined) throw new InvalidInputError('fires', [issue]);
    const range = {
      ...(from === undefined ? {} : { fromMs: from }),
      ...(until === undefined ? {} : { untilMs: until }),
    };
    return c.json(await store.listFires({ ...present(filter), ...range }, pageOf({ limit, cursor })), 200);
  });
  app.openapi(listRuns, async (c) => {
    const { limit, cursor, ...filter } = c.req.valid('query');
    return c.json(await store.listRuns(present(filter), pageOf({ limit, cursor })), 200);
  });
  app.openapi(getRun, async (c) => c.json(await store.getRun(c.req.valid('param').invocationId), 200));
  app.openapi(listDeadLetters, async (c) => {
    return c.json(await store.listDeadLetters(pageOf(c.req.valid('query'))), 200);
  });
}
