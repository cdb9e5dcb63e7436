/**
 * Pools over REST: create, list, look at, disband, and what is in them (workers, allocs, the queue).
 * Registered by `app.ts`; all rules are the store's.
 */
import { createRoute, z } from '@hono/zod-openapi';
import {
  allocSchema,
  createPoolSchema,
  disbandedSchema,
  drainPoolSchema,
  pageSchema,
  poolDetailsSchema,
  poolSchema,
  waitingEvalSchema,
  workerSchema,
} from '../../contract/gateway.ts';
import type { Page, PageRequest, Store } from '../../store/store.ts';
import {
  type GatewayApp,
  json,
  jsonBody,
  needs,
  pageOf,
  pageQuery,
  poolParams,
  present,
  problemAnswer,
  type RouteDeps,
} from '../routing.ts';

const page = z.strictObject(pageQuery);

const createPool = createRoute({
  method: 'post',
  path: '/v1/pools',
  operationId: 'createPool',
  description: 'One that is there already is left as it is, but the time after which it expires begins anew.',
  middleware: needs('operate'),
  request: { body: jsonBody(createPoolSchema) },
  responses: { 201: json(poolSchema, 'The new pool.'), default: problemAnswer },
});

const listPools = createRoute({
  method: 'get',
  path: '/v1/pools',
  operationId: 'listPools',
  middleware: needs('read'),
  request: { query: page },
  responses: { 200: json(pageSchema(poolSchema), 'Pools by id.'), default: problemAnswer },
});

const getPool = createRoute({
  method: 'get',
  path: '/v1/pools/{poolId}',
  operationId: 'getPool',
  middleware: needs('read'),
  request: { params: poolParams },
  responses: { 200: json(poolDetailsSchema, 'The pool with its counts.'), default: problemAnswer },
});

const disbandPool = createRoute({
  method: 'delete',
  path: '/v1/pools/{poolId}',
  operationId: 'disbandPool',
  description: 'It takes nothing new from now on; what runs may finish. An absent pool is a success.',
  middleware: needs('operate'),
  request: { params: poolParams },
  responses: { 200: json(disbandedSchema, 'The waiting evals that were refused.'), default: problemAnswer },
});

const drainPool = createRoute({
  method: 'post',
  path: '/v1/pools/{poolId}/drain',
  operationId: 'drainPool',
  description:
    'No new allocs in it until that is taken back; what runs may finish, what waits goes on waiting.',
  middleware: needs('operate'),
  request: { params: poolParams, body: jsonBody(drainPoolSchema) },
  responses: { 204: { description: 'It drains, or does no more.' }, default: problemAnswer },
});

/** A list of what is in a pool, by pages. */
function listIn<P extends string, T extends z.ZodType>(what: P, item: T, description: string) {
  return createRoute({
    method: 'get',
    path: `/v1/pools/{poolId}/${what}` as const,
    operationId: `list${what.charAt(0).toUpperCase()}${what.slice(1)}`,
    middleware: needs('read'),
    request: { params: poolParams, query: page },
    responses: { 200: json(pageSchema(item), description), default: problemAnswer },
  });
}

const listWorkers = listIn('workers', workerSchema, 'Its workers.');
const listAllocs = listIn('allocs', allocSchema, 'Granted capacity.');
const listEvals = listIn('evals', waitingEvalSchema, 'The queue, in the order in which it is served.');

export function addPoolRoutes(app: GatewayApp, { store, notifier }: RouteDeps): void {
  app.openapi(createPool, async (c) => {
    const { id, settings } = c.req.valid('json');
    const pool = await store.createPool(id, settings === undefined ? {} : present(settings));
    // Its sweep is to find it without a worker, should none ever come.
    if (pool.settings.poolTtlMs > 0) notifier.workerRegistered(id);
    return c.json(pool, 201);
  });
  app.openapi(listPools, async (c) => c.json(await store.listPools(pageOf(c.req.valid('query'))), 200));
  app.openapi(getPool, async (c) => {
    const { poolId } = c.req.valid('param');
    const pool = await store.getPool(poolId);
    return c.json({ ...pool, counts: await countPool(store, poolId) }, 200);
  });
  app.openapi(disbandPool, async (c) => {
    const { poolId } = c.req.valid('param');
    const disbanded = await store.disbandPool(poolId);
    notifier.refused(disbanded.refused);
    // Its sweep tells them again where this gateway cannot.
    if (disbanded.refused.length > 0) notifier.workerRegistered(poolId);
    return c.json(disbanded, 200);
  });
  app.openapi(drainPool, async (c) => {
    const { poolId } = c.req.valid('param');
    const { grants } = await store.drainPool(poolId, present(c.req.valid('json')));
    notifier.grants(grants);
    return c.body(null, 204);
  });
  app.openapi(listWorkers, async (c) => {
    return c.json(await store.listWorkers(c.req.valid('param').poolId, pageOf(c.req.valid('query'))), 200);
  });
  app.openapi(listAllocs, async (c) => {
    return c.json(await store.listAllocs(c.req.valid('param').poolId, pageOf(c.req.valid('query'))), 200);
  });
  app.openapi(listEvals, async (c) => {
    return c.json(await store.listWaiting(c.req.valid('param').poolId, pageOf(c.req.valid('query'))), 200);
  });
}

async function countPool(store: Store, poolId: string) {
  const workers = await readAll((request) => store.listWorkers(poolId, request));
  const allocs = await readAll((request) => store.listAllocs(poolId, request));
  const waiting = await readAll((request) => store.listWaiting(poolId, request));
  return {
    workers: workers.items.length,
    capacity: workers.items.reduce((sum, worker) => sum + worker.capacity, 0),
    free: workers.items.reduce((sum, worker) => sum + worker.free, 0),
    allocs: allocs.items.length,
    waiting: waiting.items.length,
    complete: workers.complete && allocs.complete && waiting.complete,
  };
}

/** Pages read for one count: a thousand items answer "how many" well enough for a person. */
const COUNT_PAGES_MAX = 10;

async function readAll<T>(read: (request: PageRequest) => Promise<Page<T>>) {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < COUNT_PAGES_MAX; pages += 1) {
    const next = await read(pageOf({ cursor }));
    items.push(...next.items);
    cursor = next.nextCursor;
    if (cursor === undefined) return { items, complete: true };
  }
  return { items, complete: false };
}
