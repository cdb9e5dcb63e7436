/**
 * Natural batching: requests to one pool that arrive while a transaction is in flight form the next
 * batch. No timer, no leader: a lone request goes at once, a crowd shares one commit.
 * Called by `create-store.ts`. Promise: one batch of a pool at a time; a batch that fails as a whole is
 * done again one request at a time, so that one bad request fails alone.
 */
import { UnavailableError } from '../contract/errors.ts';
import type { Answer, Operation } from './batch.ts';

/** Requests in one transaction: at about 20 µs each the pool's lock is held for some 10 ms. */
const BATCH_MAX = 512;
/** Requests that may wait here; more means the database is not keeping up, and callers retry. */
const WAITING_MAX = 50_000;

interface Entry {
  readonly operation: Operation;
  readonly settle: (answer: Answer) => void;
}

/** Work that has a transaction of its own: it waits for its turn like a batch. */
type Turn = () => Promise<void>;

export type RunBatch = (poolId: string, operations: readonly Operation[]) => Promise<readonly Answer[]>;

export interface Runner {
  /** Answers `failed` instead of throwing. */
  submit(poolId: string, operation: Operation): Promise<Answer>;
  /**
   * Runs `work` between two batches of the pool. All that lock a pool go through here, so that a process needs one
   * connection for each pool, and a thousand workers that register at once do not use up the others' connections.
   */
  alone<T>(poolId: string, work: () => Promise<T>): Promise<T>;
}

export function createRunner(run: RunBatch): Runner {
  const lines = new Map<string, (Entry | Turn)[]>();

  async function drain(poolId: string, line: (Entry | Turn)[]): Promise<void> {
    while (line.length > 0) {
      const [first] = line;
      if (typeof first === 'function') {
        line.shift();
        await first();
      } else {
        const until = line.findIndex((one) => typeof one === 'function');
        const batch = line.splice(0, Math.min(BATCH_MAX, until === -1 ? line.length : until)) as Entry[];
        const answers = await settled(run, poolId, batch);
        batch.forEach((entry, n) =>
          entry.settle(answers[n] ?? failed(new Error('a batch left a request out'))),
        );
      }
    }
    lines.delete(poolId);
  }

  /** False where too many wait already. */
  function enqueue(poolId: string, one: Entry | Turn): boolean {
    const line = lines.get(poolId);
    if (line !== undefined && line.length >= WAITING_MAX) return false;
    if (line !== undefined) {
      line.push(one);
    } else {
      const first = [one];
      lines.set(poolId, first);
      // Requests made in the same turn of the event loop share the first batch.
      queueMicrotask(() => void drain(poolId, first));
    }
    return true;
  }

  const crowded = (poolId: string) =>
    new UnavailableError(`pool "${poolId}"`, `${WAITING_MAX} requests wait for the database already`);

  return {
    submit: (poolId, operation) =>
      new Promise((settle) => {
        if (!enqueue(poolId, { operation, settle })) settle(failed(crowded(poolId)));
      }),
    alone: (poolId, work) =>
      new Promise((resolve, reject) => {
        const turn = () => work().then(resolve, reject);
        if (!enqueue(poolId, turn)) reject(crowded(poolId));
      }),
  };
}

async function settled(run: RunBatch, poolId: string, batch: readonly Entry[]): Promise<readonly Answer[]> {
  const operations = batch.map((entry) => entry.operation);
  try {
    return await run(poolId, operations);
  } catch (error) {
    // With the database out of reach each would fail the same way, only much later.
    if (batch.length === 1 || error instanceof UnavailableError) return batch.map(() => failed(error));
  }
  const answers: Answer[] = [];
  for (const operation of operations) {
    const alone = await run(poolId, [operation]).catch((error: unknown) => [failed(error)]);
    answers.push(alone[0] ?? failed(new Error('a batch left a request out')));
  }
  return answers;
}

function failed(error: unknown): Answer {
  return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}
