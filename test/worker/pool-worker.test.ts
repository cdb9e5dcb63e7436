/**
 * A pool worker between a real Temporal server, a real store and a gateway in process: it joins, runs what it was
 * granted, heeds cancellation and loss, lives through an outage, and leaves.
 */
import { randomUUID } from 'node:crypto';
import { Client, Connection, type WorkflowHandle, WorkflowFailedError } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import { createNames } from '../../src/contract/ids.ts';
import type { Alloc } from '../../src/contract/pools.ts';
import { ALLOC_LOST, NEVER_BEGAN, type TargetCall } from '../../src/contract/target.ts';
import { createGateway, type Gateway } from '../../src/gateway/app.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { serveHealth } from '../../src/worker/health.ts';
import { PoolWorker, type PoolWorkerOptions } from '../../src/worker/pool-worker.ts';
import { createTargets } from '../../src/worker/targets/registry.ts';
import { defineTarget, type TargetContext } from '../../src/worker/targets/target.ts';
import { freshDeployment, quietRuntime, sharedTemporal } from '../support/shared.ts';

const KEY = '0123456789abcdef0123456789abcdef';
/** Short, so that a loss is noticed soon; above what a busy machine may stand still. */
const TTLS = { workerTtlMs: 3_000, allocTtlMs: 3_000, replicaTtlMs: 3_000 };
const names = createNames(freshDeployment());
const workflowQueue = `${names.deployment}-calls`;

let namespace: string;
let nativeConnection: NativeConnection;
let client: Client;
let workflows: Worker;
let workflowsEnded: Promise<void>;
let store: Store;

beforeAll(async () => {
  await quietRuntime();
  const temporal = await sharedTemporal();
  namespace = temporal.namespace;
  nativeConnection = await NativeConnection.connect({ address: temporal.address });
  client = new Client({ connection: await Connection.connect({ address: temporal.address }), namespace });
  workflows = await Worker.create({
    connection: nativeConnection,
    namespace,
    taskQueue: workflowQueue,
    workflowsPath: new URL('./call-workflow.ts', import.meta.url).pathname,
  });
  workflowsEnded = workflows.run();
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(async () => {
  workflows.shutdown();
  await workflowsEnded;
  await client.connection.close();
  await nativeConnection.close();
  await store.close();
});

let poolId: string;
let gateway: Gateway;
/** What stands between worker and gateway; tests put an outage here. */
let network: (request: Request) => Promise<Response>;
/** Handler calls, in the order of their begin. */
let begun: TargetContext[];
const ends: (() => Promise<void>)[] = [];

beforeEach(async () => {
  poolId = `pool-${randomUUID()}`;
  begun = [];
  gateway = createGateway({ store, key: KEY, onGrants: () => {}, onWorkerRegistered: () => {} });
  network = async (request) => gateway.app.fetch(request);
  await store.createPool(poolId, TTLS);
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function startWorker(options: Partial<PoolWorkerOptions> = {}): Promise<PoolWorker> {
  const worker = await PoolWorker.create({
    poolId,
    workerId: 'w1',
    capacity: 2,
    datasets: [{ id: 'photos' }],
    targets: createTargets(
      defineTarget('echo', ({ input }) => input),
      defineTarget('wait', (context) => {
        begun.push(context);
        return new Promise((_resolve, reject) => {
          context.signal.addEventListener('abort', () => reject(context.signal.reason as Error), {
            once: true,
          });
        });
      }),
      defineTarget('ask', (context) => {
        begun.push(context);
        return answer;
      }),
    ),
    gateway: new GatewayClient({ url: 'http://127.0.0.1:1', key: KEY, fetch: (request) => network(request) }),
    connection: nativeConnection,
    namespace,
    names,
    shutdownGraceMs: 100,
    cancelGraceMs: 1_000,
    logger: new DefaultLogger('ERROR'),
    ...options,
  });
  const running = worker.run();
  running.catch(() => undefined);
  ends.push(() => worker.stop());
  return worker;
}

/** What the target `ask` waits for. */
let answer: Promise<unknown> = Promise.resolve();

async function joined(worker: PoolWorker): Promise<string> {
  return vi.waitFor(() => {
    const { incarnation } = worker.status();
    if (incarnation === undefined) throw new Error('not joined yet');
    return incarnation;
  }, WAIT);
}

const WAIT = { timeout: 30_000, interval: 20 };

async function granted(target: string): Promise<Alloc> {
  const id = `${poolId}#${randomUUID()}`;
  const request = { id, poolId, invocationId: `job/${id}`, target, size: 1, priority: 0, retry: 0 };
  const result = await store.allocate(request);
  if (result.kind !== 'granted') throw new Error(`not granted: ${JSON.stringify(result)}`);
  return result.alloc;
}

/** As the invocation does. */
function finish(alloc: Alloc) {
  return store.finish({ poolId, evalId: alloc.id, epoch: alloc.epoch, release: 'finished' });
}

function call(alloc: Alloc, input?: unknown): Promise<WorkflowHandle> {
  const { invocationId, target } = alloc;
  const context = { invocationId, actualAtMs: 0, lateByMs: 0, why: 'job', attempt: 1 } as const;
  const argument: TargetCall = { input, alloc, call: context };
  return client.workflow.start('callWorkflow', {
    taskQueue: workflowQueue,
    workflowId: `${names.deployment}/${alloc.id}`,
    args: [alloc.taskQueue, target, argument],
  });
}

/** Starts a call and waits until its handler runs. */
async function callAndBegin(alloc: Alloc): Promise<WorkflowHandle> {
  const handle = await call(alloc);
  await vi.waitFor(
    () => expect(begun.map((context) => context.call.invocationId)).toContain(alloc.invocationId),
    WAIT,
  );
  return handle;
}

async function causeOf(handle: WorkflowHandle): Promise<unknown> {
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  if (error instanceof WorkflowFailedError && error.cause instanceof ActivityFailure)
    return error.cause.cause;
  return error;
}

describe('a pool worker', () => {
  test('joins, runs what it was granted, and leaves', async () => {
    const worker = await startWorker();
    await joined(worker);
    const [listed] = (await store.listWorkers(poolId)).items;
    expect(listed).toMatchObject({ id: 'w1', capacity: 2, datasets: ['photos'], state: 'active' });
    expect(listed?.targets).toEqual(['command', 'http', 'workflow', 'echo', 'wait', 'ask']);

    const alloc = await granted('echo');
    const handle = await call(alloc, { n: [1, 2] });
    expect(await handle.result()).toEqual({ n: [1, 2] });
    await finish(alloc);

    expect(worker.status()).toMatchObject({ state: 'running', running: 0, used: 0, capacity: 2 });
    await worker.stop();
    expect(worker.status().state).toBe('stopped');
    expect((await store.listWorkers(poolId)).items).toEqual([]);
  });

  test('refuses a call that was granted to a process before it', async () => {
    const worker = await startWorker();
    await joined(worker);
    const alloc = await granted('echo');
    const cause = await causeOf(await call({ ...alloc, incarnation: 'a process before' }));
    expect(cause).toBeInstanceOf(ApplicationFailure);
    expect(cause).toMatchObject({ type: NEVER_BEGAN });
  });

  test('asks before it begins a call whose alloc may have run out', async () => {
    const worker = await startWorker();
    await joined(worker);
    const alloc = await granted('wait');
    await store.finish({ poolId, evalId: alloc.id, epoch: alloc.epoch, release: 'withdrawn' });
    expect(await causeOf(await call({ ...alloc, expiresAtMs: 0 }))).toMatchObject({ type: NEVER_BEGAN });
    expect(begun).toEqual([]);
  });

  test('hands a cancellation on to the handler', async () => {
    const worker = await startWorker();
    await joined(worker);
    const handle = await callAndBegin(await granted('wait'));
    await handle.cancel();
    const error: unknown = await handle.result().catch((reason: unknown) => reason);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(begun[0]?.signal.aborted).toBe(true);
  });

  test('renews what it runs, and stops what it has lost', async () => {
    const worker = await startWorker();
    await joined(worker);
    const [kept, lost] = [await granted('wait'), await granted('wait')];
    await callAndBegin(kept);
    const handle = await callAndBegin(lost);
    await store.finish({ poolId, evalId: lost.id, epoch: lost.epoch, release: 'lost' });
    expect(await causeOf(handle)).toMatchObject({ type: ALLOC_LOST });
    await vi.waitFor(async () => {
      const [alloc] = (await store.listAllocs(poolId)).items;
      expect(alloc?.id).toBe(kept.id);
      expect(alloc?.expiresAtMs).toBeGreaterThan(kept.expiresAtMs);
    }, WAIT);
    expect(worker.status()).toMatchObject({ running: 1, used: 1 });
  });

  test('changes what it offers while it works, and refuses what it could not offer', async () => {
    const worker = await startWorker();
    await joined(worker);
    await callAndBegin(await granted('wait'));
    await callAndBegin(await granted('wait'));
    expect(() => worker.update({ capacity: 0 })).toThrow(/capacity: must be a whole number from 1/);
    worker.update({ capacity: 1, datasets: [{ id: 'films' }] });
    const listed = async () => (await store.listWorkers(poolId)).items[0];
    await vi.waitFor(async () => {
      expect(await listed()).toMatchObject({ capacity: 1, free: -1, datasets: ['films'] });
    }, WAIT);
    worker.update({ capacity: 20 });
    await vi.waitFor(async () => expect(await listed()).toMatchObject({ capacity: 20, free: 18 }), WAIT);
    expect(await (await call(await granted('echo'), 'third')).result()).toBe('third');
    expect(worker.status()).toMatchObject({ running: 2, capacity: 20 });
  });

  test('whose registration is gone stops everything, then joins as another incarnation', async () => {
    const worker = await startWorker();
    const before = await joined(worker);
    const handle = await callAndBegin(await granted('wait'));
    await store.removeWorker(poolId, 'w1');
    expect(await causeOf(handle)).toMatchObject({ type: ALLOC_LOST });
    await vi.waitFor(() => expect(worker.status().incarnation ?? before).not.toBe(before), WAIT);
    const again = await call(await granted('echo'), 'back');
    expect(await again.result()).toBe('back');
  });

  test('waits for the name while another process has it', async () => {
    const taskQueue = names.workerQueueName(poolId, 'w1');
    const other = { poolId, workerId: 'w1', incarnation: 'other', capacity: 1, targets: [], datasets: [] };
    await store.registerWorker({ ...other, taskQueue });
    const refused = vi.fn();
    network = async (request) => {
      const response = await gateway.app.fetch(request);
      if (response.status === 409) refused();
      return response;
    };
    const worker = await startWorker();
    await vi.waitFor(() => expect(refused).toHaveBeenCalled(), WAIT);
    expect(worker.status().state).toBe('joining');
    await store.removeWorker(poolId, 'w1', 'other');
    await joined(worker);
  });

  test('with a wrong key gives up at once', async () => {
    const worker = await PoolWorker.create({
      poolId,
      workerId: 'w1',
      capacity: 1,
      targets: createTargets(),
      gateway: new GatewayClient({
        url: 'http://127.0.0.1:1',
        key: 'wrong',
        fetch: (request) => network(request),
      }),
      connection: nativeConnection,
      namespace,
      names,
      logger: new DefaultLogger('ERROR'),
    });
    await expect(worker.run()).rejects.toMatchObject({ code: 'Unauthorized' });
  });

  test('that could never work is refused before it starts', async () => {
    const create = startWorker({ capacity: 1.5, workerId: 'a/b' });
    await expect(create).rejects.toThrow(/workerId: .*capacity: must be a whole number/);
    const forEver = startWorker({ shutdownGraceMs: Infinity });
    await expect(forEver).rejects.toThrow(/shutdownGraceMs: must be whole milliseconds, at most a day/);
  });
});

describe('an outage longer than every TTL, of the gateway and of those who sweep', () => {
  test.each([
    ['that is silent', () => Promise.reject(new TypeError('fetch failed'))],
    ['whose database is away', async () => new Response('', { status: 503 })],
  ])('%s does not kill healthy work', async (_what, outage) => {
    const worker = await startWorker();
    const before = await joined(worker);
    let finish: (value: string) => void = () => {};
    answer = new Promise((resolve) => {
      finish = resolve;
    });
    const alloc = await granted('ask');
    const handle = await callAndBegin(alloc);
    await vi.waitFor(async () => expect((await store.listAllocs(poolId)).items).toHaveLength(1), WAIT);

    // The last sweep before the outage: by it the store knows later that nobody was swept, so nobody is judged.
    await store.sweepPool(poolId);
    const working = network;
    network = outage;
    await vi.waitFor(() => expect(worker.health().healthy).toBe(false), WAIT);
    network = working;
    await vi.waitFor(() => expect(worker.health().healthy).toBe(true), WAIT);

    expect(begun[0]?.signal.aborted).toBe(false);
    expect(worker.status()).toMatchObject({ incarnation: before, running: 1 });
    finish('survived');
    expect(await handle.result()).toBe('survived');
  });
});

describe('stop', () => {
  test('takes nothing new and lets what runs finish', async () => {
    const worker = await startWorker({ shutdownGraceMs: 60_000 });
    await joined(worker);
    let returns: (value: string) => void = () => {};
    answer = new Promise((resolve) => {
      returns = resolve;
    });
    const alloc = await granted('ask');
    const handle = await callAndBegin(alloc);
    const stopped = worker.stop();
    await vi.waitFor(async () => {
      expect((await store.listWorkers(poolId)).items).toMatchObject([{ state: 'draining' }]);
    }, WAIT);
    returns('done');
    expect(await handle.result()).toBe('done');
    await finish(alloc);
    await stopped;
    expect((await store.listWorkers(poolId)).items).toEqual([]);
  });

  test('does not leave before the pool has taken in how its runs ended', async () => {
    const worker = await startWorker({ shutdownGraceMs: 60_000 });
    await joined(worker);
    const alloc = await granted('echo');
    await (await call(alloc)).result();
    const stopped = worker.stop();
    const asked = vi.fn();
    network = async (request) => {
      if (request.url.endsWith('/renew')) asked();
      return gateway.app.fetch(request);
    };
    await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(2), WAIT);
    expect(await finish(alloc)).toMatchObject({ accepted: true });
    await stopped;
    expect((await store.listWorkers(poolId)).items).toEqual([]);
  });

  test('leaves to its TTL what the pool has not taken in by the end of the grace', async () => {
    const worker = await startWorker();
    await joined(worker);
    const alloc = await granted('echo');
    await (await call(alloc)).result();
    await worker.stop();
    expect((await store.listWorkers(poolId)).items).toMatchObject([{ state: 'draining' }]);
    expect(await finish(alloc)).toMatchObject({ accepted: true });
  });

  test('begins what was granted before and is still on its way', async () => {
    const worker = await startWorker({ shutdownGraceMs: 60_000 });
    await joined(worker);
    const alloc = await granted('echo');
    const stopped = worker.stop();
    await vi.waitFor(async () => {
      expect((await store.listWorkers(poolId)).items).toMatchObject([{ state: 'draining' }]);
    }, WAIT);
    expect(await (await call(alloc, 'late')).result()).toBe('late');
    await finish(alloc);
    await stopped;
  });

  test('drains again where the gateway was away when it was told', async () => {
    const worker = await startWorker();
    await joined(worker);
    const alloc = await granted('ask');
    answer = new Promise(() => {});
    await callAndBegin(alloc);
    let refused = 0;
    network = async (request) => {
      if (!request.url.endsWith('/drain') || refused > 0) return gateway.app.fetch(request);
      refused += 1;
      return new Response('', { status: 503 });
    };
    void worker.drain();
    await vi.waitFor(async () => {
      expect((await store.listWorkers(poolId)).items).toMatchObject([{ state: 'draining' }]);
    }, WAIT);
    expect(refused).toBe(1);
  });

  test('leaves again where the gateway was away when it was told', async () => {
    const worker = await startWorker();
    await joined(worker);
    let refused = 0;
    network = async (request) => {
      if (request.method !== 'DELETE' || refused > 0) return gateway.app.fetch(request);
      refused += 1;
      return new Response('', { status: 503 });
    };
    await worker.stop();
    expect([refused, (await store.listWorkers(poolId)).items]).toEqual([1, []]);
  });

  test('sends what does not finish in time elsewhere', async () => {
    const worker = await startWorker();
    await joined(worker);
    const handle = await callAndBegin(await granted('wait'));
    await worker.stop();
    expect(await causeOf(handle)).toMatchObject({ type: ALLOC_LOST });
  });

  test('works while the worker is still trying to join', async () => {
    network = () => Promise.reject(new TypeError('fetch failed'));
    const worker = await startWorker();
    await worker.stop();
    expect(worker.status().state).toBe('stopped');
  });
});

describe('the health address', () => {
  test('tells of the worker, and 503 once it is out of its pool', async () => {
    const worker = await startWorker();
    await joined(worker);
    const health = await serveHealth({ port: 0, report: () => worker.health() });
    const fit = await fetch(health.url);
    expect([fit.status, await fit.json()]).toEqual([
      200,
      expect.objectContaining({
        state: 'running',
        running: 0,
        capacity: 2,
        lastRenewalAgoMs: expect.any(Number),
      }),
    ]);
    await worker.stop();
    expect((await fetch(health.url)).status).toBe(503);
    await health.close();
  });
});
