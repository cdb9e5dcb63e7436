/**
 * Explanations over REST: why an eval waits and until when, why it went to its worker, and how an invocation's evals
 * went. Read-only. Registered by `app.ts`.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { evalExplanationSchema, queueSchema, storiesSchema } from '../../contract/explanation-schemas.ts';
import {
  type GatewayApp,
  json,
  longId,
  needs,
  poolParams,
  problemAnswer,
  type RouteDeps,
} from '../routing.ts';

const explainQueue = createRoute({
  method: 'get',
  path: '/v1/pools/{poolId}/queue',
  operationId: 'explainQueue',
  description: 'The first 100 that wait, with their places, why they wait, and when they may begin.',
  middleware: needs('read'),
  request: { params: poolParams },
  responses: { 200: json(queueSchema, 'In the order in which they are served.'), default: problemAnswer },
});

const explainEval = createRoute({
  method: 'get',
  path: '/v1/evals/{evalId}',
  operationId: 'explainEval',
  description: 'The id contains slashes: encode it as one path segment.',
  middleware: needs('read'),
  request: { params: z.object({ evalId: longId }) },
  responses: { 200: json(evalExplanationSchema, 'Where it stands, and why.'), default: problemAnswer },
});

const explainInvocation = createRoute({
  method: 'get',
  path: '/v1/invocations/{invocationId}/evals',
  operationId: 'explainInvocation',
  description:
    'The id contains slashes: encode it as one path segment. One that has asked for nothing has none.',
  middleware: needs('read'),
  request: { params: z.object({ invocationId: longId }) },
  responses: { 200: json(storiesSchema, 'Its evals, the oldest first.'), default: problemAnswer },
});

export function addExplanationRoutes(app: GatewayApp, { store }: RouteDeps): void {
  app.openapi(explainQueue, async (c) => {
    return c.json({ items: await store.explainQueue(c.req.valid('param').poolId) }, 200);
  });
  app.openapi(explainEval, async (c) => c.json(await store.explainEval(c.req.valid('param').evalId), 200));
  app.openapi(explainInvocation, async (c) => {
    return c.json({ items: await store.explainInvocation(c.req.valid('param').invocationId) }, 200);
  });
}
