/** Pools over the gateway, in process and on a real store: explained, drained, disbanded, and asked for the impossible. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import { InvalidInputError, NotExistsError, PoolDisbandedError } from '../../src/contract/errors.ts';
import type { EvalRequest, WaitingEval, WorkerRegistration } from '../../src/contract/pools.ts';
import { createGateway, type Gateway } from '../../src/gateway/app.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Grant, Store } from '../../src/store/store.ts';

let store: Store;
let gateway: Gateway;
let client: GatewayClient;
let granted: Grant[];
let registered: string[];
let refused: readonly WaitingEval[];
let poolId: string;

beforeAll(async () => {
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(() => store.close());
beforeEach(() => {
  granted = [];
  registered = [];
  refused = [];
  poolId = `pool-${randomUUID()}`;
  gateway = createGateway({
    store,
    onGrants: (grants) => void granted.push(...grants),
    onWorkerRegistered: (id) => void registered.push(id),
    onRefused: (waiting) => void (refused = waiting),
  });
  client = new GatewayClient({
    url: 'http://127.0.0.1:1',
    key: '',
    fetch: (request) => gateway.app.fetch(request),
  });
});

function registration(workerId: string, extra: Partial<WorkerRegistration> = {}): WorkerRegistration {
  const taskQueue = `pool/${poolId}/${workerId}`;
  const base = { incarnation: randomUUID(), capacity: 2, targets: ['command'], datasets: [] };
  return { poolId, workerId, taskQueue, ...base, ...extra };
}

function evalRequest(id: string, extra: Partial<EvalRequest> = {}): EvalRequest {
  const plain = { target: 'command', size: 1, priority: 0, retry: 0 };
  return { id, poolId, invocationId: `job/${id}`, ...plain, ...extra };
}

describe('explanations', () => {
  test('a queue with places and estimates, an eval before and after its grant, and an invocation', async () => {
    await client.createPool(poolId, { strategy: 'spread' });
    const [first, second] = [1, 2].map((n) => evalRequest(`job/${poolId}-${n}#1.0`, { size: 2 }));
    if (first === undefined || second === undefined) throw new Error('no evals');
    await store.allocate({ ...first, invocationId: `job/${poolId}-1` });
    await client.registerWorker(registration('w1'));
    await store.allocate({ ...second, priority: 3 });
    expect(await client.explainQueue(poolId)).toMatchObject([
      {
        id: second.id,
        position: 1,
        reason: { kind: 'no-free-capacity', largestFree: 0 },
        estimate: { kind: 'unknown', why: 'no-past-runs', targets: ['command'] },
      },
    ]);
    expect(await client.explainEval(second.id)).toMatchObject({
      state: 'waiting',
      candidates: [{ workerId: 'w1', by: 'full', free: 0 }],
      lost: { full: 1 },
    });
    const story = { workerId: 'w1', waited: [{ reason: { kind: 'no-workers' } }], placement: { left: 0 } };
    expect(await client.explainEval(first.id)).toMatchObject({ state: 'granted', alloc: { size: 2 }, story });
    expect(await client.explainInvocation(`job/${poolId}-1`)).toMatchObject([{ state: 'granted', ...story }]);
    expect(await client.explainInvocation('job/never')).toEqual([]);
  });

  test('of what is not there', async () => {
    await expect(client.explainQueue('nowhere')).rejects.toMatchObject({ code: 'PoolNotExists' });
    const error = await client.explainEval('job/never#1.0').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotExistsError);
    expect(error).toMatchObject({ code: 'EvalNotExists', details: { evalId: 'job/never#1.0' } });
    expect(await client.explainInvocation('nul\u0000')).toEqual([]);
    await expect(client.getRun('nul\u0000')).rejects.toMatchObject({ code: 'InvocationNotExists' });
    await expect(client.explainEval('x'.repeat(1_001))).rejects.toBeInstanceOf(InvalidInputError);
  });
});

describe('draining and disbanding', () => {
  test('a drained pool grants nothing until that is taken back', async () => {
    await client.createPool(poolId);
    await client.drainPool(poolId);
    expect(await client.getPool(poolId)).toMatchObject({ state: 'draining' });
    await client.registerWorker(registration('w1'));
    expect(await store.allocate(evalRequest(`e-${poolId}`))).toMatchObject({ reason: { kind: 'draining' } });
    await client.drainPool(poolId, { off: true });
    await gateway.settled();
    expect(granted.map((grant) => grant.id)).toEqual([`e-${poolId}`]);
    await expect(client.drainPool('nowhere')).rejects.toMatchObject({ code: 'PoolNotExists' });
  });

  test('who waits for a disbanded pool is told, and its sweep kept alive until they know', async () => {
    await client.createPool(poolId);
    await store.allocate(evalRequest(`e-${poolId}`));
    expect((await client.disbandPool(poolId)).refused).toMatchObject([{ id: `e-${poolId}` }]);
    await gateway.settled();
    expect(refused.map(({ id }) => id)).toEqual([`e-${poolId}`]);
    expect(registered).toEqual([poolId]);
    await expect(client.drainPool(poolId)).rejects.toBeInstanceOf(PoolDisbandedError);
  });
});

describe('a pool that expires', () => {
  test('is tended from its creation on, and shows its TTL and when it ends', async () => {
    expect(await client.createPool(poolId, { poolTtlMs: 5_000 })).toMatchObject({
      settings: { poolTtlMs: 5_000 },
    });
    await gateway.settled();
    expect(registered).toEqual([poolId]);
    const { poolExpiresAtMs } = await store.sweepPool(poolId);
    expect((await client.getPool(poolId)).expiresAtMs).toBe(poolExpiresAtMs);
    await expect(client.createPool(poolId)).rejects.toMatchObject({ code: 'PoolExists' });
    expect((await client.getPool(poolId)).expiresAtMs).toBeUndefined();
  });

  test('one that stays for ever is left alone until a worker comes', async () => {
    expect((await client.createPool(poolId)).settings.poolTtlMs).toBe(0);
    await gateway.settled();
    expect(registered).toEqual([]);
  });

  test.each([-1, 999, 366 * 24 * 3_600_000])('a TTL of %d ms is refused', async (poolTtlMs) => {
    const created = client.createPool(poolId, { poolTtlMs });
    await expect(created).rejects.toMatchObject({ issues: [{ path: 'settings.poolTtlMs' }] });
  });
});

describe('bad input of the worker protocol', () => {
  test.each([
    ['a capacity of 0', { capacity: 0 }, ['capacity']],
    ['a negative capacity', { capacity: -2 }, ['capacity']],
    ['half a unit', { capacity: 1.5 }, ['capacity']],
    [
      'a thousand and one datasets',
      { datasets: Array.from({ length: 1_001 }, (_, n) => `d${n}`) },
      ['datasets'],
    ],
    ['a dataset with a slash', { datasets: ['a/b'] }, ['datasets.0']],
    ['a target of control characters', { targets: ['ok', 'bell\u0007'] }, ['targets.1']],
    ['no incarnation', { incarnation: '' }, ['incarnation']],
  ])('%s is refused with its field, and nothing is registered', async (_what, wrong, paths) => {
    await client.createPool(poolId);
    const error = await client.registerWorker(registration('w1', wrong)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidInputError);
    expect((error as InvalidInputError).issues.map(({ path }) => path)).toEqual(paths);
    expect((await client.listWorkers(poolId)).items).toEqual([]);
  });

  test('a thousand datasets are taken', async () => {
    await client.createPool(poolId);
    const datasets = Array.from({ length: 1_000 }, (_, n) => `d${n}`);
    await client.registerWorker(registration('w1', { datasets }));
    expect((await client.listWorkers(poolId)).items[0]?.datasets).toHaveLength(1_000);
  });

  test('a capacity below what is used: nothing new until it fits', async () => {
    await client.createPool(poolId);
    const worker = registration('w1');
    await client.registerWorker(worker);
    for (const n of [1, 2]) await store.allocate(evalRequest(`e-${poolId}-${n}`));
    await client.registerWorker({ ...worker, capacity: 1 });
    expect((await client.listWorkers(poolId)).items).toMatchObject([{ capacity: 1, free: -1 }]);
    expect(await store.allocate(evalRequest(`e-${poolId}-3`))).toMatchObject({ kind: 'waiting' });
  });

  test('who renews without being registered there is told to register', async () => {
    await client.createPool(poolId);
    await client.createPool(`${poolId}-other`);
    const worker = registration('w1');
    await client.registerWorker(worker);
    const elsewhere = client.renewWorker({ ...worker, poolId: `${poolId}-other` }, []);
    await expect(elsewhere).rejects.toMatchObject({
      code: 'WorkerNotExists',
      message: expect.stringContaining('register it again'),
    });
    const odd = client.renewWorker(worker, [{ id: 'e', epoch: 0.5 }]);
    await expect(odd).rejects.toMatchObject({ issues: [{ path: 'running.0.epoch' }] });
  });
});
