/** The gateway in process, on a real store: who may ask, what is refused and how, and what the client makes of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GatewayClient, GatewayUnavailableError } from '../../src/client/gateway-client.ts';
import type { EscapementError } from '../../src/contract/errors.ts';
import {
  AlreadyExistsError,
  InvalidInputError,
  NotExistsError,
  PoolDisbandedError,
} from '../../src/contract/errors.ts';
import { BODY_BYTES_MAX } from '../../src/contract/gateway.ts';
import type { EvalRequest, WorkerRegistration } from '../../src/contract/pools.ts';
import { createGateway, type Gateway } from '../../src/gateway/app.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Grant, Store } from '../../src/store/store.ts';

const KEY = '0123456789abcdef0123456789abcdef';
let store: Store;
let gateway: Gateway;
let client: GatewayClient;
let granted: Grant[];
let registered: string[];
let poolId: string;

beforeAll(async () => {
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(() => store.close());
beforeEach(() => {
  granted = [];
  registered = [];
  poolId = `pool-${randomUUID()}`;
  gateway = createGateway({
    store,
    key: KEY,
    onGrants: (grants) => void granted.push(...grants),
    onWorkerRegistered: (id) => void registered.push(id),
  });
  client = clientOf(gateway);
});

function clientOf(to: Gateway, key = KEY): GatewayClient {
  return new GatewayClient({ url: 'http://127.0.0.1:1', key, fetch: (request) => to.app.fetch(request) });
}

function request(
  path: string,
  init: { method?: string; body?: string; headers?: Record<string, string> } = {},
) {
  const headers = { authorization: `Bearer ${KEY}`, ...init.headers };
  return gateway.app.request(path, { ...init, headers });
}

function registration(workerId: string, extra: Partial<WorkerRegistration> = {}): WorkerRegistration {
  const taskQueue = `pool/${poolId}/${workerId}`;
  const base = { incarnation: randomUUID(), capacity: 2, targets: ['command'], datasets: ['photos'] };
  return { poolId, workerId, taskQueue, ...base, ...extra };
}

function evalRequest(id: string, extra: Partial<EvalRequest> = {}): EvalRequest {
  return {
    id,
    poolId,
    invocationId: `job/${id}`,
    target: 'command',
    size: 1,
    priority: 0,
    retry: 0,
    ...extra,
  };
}

describe('who may ask', () => {
  test.each([
    ['no key', {}],
    ['another key', { authorization: 'Bearer 0123456789abcdef0123456789abcdee' }],
    ['another scheme', { authorization: `Basic ${KEY}` }],
  ])('%s is refused before anything else is looked at', async (_what, headers) => {
    const response = await gateway.app.request('/v1/nowhere', { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    expect(await response.json()).toMatchObject({ code: 'Unauthorized', status: 401 });
  });

  test('the client says so too', async () => {
    const call = clientOf(gateway, 'fedcba9876543210').listPools();
    await expect(call).rejects.toMatchObject({ code: 'Unauthorized', name: 'EscapementError' });
  });

  test('health and the API description need no key', async () => {
    const health = await gateway.app.request('/healthz');
    expect([health.status, await health.json()]).toEqual([200, { status: 'ok', store: true }]);
    const document: unknown = await (await gateway.app.request('/openapi.json')).json();
    expect(document).toMatchObject({ openapi: '3.1.0', paths: { '/v1/pools/{poolId}': {} } });
  });

  test('a gateway without a key answers to loopback names only', async () => {
    const open = createGateway({ store, onGrants: () => {}, onWorkerRegistered: () => {} });
    expect((await open.app.request('http://127.0.0.1:7280/v1/pools')).status).toBe(200);
    expect((await open.app.request('http://evil.example/v1/pools')).status).toBe(401);
  });

  test('a short key is refused', () => {
    const create = () =>
      createGateway({ store, key: 'short', onGrants: () => {}, onWorkerRegistered: () => {} });
    expect(create).toThrow(/5 characters, at least 16/);
  });
});

describe('what is refused', () => {
  const json = { 'content-type': 'application/json' };

  test('a body with wrong fields: each is named', async () => {
    const body = JSON.stringify({ id: 'a/b', settings: { workerTtlMs: 5, colour: 'red' } });
    const response = await request('/v1/pools', { method: 'POST', body, headers: json });
    expect(response.status).toBe(400);
    const problem: unknown = await response.json();
    expect(problem).toMatchObject({ code: 'InvalidInput', errors: expect.any(Array) });
    const paths = (problem as { errors: { path: string }[] }).errors.map((error) => error.path);
    expect(paths.sort()).toEqual(['id', 'settings', 'settings.workerTtlMs']);
  });

  test.each([
    ['a body that is no JSON', { body: '{', headers: json }, 400],
    ['a body of another type', { body: 'id=a', headers: { 'content-type': 'text/plain' } }, 415],
    ['a body without a type', { body: '{"id":"a"}', headers: { 'content-type': '' } }, 415],
    ['no body', {}, 400],
    ['a body over 256 KB', { body: `{"id":"${'a'.repeat(BODY_BYTES_MAX)}"}`, headers: json }, 413],
  ])('%s', async (_what, init, status) => {
    const response = await request('/v1/pools', { method: 'POST', ...init });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ code: 'InvalidInput', status });
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=ten', 'limit'],
    ['colour=red', ''],
    ['from=yesterday', 'from'],
    ['from=2026-01-31T00:00:00', 'from'],
    ['outcome=fine', 'outcome'],
  ])('the query ?%s', async (query, path) => {
    const response = await request(`/v1/fires?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'InvalidInput', errors: [{ path }] });
  });

  test('a cursor that no page ever handed out', async () => {
    await expect(client.listPools({ cursor: 'nonsense' })).rejects.toBeInstanceOf(InvalidInputError);
  });

  test('an unknown route', async () => {
    const response = await request('/v1/nowhere');
    expect([response.status, await response.json()]).toEqual([404, expect.objectContaining({ status: 404 })]);
  });

  test('an id that a URL cannot carry', async () => {
    await expect(async () => client.getPool('..')).rejects.toThrow(/cannot be part of a URL/);
    await expect(async () => client.getPool('a\ud800')).rejects.toThrow(/cannot be part of a URL/);
    await expect(client.createPool('..')).rejects.toBeInstanceOf(InvalidInputError);
  });
});

describe('pools', () => {
  test('are created once, looked at, listed by pages and disbanded', async () => {
    const created = await client.createPool(poolId, { workerTtlMs: 5_000 });
    expect(created).toMatchObject({ id: poolId, state: 'active', settings: { workerTtlMs: 5_000 } });
    const again = await client.createPool(poolId).catch((error: unknown) => error);
    expect(again).toBeInstanceOf(AlreadyExistsError);
    expect(again).toMatchObject({ code: 'PoolExists' });

    await client.createPool(`${poolId}-b`);
    const first = await client.listPools({ limit: 1 });
    expect(first.items).toHaveLength(1);
    expect(first.nextCursor).toBeDefined();

    await client.disbandPool(poolId);
    await client.disbandPool(poolId);
    await expect(client.registerWorker(registration('w1'))).rejects.toBeInstanceOf(PoolDisbandedError);
  });

  test('one that is not there', async () => {
    const error = await client.getPool(poolId).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotExistsError);
    expect(error).toMatchObject({ code: 'PoolNotExists' });
  });

  test('an id with a space, a percent sign and letters of other scripts', async () => {
    const id = `${poolId} 100% größe 計算`;
    await client.createPool(id);
    expect(await client.getPool(id)).toMatchObject({ id, counts: { workers: 0, complete: true } });
  });
});

describe('the worker protocol', () => {
  test('a worker registers, is given what waited, renews what it runs, and leaves', async () => {
    await client.createPool(poolId);
    const invocation = evalRequest(`e-${poolId}`);
    expect(await store.allocate(invocation)).toMatchObject({ kind: 'waiting' });

    const worker = registration('w1');
    const lease = await client.registerWorker(worker);
    await gateway.settled();
    expect(lease.expiresAtMs - lease.nowMs).toBe(lease.workerTtlMs);
    expect(registered).toEqual([poolId]);
    expect(granted.map((grant) => grant.id)).toEqual([invocation.id]);

    const [alloc] = (await client.listAllocs(poolId)).items;
    const ref = { id: invocation.id, epoch: alloc?.epoch ?? -1 };
    const stale = { id: 'other', epoch: 1 };
    expect((await client.renewWorker(worker, [ref, stale])).held).toEqual([ref]);
    const { counts } = await client.getPool(poolId);
    expect(counts).toEqual({ workers: 1, capacity: 2, free: 1, allocs: 1, waiting: 0, complete: true });
    expect((await client.listWorkers(poolId)).items).toMatchObject([
      { id: 'w1', free: 1, datasets: ['photos'] },
    ]);

    await client.drainWorker(poolId, 'w1', worker.incarnation);
    expect(await client.renewWorker(worker, [ref])).toMatchObject({ state: 'draining' });
    await client.removeWorker(poolId, 'w1', worker.incarnation);
    await client.removeWorker(poolId, 'w1');
    await expect(client.renewWorker(worker, [])).rejects.toMatchObject({ code: 'WorkerNotExists' });
  });

  test('a second live process of one name is refused, unless it replaces the first', async () => {
    await client.createPool(poolId);
    await client.registerWorker(registration('w1'));
    const second = registration('w1');
    await expect(client.registerWorker(second)).rejects.toMatchObject({ code: 'WorkerExists' });
    await expect(client.registerWorker(second, { replace: true })).resolves.toMatchObject({
      state: 'active',
    });
  });

  test('what waits is listed with its reason', async () => {
    await client.createPool(poolId);
    await store.allocate(evalRequest(`e-${poolId}`, { size: 7 }));
    const waiting = await client.listWaiting(poolId);
    expect(waiting.items).toMatchObject([{ size: 7, reason: { kind: 'no-workers' } }]);
  });

  test('a renewal does not wait for those who are told of grants, nor fail with them', async () => {
    const deaf = createGateway({
      store,
      key: KEY,
      onGrants: () => Promise.reject(new Error('no Temporal server')),
      onWorkerRegistered: () => new Promise(() => {}),
    });
    const worker = registration('w1');
    await client.createPool(poolId);
    await store.allocate(evalRequest(`e-${poolId}`));
    await expect(clientOf(deaf).registerWorker(worker)).resolves.toMatchObject({ state: 'active' });
  });
});

describe('the ledger', () => {
  test('answers what became of a due time, with its run, whose id has slashes', async () => {
    const scheduleId = `s-${poolId}`;
    const atMs = Date.UTC(2026, 0, 31);
    const invocationId = `schedule/${scheduleId}/2026-01-31T00:00:00Z`;
    const row = {
      scheduleId,
      creation: 'c1',
      key: '2026-01-31T00:00:00Z',
      kind: 'fire',
      outcome: 'started',
    } as const;
    await store.writeLedger([
      { ...row, fromMs: atMs, toMs: atMs, count: 1, decidedAtMs: atMs, invocationId },
    ]);
    const times = { attempts: 1, lost: 0, startedAtMs: atMs, endedAtMs: atMs + 5 };
    const run = {
      invocationId,
      scheduleId,
      target: 'command',
      poolId,
      why: 'automatic',
      status: 'failed',
    } as const;
    const deadLetter = { invocationId, reason: 'given up', attempts: 1, input: { a: [1] }, atMs };
    await store.finish({ poolId, release: 'finished', run: { ...run, ...times }, deadLetter });

    const window = { fromMs: atMs, untilMs: atMs + 1 };
    const fires = await client.listFires({ scheduleId, outcome: 'started', ...window });
    expect(fires.items).toMatchObject([{ ...row, run: { status: 'failed' } }]);
    expect(await client.getRun(invocationId)).toMatchObject({ invocationId, attempts: 1 });
    expect((await client.listRuns({ scheduleId })).items).toHaveLength(1);
    expect((await client.listDeadLetters()).items).toContainEqual(deadLetter);
    const backwards = await request('/v1/fires?from=2&until=1');
    expect(backwards.status).toBe(400);
    const told = { path: 'from', message: expect.stringContaining('1970-01-01T00:00:00.001Z') as string };
    expect(await backwards.json()).toMatchObject({ code: 'InvalidInput', errors: [told] });
    expect((await request('/v1/fires?from=2&until=2')).status).toBe(200);
    await expect(client.getRun('job/none')).rejects.toMatchObject({ code: 'InvocationNotExists' });
  });
});

describe('an outage', () => {
  test('of the database is told apart from a bug and from silence', async () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const broken = { ...store, listPools: () => Promise.reject(refused), healthy: async () => false };
    const buggy = { ...store, listPools: () => Promise.reject(new Error('secret detail')) };
    const options = { key: KEY, onGrants: () => {}, onWorkerRegistered: () => {} };

    const down = createGateway({ store: broken, ...options });
    expect((await down.app.request('/healthz')).status).toBe(503);
    const unavailable = await clientOf(down)
      .listPools()
      .catch((error: unknown) => error);
    expect(unavailable).toBeInstanceOf(GatewayUnavailableError);
    expect(unavailable).toMatchObject({ code: 'Unavailable', status: 503 });

    const bug: unknown = await clientOf(createGateway({ store: buggy, ...options }))
      .listPools()
      .catch((error: unknown) => error);
    expect(bug).toMatchObject({ status: 500 });
    expect((bug as EscapementError).message).not.toContain('secret');

    const silent: unknown = await new GatewayClient({ url: 'http://127.0.0.1:1' })
      .listPools()
      .catch((error: unknown) => error);
    expect(silent).toMatchObject({ code: 'Unavailable', status: undefined });
    expect((silent as EscapementError).message).toContain('http://127.0.0.1:1');
  });
});
