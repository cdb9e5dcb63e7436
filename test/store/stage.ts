/**
 * A pool of its own for each story about the store, with the things stories do to it in short words.
 * Used by the conformance suites and by every other test of the store.
 */
import type { RunRecord } from '../../src/contract/ledger.ts';
import type {
  Alloc,
  EvalRequest,
  PoolSettings,
  RenewalPart,
  WorkerRegistration,
} from '../../src/contract/pools.ts';
import type { DatabaseStore } from '../../src/store/create-store.ts';

/** Opens the store under test on a database of its own; `close` also removes that. */
export type OpenForTest = () => Promise<{ readonly store: DatabaseStore; close(): Promise<void> }>;

let count = 0;

/** The store under test, known once the suite's `beforeAll` has opened it. */
export type Get = () => DatabaseStore;
export type Stage = (settings?: Partial<PoolSettings>) => ReturnType<typeof createStage>;

/** A name no pool has yet. */
export function freshPoolId(): string {
  count += 1;
  return `pool-${count}`;
}

/** A new pool with what tests do to it. */
export async function createStage(store: DatabaseStore, settings: Partial<PoolSettings> = {}) {
  const poolId = freshPoolId();
  await store.createPool(poolId, settings);
  return stageOn(store, poolId);
}

export function stageOn(store: DatabaseStore, poolId: string) {
  const request = (id: string, more: Partial<EvalRequest> = {}): EvalRequest => ({
    id,
    poolId,
    invocationId: `job/${id}`,
    target: 'resize',
    size: 1,
    priority: 0,
    retry: 0,
    ...more,
  });
  const worker = (workerId: string, capacity: number, more: Partial<WorkerRegistration> = {}) =>
    store.registerWorker({
      poolId,
      workerId,
      incarnation: `${workerId}-first`,
      capacity,
      targets: ['resize'],
      datasets: [],
      taskQueue: `pool/${poolId}/${workerId}`,
      ...more,
    });
  return {
    poolId,
    request,
    worker,
    allocate: (id: string, more: Partial<EvalRequest> = {}) => store.allocate(request(id, more)),
    async granted(id: string, more: Partial<EvalRequest> = {}): Promise<Alloc> {
      const answer = await store.allocate(request(id, more));
      if (answer.kind !== 'granted') throw new Error(`${id} was not granted: ${JSON.stringify(answer)}`);
      return answer.alloc;
    },
    finish: (alloc: Alloc, more: Partial<Parameters<DatabaseStore['finish']>[0]> = {}) =>
      store.finish({ poolId, evalId: alloc.id, epoch: alloc.epoch, release: 'finished', ...more }),
    renew: (workerId: string, running: readonly Alloc[] = [], part?: RenewalPart) =>
      store.renewWorker(poolId, workerId, `${workerId}-first`, running, part),
    sweep: () => store.sweepPool(poolId),
    async free(workerId: string): Promise<number | undefined> {
      return (await store.listWorkers(poolId)).items.find((found) => found.id === workerId)?.free;
    },
    async waiting(): Promise<string[]> {
      return (await store.listWaiting(poolId)).items.map((found) => found.id);
    },
  };
}

export function runRecord(invocationId: string, more: Partial<RunRecord> = {}): RunRecord {
  return {
    invocationId,
    target: 'resize',
    poolId: 'default',
    why: 'automatic',
    status: 'succeeded',
    attempts: 1,
    lost: 0,
    startedAtMs: 1_000,
    endedAtMs: 2_000,
    ...more,
  };
}

export const ids = (allocs: readonly { readonly id: string }[]) => allocs.map((alloc) => alloc.id);
