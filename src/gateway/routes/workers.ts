/**
 * The worker protocol over REST: register, renew, drain, leave. Spoken by pool workers, which run
 * users' code and therefore never see the database. Registered by `app.ts`.
 */
import { createRoute, z } from '@hono/zod-openapi';
import {
  drainWorkerSchema,
  leaseSchema,
  registerWorkerSchema,
  renewWorkerSchema,
} from '../../contract/gateway.ts';
import {
  type GatewayApp,
  json,
  jsonBody,
  needs,
  problemAnswer,
  type RouteDeps,
  workerParams,
} from '../routing.ts';

const path = '/v1/pools/{poolId}/workers/{workerId}';

const register = createRoute({
  method: 'put',
  path,
  operationId: 'registerWorker',
  description: 'Puts the worker; 409 (WorkerExists) while a live one of another incarnation has the name.',
  middleware: needs('work'),
  request: { params: workerParams, body: jsonBody(registerWorkerSchema) },
  responses: { 200: json(leaseSchema, 'Its lease.'), default: problemAnswer },
});

const renew = createRoute({
  method: 'post',
  path: `${path}/renew`,
  operationId: 'renewWorker',
  description:
    'Renews the worker, its datasets and the allocs it says it runs. `held` answers which of those are still its own.',
  middleware: needs('work'),
  request: { params: workerParams, body: jsonBody(renewWorkerSchema) },
  responses: { 200: json(leaseSchema, 'Its lease.'), default: problemAnswer },
});

const drain = createRoute({
  method: 'post',
  path: `${path}/drain`,
  operationId: 'drainWorker',
  description: 'No new allocs for it; what runs may finish.',
  middleware: needs('work'),
  request: { params: workerParams, body: jsonBody(drainWorkerSchema) },
  responses: { 204: { description: 'It drains.' }, default: problemAnswer },
});

const leave = createRoute({
  method: 'delete',
  path,
  operationId: 'removeWorker',
  description: 'Removes it; what it still held is evaluated again elsewhere. An absent worker is a success.',
  middleware: needs('work'),
  request: {
    params: workerParams,
    query: z.strictObject({ incarnation: z.string().min(1).max(1_000).optional() }),
  },
  responses: { 204: { description: 'It is gone.' }, default: problemAnswer },
});

export function addWorkerRoutes(app: GatewayApp, { store, notifier }: RouteDeps): void {
  app.openapi(register, async (c) => {
    const { replace = false, ...registration } = c.req.valid('json');
    const ids = c.req.valid('param');
    const { lease, grants } = await store.registerWorker({ ...registration, ...ids }, { replace });
    notifier.workerRegistered(ids.poolId);
    notifier.grants(grants);
    return c.json(lease, 200);
  });
  app.openapi(renew, async (c) => {
    const { poolId, workerId } = c.req.valid('param');
    const { incarnation, running, part } = c.req.valid('json');
    const { lease, grants } = await store.renewWorker(poolId, workerId, incarnation, running, part);
    notifier.grants(grants);
    return c.json(lease, 200);
  });
  app.openapi(drain, async (c) => {
    const { poolId, workerId } = c.req.valid('param');
    await store.drainWorker(poolId, workerId, c.req.valid('json').incarnation);
    return c.body(null, 204);
  });
  app.openapi(leave, async (c) => {
    const { poolId, workerId } = c.req.valid('param');
    const { grants } = await store.removeWorker(poolId, workerId, c.req.valid('query').incarnation);
    notifier.grants(grants);
    return c.body(null, 204);
  });
}
