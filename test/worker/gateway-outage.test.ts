/**
 * A pool's only worker and a real gateway on a port that goes away and comes back, while the pool is swept all the time.
 * Time is moved by the database's clock, so that the worker's own lease has nothing to say here.
 */
import { randomUUID } from 'node:crypto';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import type { Alloc } from '../../src/contract/pools.ts';
import { type GatewayServer, serveGateway } from '../../src/gateway/serve.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import { Membership } from '../../src/worker/pool-membership.ts';
import { PoolRuns } from '../../src/worker/pool-runs.ts';

const KEY = '0123456789abcdef0123456789abcdef';
const WAIT = { timeout: 30_000, interval: 20 };
/** The worker renews every second, so that it is quick to notice that the gateway is back. */
const TTLS = { workerTtlMs: 3_000, allocTtlMs: 3_000, replicaTtlMs: 3_000 };
let store: DatabaseStore;

beforeAll(async () => {
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(() => store.close());

function serve(port: number): Promise<GatewayServer> {
  return serveGateway({ store, key: KEY, port, onGrants: () => {}, onWorkerRegistered: () => {} });
}

async function onlyWorker(url: string) {
  const poolId = `pool-${randomUUID()}`;
  await store.createPool(poolId, TTLS);
  const runs = new PoolRuns(1);
  const membership = new Membership({
    gateway: new GatewayClient({ url, key: KEY }),
    registration: { poolId, workerId: 'only', targets: ['t'], taskQueue: 'q' },
    datasets: [],
    runs,
    reachesTemporal: async () => true,
    cancelGraceMs: 50,
    logger: new DefaultLogger('ERROR', () => {}),
  });
  const ended = membership.run();
  await vi.waitFor(() => expect(membership.incarnation).toBeDefined(), WAIT);
  return { poolId, runs, membership, ended };
}

async function granted(poolId: string): Promise<Alloc> {
  const id = `${poolId}#1.0`;
  const answer = await store.allocate({
    id,
    poolId,
    invocationId: `job/${id}`,
    target: 't',
    size: 1,
    priority: 0,
    retry: 0,
  });
  if (answer.kind !== 'granted') throw new Error(`not granted: ${JSON.stringify(answer)}`);
  return answer.alloc;
}

test('an outage of the gateway alone, longer than every TTL, ends neither the only worker nor what it runs', async () => {
  const gateway = await serve(0);
  const { poolId, runs, membership, ended } = await onlyWorker(gateway.url);
  const before = membership.incarnation;
  const alloc = await granted(poolId);
  const begun = runs.begin(alloc, alloc.size);
  if (begun.kind === 'refused') throw new Error(begun.message);
  expect(await membership.confirm(alloc, 0)).toBe(true);
  await store.sweepPool(poolId);

  await gateway.close();
  for (let n = 0; n < 20; n += 1) {
    await store.shiftClock(1_000, { gatewaysSilent: true });
    expect(await store.sweepPool(poolId)).toMatchObject({ expiredWorkers: [], workers: 1, allocs: 1 });
  }
  const back = await serve(Number(new URL(gateway.url).port));
  const cutOffAtMs = (await store.listWorkers(poolId)).items[0]?.renewedAtMs ?? 0;
  await vi.waitFor(async () => {
    expect((await store.listWorkers(poolId)).items[0]?.renewedAtMs).toBeGreaterThan(cutOffAtMs);
  }, WAIT);

  expect(membership.incarnation).toBe(before);
  expect(begun.run.signal.aborted).toBe(false);
  expect((await store.listAllocs(poolId)).items).toMatchObject([{ id: alloc.id, epoch: alloc.epoch }]);
  membership.end();
  await ended;
  await back.close();
});

test('the only worker that dies expires all the same, as long as a gateway lives', async () => {
  const gateway = await serve(0);
  const { poolId, membership, ended } = await onlyWorker(gateway.url);
  membership.end();
  await ended;
  await vi.waitFor(async () => {
    await store.shiftClock(1_000);
    expect((await store.sweepPool(poolId)).workers).toBe(0);
  }, WAIT);
  await gateway.close();
});
