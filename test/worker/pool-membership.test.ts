/** A worker's place in its pool, on a real store and a gateway in process: when silence stops work and when not. */
import { randomUUID } from 'node:crypto';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import { RUNNING_PER_RENEWAL_MAX } from '../../src/contract/gateway.ts';
import type { Alloc } from '../../src/contract/pools.ts';
import { createGateway, type Gateway } from '../../src/gateway/app.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { Membership } from '../../src/worker/pool-membership.ts';
import { PoolRuns, type Run } from '../../src/worker/pool-runs.ts';

const KEY = '0123456789abcdef0123456789abcdef';
const WAIT = { timeout: 30_000, interval: 20 };
let store: Store;
let gateway: Gateway;
let poolId: string;
let network: (request: Request) => Promise<Response>;
let paths: string[];
const memberships: Membership[] = [];

beforeAll(async () => {
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(() => store.close());
beforeEach(async () => {
  poolId = `pool-${randomUUID()}`;
  paths = [];
  gateway = createGateway({ store, key: KEY, onGrants: () => {}, onWorkerRegistered: () => {} });
  network = async (request) => {
    paths.push(new URL(request.url).pathname);
    return gateway.app.fetch(request);
  };
  await store.createPool(poolId, { workerTtlMs: 2_000, allocTtlMs: 2_000 });
});
afterEach(async () => {
  for (const membership of memberships.splice(0)) {
    membership.end();
    await membership.leave();
  }
});

const silence = () => Promise.reject(new TypeError('fetch failed'));

async function join(runs: PoolRuns, options: { temporal?: boolean; cancelGraceMs?: number } = {}) {
  const { temporal = true, cancelGraceMs = 50 } = options;
  const membership = new Membership({
    gateway: new GatewayClient({ url: 'http://127.0.0.1:1', key: KEY, fetch: (request) => network(request) }),
    registration: { poolId, workerId: 'w1', targets: ['t'], taskQueue: 'q' },
    datasets: [],
    runs,
    reachesTemporal: async () => temporal,
    cancelGraceMs,
    logger: new DefaultLogger('ERROR', () => {}),
  });
  memberships.push(membership);
  void membership.run();
  await vi.waitFor(() => expect(membership.incarnation).toBeDefined(), WAIT);
  return membership;
}

async function granted(): Promise<Alloc> {
  const id = `${poolId}#${randomUUID()}`;
  const request = { id, poolId, invocationId: `job/${id}`, target: 't', size: 1, priority: 0, retry: 0 };
  const result = await store.allocate(request);
  if (result.kind !== 'granted') throw new Error(`not granted: ${JSON.stringify(result)}`);
  return result.alloc;
}

function begin(runs: PoolRuns, alloc: Alloc): Run {
  const result = runs.begin(alloc, alloc.size);
  if (result.kind === 'refused') throw new Error(result.message);
  return result.run;
}

describe('silence beyond the lease', () => {
  test('of gateway and Temporal stops what runs', async () => {
    const runs = new PoolRuns(1);
    await join(runs, { temporal: false });
    const run = begin(runs, await granted());
    network = silence;
    await vi.waitFor(() => expect(run.signal.aborted).toBe(true), WAIT);
    expect(run.signal.reason).toMatchObject({ kind: 'lost' });
  });

  test('of a gateway that says its database is away stops nothing, even without Temporal', async () => {
    const runs = new PoolRuns(1);
    const membership = await join(runs, { temporal: false });
    const run = begin(runs, await granted());
    let refusals = 0;
    network = async () => {
      if (!membership.healthy) refusals += 1;
      return new Response('', { status: 503 });
    };
    await vi.waitFor(() => expect(refusals).toBeGreaterThan(2), WAIT);
    expect(run.signal.aborted).toBe(false);
  });
});

describe('renewals', () => {
  test('of more runs than one request may carry go in parts, and all are confirmed', async () => {
    const count = RUNNING_PER_RENEWAL_MAX + 5;
    const runs = new PoolRuns(count);
    await join(runs);
    const allocs = await Promise.all(Array.from({ length: count }, granted));
    const all = allocs.map((alloc) => begin(runs, alloc));
    await vi.waitFor(async () => {
      const { items } = await store.listAllocs(poolId);
      for (const item of items) {
        const before = allocs.find((alloc) => alloc.id === item.id);
        expect(item.expiresAtMs).toBeGreaterThan(before?.expiresAtMs ?? Number.MAX_SAFE_INTEGER);
      }
    }, WAIT);
    expect(all.some((run) => run.signal.aborted)).toBe(false);
  });

  test('in parts keep the units of lost runs counted until their handlers return, whichever part lists them', async () => {
    const count = RUNNING_PER_RENEWAL_MAX + 5;
    const runs = new PoolRuns(count);
    const membership = await join(runs);
    const allocs = await Promise.all(Array.from({ length: count }, granted));
    const all = allocs.map((alloc) => begin(runs, alloc));
    const free = async () => (await store.listWorkers(poolId)).items.map((worker) => worker.free);
    // An alloc that is near its end is confirmed by a renewal of all that runs.
    const renewed = () => membership.confirm(allocs[1] ?? { id: '', epoch: 0 }, 0);

    const lost = [0, count - 1].flatMap((n) => allocs.slice(n, n + 1));
    for (const { id, epoch } of lost) await store.finish({ poolId, evalId: id, epoch, release: 'lost' });
    for (let n = 0; n < 3; n += 1) {
      paths = [];
      expect(await renewed()).toBe(true);
      expect(paths.filter((path) => path.endsWith('/renew')).length).toBeGreaterThanOrEqual(2);
      expect(runs.running()).toHaveLength(count);
      expect(await free()).toEqual([0]);
    }
    for (const [n, run] of all.filter(({ signal }) => signal.aborted).entries()) {
      runs.end(run, { counts: false });
      expect(await renewed()).toBe(true);
      expect(await free()).toEqual([n + 1]);
    }
    // Those beside them go on, and nothing more comes back.
    expect(await renewed()).toBe(true);
    expect(await free()).toEqual([lost.length]);
    expect(runs.running()).toHaveLength(count - lost.length);
  });

  test('keep what has ended well until the pool has heard of it, however late', async () => {
    const runs = new PoolRuns(1);
    await join(runs);
    const alloc = await granted();
    runs.end(begin(runs, alloc), { counts: true });
    await vi.waitFor(async () => {
      const [listed] = (await store.listAllocs(poolId)).items;
      expect(listed?.expiresAtMs).toBeGreaterThan(alloc.expiresAtMs);
    }, WAIT);
    expect(runs.running()).toHaveLength(1);
    const finish = { poolId, evalId: alloc.id, epoch: alloc.epoch, release: 'finished' } as const;
    expect(await store.finish(finish)).toMatchObject({ accepted: true });
    await vi.waitFor(() => expect(runs.running()).toEqual([]), WAIT);
  });

  test('do not keep for ever what nobody tells the pool of', () => {
    const runs = new PoolRuns(1);
    const ref = { id: 'e', epoch: 1 };
    const begun = runs.begin(ref, 1);
    if (begun.kind === 'begun') runs.end(begun.run, { counts: true });
    runs.held([ref], 5_000);
    runs.held([ref], 64_999);
    expect(runs.running()).toEqual([ref]);
    runs.held([ref], 65_000);
    expect(runs.running()).toEqual([]);
  });

  test('that confirm a burst of calls are shared', async () => {
    const runs = new PoolRuns(20);
    const membership = await join(runs);
    const allocs = await Promise.all(Array.from({ length: 20 }, granted));
    for (const alloc of allocs) begin(runs, alloc);
    paths = [];
    const answers = await Promise.all(allocs.map((alloc) => membership.confirm(alloc, 0)));
    expect(answers.every(Boolean)).toBe(true);
    // The burst shares one; the loop's own may fall in between.
    expect(paths.filter((path) => path.endsWith('/renew')).length).toBeLessThanOrEqual(2);
  });

  test('of an alloc that nobody knows are refused, and it is not confirmed', async () => {
    const runs = new PoolRuns(1);
    const membership = await join(runs);
    const unknown = { ...(await granted()), epoch: 999 };
    const run = begin(runs, unknown);
    expect(await membership.confirm(unknown, 0)).toBe(false);
    expect(run.signal.aborted).toBe(true);
  });

  test('are not needed for an alloc that is far from its end, nor possible in an outage', async () => {
    const runs = new PoolRuns(1);
    const membership = await join(runs);
    network = silence;
    const alloc = await granted();
    expect(await membership.confirm(alloc, alloc.grantedAtMs + 60_000)).toBe(true);
    expect(await membership.confirm(alloc, alloc.grantedAtMs)).toBe(false);
  });
});

describe('a registration that was lost', () => {
  test('comes back without the units that a deaf handler still uses, and with them once it returns', async () => {
    const runs = new PoolRuns(3);
    const membership = await join(runs);
    const before = membership.incarnation;
    const alloc = await granted();
    const deaf = begin(runs, alloc);
    // A grant that was never taken up would be granted again.
    expect(await membership.confirm(alloc, 0)).toBe(true);
    await store.removeWorker(poolId, 'w1');
    await vi.waitFor(() => expect(membership.incarnation ?? before).not.toBe(before), WAIT);
    expect(deaf.signal.aborted).toBe(true);
    expect((await store.listWorkers(poolId)).items).toMatchObject([{ capacity: 2, free: 2 }]);
    runs.end(deaf, { counts: false });
    await vi.waitFor(async () => {
      expect((await store.listWorkers(poolId)).items).toMatchObject([{ capacity: 3, free: 3 }]);
    }, WAIT);
  });

  test('is not sought again by a worker that drains', async () => {
    const runs = new PoolRuns(1);
    const membership = await join(runs);
    await membership.drain();
    await store.removeWorker(poolId, 'w1');
    await vi.waitFor(() => expect(membership.incarnation).toBeUndefined(), WAIT);
    expect((await store.listWorkers(poolId)).items).toEqual([]);
  });
});

describe('a disbanded pool', () => {
  test('ends the attempt to join', async () => {
    await store.disbandPool(poolId);
    const membership = new Membership({
      gateway: new GatewayClient({
        url: 'http://127.0.0.1:1',
        key: KEY,
        fetch: (request) => network(request),
      }),
      registration: { poolId, workerId: 'w1', targets: [], taskQueue: 'q' },
      datasets: [],
      runs: new PoolRuns(1),
      reachesTemporal: async () => true,
      cancelGraceMs: 50,
      logger: new DefaultLogger('ERROR', () => {}),
    });
    await expect(membership.run()).rejects.toMatchObject({ code: 'PoolDisbanded' });
  });
});
