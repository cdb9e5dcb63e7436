/**
 * Natural batching: requests to one pool that arrive while a transaction is in flight form the next
 * batch. No timer, no leader: a lone request goes at once, a crowd shares one commit.
 * Called by `create-store.ts`. Promise: one batch of a pool at a time, but for express batches, which follow each other
 * closely; one of those that comes to nothing goes the usual way; a batch that fails as a whole is
 * done again one request at a time, so that one bad request fails alone.
 */
import { UnavailableError } from '../contract/errors.ts';
import type { Answer, Operation } from './batch.ts';

/** Requests in one transaction: at about 20 µs each the pool's lock is held for some 10 ms. */
const BATCH_MAX = 512;
/** Requests in one express batch: enough to share a commit, few enough that a crowd keeps database and process busy at once. */
const EXPRESS_BATCH_MAX = 128;
/** Requests that may wait here; more means the database is not keeping up, and callers retry. */
const WAITING_MAX = 50_000;
/** While the database works on one, the next is made ready; a third would only make batches smaller. */
const EXPRESS_MAX = 2;

interface Entry {
  readonly operation: Operation;
  readonly settle: (answer: Answer) => void;
}

/** Work that has a transaction of its own: it waits for its turn like a batch. */
type Turn = () => Promise<void>;

export type RunBatch = (poolId: string, operations: readonly Operation[]) => Promise<readonly Answer[]>;

/**
 * Undefined: not this batch, not now. Otherwise it is under way when this returns; failing with anything but an
 * UnavailableError it has had no effect.
 */
export type SendExpress = (
  poolId: string,
  operations: readonly Operation[],
) => Promise<readonly Answer[]> | undefined;

export interface Runner {
  /** Answers `failed` instead of throwing. */
  submit(poolId: string, operation: Operation): Promise<Answer>;
  /**
   * Runs `work` between two batches of the pool. All that lock a pool go through here, so that a process needs one
   * connection for each pool, and a thousand workers that register at once do not use up the others' connections.
   */
  alone<T>(poolId: string, work: () => Promise<T>): Promise<T>;
}

/** What waits for a pool, and what is under way. */
interface Line {
  readonly waiting: (Entry | Turn)[];
  /** Something runs that nothing may run beside. */
  busy: boolean;
  express: number;
  /** Of express batches that came to nothing: done the usual way once no other is under way. */
  readonly again: Entry[];
  /** A look at what waits is coming. */
  called: boolean;
}

export function createRunner(run: RunBatch, sendExpress: SendExpress = () => undefined): Runner {
  const lines = new Map<string, Line>();

  /** Starts what can be started. */
  function go(poolId: string, line: Line): void {
    line.called = false;
    while (!line.busy && line.waiting.length + line.again.length > 0) {
      const [first] = line.waiting;
      const isFree = line.express === 0;
      if (line.again.length > 0) {
        if (!isFree) return;
        const batch = line.again.splice(0, BATCH_MAX);
        occupy(poolId, line, () => usual(poolId, batch));
      } else if (typeof first === 'function') {
        if (!isFree) return;
        line.waiting.shift();
        occupy(poolId, line, first);
      } else if (line.express === EXPRESS_MAX) {
        return;
      } else {
        const batch = nextBatch(line, EXPRESS_BATCH_MAX);
        const answers = sendExpress(
          poolId,
          batch.map((entry) => entry.operation),
        );
        if (answers !== undefined) {
          line.waiting.splice(0, batch.length);
          void express(poolId, line, batch, answers);
        } else if (isFree) {
          const whole = nextBatch(line, BATCH_MAX);
          line.waiting.splice(0, whole.length);
          occupy(poolId, line, () => usual(poolId, whole));
        } else return;
      }
    }
    if (!line.busy && line.express === 0) lines.delete(poolId);
  }

  function occupy(poolId: string, line: Line, work: Turn): void {
    line.busy = true;
    void work().finally(() => {
      line.busy = false;
      go(poolId, line);
    });
  }

  async function express(
    poolId: string,
    line: Line,
    batch: readonly Entry[],
    answers: Promise<readonly Answer[]>,
  ): Promise<void> {
    line.express += 1;
    try {
      settle(batch, await answers);
    } catch (error) {
      if (error instanceof UnavailableError)
        settle(
          batch,
          batch.map(() => failed(error)),
        );
      else line.again.push(...batch);
    }
    line.express -= 1;
    call(poolId, line, { later: true });
  }

  async function usual(poolId: string, batch: readonly Entry[]): Promise<void> {
    settle(batch, await settled(run, poolId, batch));
  }

  /** `later`: when all that is about to come has come, as those who were just answered are the next to ask. */
  function call(poolId: string, line: Line, { later }: { readonly later: boolean }): void {
    if (line.called) return;
    line.called = true;
    const look = () => go(poolId, line);
    if (later) setImmediate(look);
    else queueMicrotask(look);
  }

  /** False where too many wait already. */
  function enqueue(poolId: string, one: Entry | Turn): boolean {
    const line = lines.get(poolId) ?? { waiting: [], busy: false, express: 0, again: [], called: false };
    lines.set(poolId, line);
    if (line.waiting.length >= WAITING_MAX) return false;
    line.waiting.push(one);
    // Requests made in the same turn of the event loop share the first batch.
    if (!line.busy) call(poolId, line, { later: line.express > 0 });
    return true;
  }

  const crowded = (poolId: string) =>
    new UnavailableError(`pool "${poolId}"`, `${WAITING_MAX} requests wait for the database already`);

  return {
    submit: (poolId, operation) =>
      new Promise((resolve) => {
        if (!enqueue(poolId, { operation, settle: resolve })) resolve(failed(crowded(poolId)));
      }),
    alone: (poolId, work) =>
      new Promise((resolve, reject) => {
        const turn = () => work().then(resolve, reject);
        if (!enqueue(poolId, turn)) reject(crowded(poolId));
      }),
  };
}

/** What waits, up to the next that wants to be alone. */
function nextBatch({ waiting }: Line, max: number): readonly Entry[] {
  const batch: Entry[] = [];
  for (const one of waiting) {
    if (typeof one === 'function' || batch.length === max) break;
    batch.push(one);
  }
  return batch;
}

function settle(batch: readonly Entry[], answers: readonly Answer[]): void {
  batch.forEach((entry, n) => entry.settle(answers[n] ?? failed(new Error('a batch left a request out'))));
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
