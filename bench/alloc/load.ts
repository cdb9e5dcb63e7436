/**
 * Loads for the suite `alloc`: pools full of workers, and callers that ask for capacity and give it back without a pause.
 * Promise: what is counted was granted and released; an answer that is no grant ends the suite.
 */
import type { Alloc } from '../../src/contract/pools.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';

/** Nothing expires while it is measured, as nobody renews or sweeps. */
const TTL_MS = 24 * 3_600_000;
const CAPACITY = 8;
const TARGET = 'noop';
const AT_ONCE = 256;

export interface Pool {
  readonly id: string;
  /** Of all workers together. */
  readonly capacity: number;
}

export async function makePool(store: DatabaseStore, id: string, workers: number): Promise<Pool> {
  await store.createPool(id, { workerTtlMs: TTL_MS, allocTtlMs: TTL_MS, replicaTtlMs: TTL_MS });
  await times(workers, AT_ONCE, (n) =>
    store.registerWorker({
      ...{ poolId: id, workerId: `worker-${n}`, incarnation: 'first', capacity: CAPACITY, targets: [TARGET] },
      ...{ datasets: [], taskQueue: `pool/${id}/worker-${n}` },
    }),
  );
  return { id, capacity: workers * CAPACITY };
}

/** Does `one` so many times, some at once. */
export async function times(
  count: number,
  atOnce: number,
  one: (n: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const caller = async () => {
    while (next < count) {
      next += 1;
      await one(next - 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, caller));
}

let asked = 0;

/** One unit. Ids are as long as real ones. */
export async function grant(store: DatabaseStore, { id: poolId }: Pool): Promise<Alloc> {
  asked += 1;
  const invocationId = `schedule/nightly-${asked}/2026-01-31T02:00:00Z`;
  const answer = await store.allocate({
    ...{ id: `${invocationId}#1.0`, poolId, invocationId, target: TARGET, size: 1, priority: 0, retry: 0 },
  });
  if (answer.kind !== 'granted') throw new Error(`no grant: ${JSON.stringify(answer)}`);
  return answer.alloc;
}

export async function release(store: DatabaseStore, { id, poolId, epoch }: Alloc): Promise<void> {
  const { accepted } = await store.finish({ poolId, evalId: id, epoch, release: 'finished' });
  if (!accepted) throw new Error(`the release of ${id} was refused`);
}

/** Takes this share of a pool and keeps it. */
export function fill(store: DatabaseStore, pool: Pool, share: number): Promise<void> {
  return times(Math.round(pool.capacity * share), AT_ONCE, () => grant(store, pool));
}

export interface Rate {
  /** Grants in a second, each followed by its release. */
  readonly perSecond: number;
  /** From each request to its grant. */
  readonly grantMs: readonly number[];
}

/** So many callers for so long, after a fifth of that time to warm up. */
export async function run(
  store: DatabaseStore,
  pool: Pool,
  { callers, forMs }: { readonly callers: number; readonly forMs: number },
): Promise<Rate> {
  const beganMs = performance.now() + forMs / 5;
  const endMs = beganMs + forMs;
  const grantMs: number[] = [];
  let released = 0;
  const caller = async () => {
    for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
      const alloc = await grant(store, pool);
      const grantedMs = performance.now();
      await release(store, alloc);
      if (nowMs >= beganMs) grantMs.push(grantedMs - nowMs);
      const doneMs = performance.now();
      if (doneMs >= beganMs && doneMs < endMs) released += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { perSecond: (released * 1_000) / forMs, grantMs };
}
