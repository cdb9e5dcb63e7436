/** Invocations from their start to their record, on a real Temporal server: tries, capacity, losses, cancellation. */
import { activityInfo, Context, heartbeat } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunInput } from '../../src/contract/schedule.ts';
import { ALLOC_LOST, NEVER_BEGAN, RETRY_AFTER_MS, type TargetCall } from '../../src/contract/target.ts';
import { eventually, happening } from './eventually.ts';
import { type InvocationWorld, openInvocationWorld, type TestPool } from './invocation-world.ts';
import { sharedWorld } from './shared-world.ts';

let world: InvocationWorld;
beforeAll(async () => {
  world = await openInvocationWorld(await sharedWorld());
});
afterAll(() => world?.close());

let jobs = 0;
/** Starts a job of target `t` now. */
function start(pool: TestPool, more: Partial<RunInput> = {}, dueAtMs = Date.now()) {
  return world.jobs.start(dueAtMs, { target: 't', pool: pool.id, ...more }, { id: `j${++jobs}` });
}

const quick = { minBackoff: '100ms' } as const;

/** Runs until it is cancelled, with heartbeats; tells when it has begun. */
function untilCancelled() {
  const begun = happening<TargetCall>();
  const stopped = happening();
  const target = async (call: TargetCall) => {
    begun.resolve(call);
    const beating = setInterval(() => heartbeat(), 200);
    try {
      return await Context.current().cancelled;
    } finally {
      clearInterval(beating);
      stopped.resolve();
    }
  };
  return { begun: begun.promise, stopped: stopped.promise, target };
}

/** Begins and falls silent; let go when the test is over. */
function silent(released: Promise<void>) {
  const begun = happening<TargetCall>();
  return {
    begun: begun.promise,
    target: async (call: TargetCall) => {
      begun.resolve(call);
      await released;
    },
  };
}

async function failureOf(result: Promise<unknown>): Promise<unknown> {
  const error: unknown = await result.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  return error instanceof WorkflowFailedError ? error.cause : error;
}

describe.concurrent('tries', () => {
  test('a success is at most 14 events, and its record holds the result', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, { t: async ({ input }) => ({ got: input }) });
    const job = await start(pool, { input: 7 });
    expect(await job.result()).toEqual({ result: { got: 7 }, workerId: 'w1', attempts: 1 });
    expect((await world.events(job.id)).length).toBeLessThanOrEqual(14);
    expect(await world.record(job.id)).toMatchObject({
      status: 'succeeded',
      attempts: 1,
      lost: 0,
      jobId: job.jobId,
      workerId: 'w1',
      result: { got: 7 },
    });
    expect(await pool.used()).toBe(0);
  });

  test("what fails twice succeeds at the third try; capacity is free in between, and the wait is the policy's", async () => {
    const pool = await world.pool();
    const seen: { attempt: number; atMs: number }[] = [];
    await pool.worker('w1', 1, {
      t: async ({ call }) => {
        seen.push({ attempt: call.attempt, atMs: Date.now() });
        if (call.attempt < 3) throw ApplicationFailure.create({ message: 'not yet', type: 'NotYet' });
        return 'done';
      },
    });
    const job = await start(pool, { retry: { minBackoff: '1s', coefficient: 1 } });
    await eventually(async () => seen.length === 1 && (await pool.used()) === 0, Boolean);
    expect(await job.result()).toMatchObject({ result: 'done', attempts: 3 });
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    for (const [i, { atMs }] of seen.slice(1).entries()) {
      expect(atMs - (seen[i]?.atMs ?? 0)).toBeGreaterThanOrEqual(900);
    }
    expect(await world.record(job.id)).toMatchObject({ status: 'succeeded', attempts: 3 });
  });

  test('a target that says when to come again is heeded, whatever the policy says', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, {
      t: async ({ call }) => {
        if (call.attempt > 1) return 'done';
        throw ApplicationFailure.create({
          message: 'too many requests',
          details: [{ [RETRY_AFTER_MS]: 300 }],
        });
      },
    });
    const job = await start(pool, { retry: { minBackoff: '1h' } });
    expect(await job.result()).toMatchObject({ result: 'done', attempts: 2 });
  });

  test('signals that make no sense are recorded, and it goes on', async () => {
    const pool = await world.pool();
    const job = await start(pool);
    await eventually(
      async () => (await job.describe()).now?.phase,
      (phase) => phase === 'waiting',
    );
    const handle = world.client.workflow.getHandle(job.id);
    await handle.signal('granted');
    await handle.signal('refused', 7);
    await handle.signal('reschedule', { at: 'tomorrow' });
    const problems = await eventually(
      async () => (await job.describe()).now?.problems.map(({ message }) => message) ?? [],
      (messages) => messages.length === 3,
    );
    expect(problems.map((message) => message.split(':')[0])).toEqual(['granted', 'refused', 'reschedule']);
    await pool.worker('w1', 1, { t: async () => 'done' });
    expect(await job.result()).toMatchObject({ result: 'done' });
  });

  test('at the retry limit it becomes a dead letter with its last error and input', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, { t: async () => Promise.reject(new RangeError('too far')) });
    const job = await start(pool, { retry: { ...quick, limit: 1 }, input: { n: 1 } });
    expect(await failureOf(job.result())).toMatchObject({ message: 'too far' });
    expect(await world.record(job.id)).toMatchObject({ status: 'dead-lettered', attempts: 2 });
    expect(await world.deadLetter(job.id)).toMatchObject({
      attempts: 2,
      error: { message: 'too far' },
      input: { run: { target: { name: 't', input: { n: 1 } } } },
    });
    expect(await pool.used()).toBe(0);
  });

  test('a failure that cannot be retried is a dead letter at once', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, {
      t: async () => Promise.reject(ApplicationFailure.nonRetryable('bad', 'Bad')),
    });
    const job = await start(pool);
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({
      status: 'dead-lettered',
      attempts: 1,
      error: { type: 'Bad' },
    });
    expect(await world.deadLetter(job.id)).toMatchObject({ attempts: 1 });
  });
});

describe.concurrent('capacity', () => {
  test('without any it waits, says for what, and goes on when a worker registers', async () => {
    const pool = await world.pool();
    const job = await start(pool, { size: 2 });
    const waiting = await eventually(
      () => job.describe(),
      ({ now }) => now?.phase === 'waiting',
    );
    expect(waiting.now?.waiting).toEqual({ reason: { kind: 'no-workers' }, position: 1 });
    const handle = world.client.workflow.getHandle(job.id);
    const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
    expect(currentDetails).toContain(`waiting for 2 of pool \`${pool.id}\``);
    await pool.worker('w1', 2, { t: async () => 'served' });
    expect(await job.result()).toMatchObject({ result: 'served' });
  });

  test('what one frees the next in the queue gets', async () => {
    const pool = await world.pool();
    const go = happening();
    const order: string[] = [];
    await pool.worker('w1', 1, {
      t: async ({ input }) => {
        order.push(String(input));
        if (input === 'first') await go.promise;
      },
    });
    const first = await start(pool, { input: 'first' });
    await eventually(async () => order.length, Boolean);
    const second = await start(pool, { input: 'second' });
    await eventually(
      () => second.describe(),
      ({ now }) => now?.phase === 'waiting',
    );
    go.resolve();
    await Promise.all([first.result(), second.result()]);
    expect(order).toEqual(['first', 'second']);
    expect(await pool.used()).toBe(0);
  });

  test('past its start deadline it expires and waits no more', async () => {
    const pool = await world.pool();
    const job = await start(pool, { startDeadline: '300ms' });
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({ status: 'expired' });
    expect((await world.store.listWaiting(pool.id)).items).toEqual([]);
    expect(await world.deadLetter(job.id)).toBeUndefined();
  });
});

describe.concurrent('lost workers', () => {
  const soon = { timeouts: { heartbeat: '1s', scheduleToStart: '1s' } } as const;

  test('a worker that falls silent is left, and the run begins elsewhere as the same try', async () => {
    const pool = await world.pool();
    const over = happening();
    const dead = silent(over.promise);
    await pool.worker('w1', 1, { t: dead.target });
    const job = await start(pool, soon);
    expect((await dead.begun).call.attempt).toBe(1);
    await pool.worker('w2', 1, { t: async ({ call }) => call.attempt });
    expect(await job.result()).toEqual({ result: 1, workerId: 'w2', attempts: 1 });
    over.resolve();
    expect(await world.record(job.id)).toMatchObject({ status: 'succeeded', lost: 1, workerId: 'w2' });
  });

  test('a call that never began is evaluated again, even at most once', async () => {
    const pool = await world.pool();
    const refused = happening();
    await pool.worker('w1', 1, {
      t: async () => {
        refused.resolve();
        throw ApplicationFailure.nonRetryable('another process', NEVER_BEGAN);
      },
    });
    const job = await start(pool, { consistency: 'atMostOnce' });
    await refused.promise;
    await pool.worker('w2', 1, { t: async () => 'begun' });
    expect(await job.result()).toMatchObject({ result: 'begun', workerId: 'w2' });
  });

  test('a worker that does not pick it up never began it', async () => {
    const pool = await world.pool();
    const gone = await pool.worker('w1', 1, { t: async () => 'never' });
    await gone.stop();
    const job = await start(pool, { ...soon, consistency: 'atMostOnce' });
    await eventually(
      () => job.describe(),
      ({ now }) => now?.phase === 'running',
    );
    await pool.worker('w2', 1, { t: async () => 'elsewhere' });
    expect(await job.result()).toMatchObject({ result: 'elsewhere', workerId: 'w2' });
  });

  test('at most once, and it may have begun: the outcome is unknown, and it is not begun again', async () => {
    const pool = await world.pool();
    const over = happening();
    const dead = silent(over.promise);
    let begun = 0;
    await pool.worker('w1', 1, {
      t: (call) => {
        begun += 1;
        return dead.target(call);
      },
    });
    await pool.worker('w2', 1, { t: async () => (begun += 1) });
    const job = await start(pool, { ...soon, consistency: 'atMostOnce', input: 'once' });
    await failureOf(job.result());
    over.resolve();
    const record = await world.record(job.id);
    expect(begun).toBe(1);
    expect(['unknown', 'succeeded']).toContain(record.status);
  });

  test('a failed last try is recorded even though its capacity has passed on meanwhile', async () => {
    const pool = await world.pool({ allocTtlMs: 1_000 });
    const begun = happening<TargetCall>();
    const go = happening();
    const { incarnation } = await pool.worker('w1', 1, {
      t: async (call) => {
        begun.resolve(call);
        await go.promise;
        throw ApplicationFailure.nonRetryable('broken', 'Broken');
      },
    });
    const job = await start(pool);
    const { alloc } = await begun.promise;
    await world.store.renewWorker(pool.id, 'w1', incarnation, [{ id: alloc.id, epoch: alloc.epoch }]);
    await pool.tend();
    await eventually(
      () => pool.used(),
      (used) => used === 0,
    );
    go.resolve();
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({ status: 'dead-lettered', error: { type: 'Broken' } });
    expect(await world.deadLetter(job.id)).toMatchObject({ reason: 'broken' });
  });

  test('too many lost workers make a dead letter', async () => {
    const pool = await world.pool({ retryMax: 1 });
    const lost = async () => Promise.reject(ApplicationFailure.nonRetryable('gone', ALLOC_LOST));
    await Promise.all(['w1', 'w2', 'w3'].map((id) => pool.worker(id, 1, { t: lost })));
    const job = await start(pool);
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({
      status: 'dead-lettered',
      error: { type: 'WorkersLost' },
    });
    expect(await world.deadLetter(job.id)).toMatchObject({ error: { type: 'WorkersLost' } });
  });
});

describe.concurrent('units in use that the pool took for free', () => {
  test('a worker that refuses a call is no lost one, however many do', async () => {
    const pool = await world.pool({ retryMax: 0 });
    const refuse = async () => Promise.reject(ApplicationFailure.nonRetryable('in use', NEVER_BEGAN));
    await Promise.all(['w1', 'w2', 'w3'].map((id) => pool.worker(id, 1, { t: refuse })));
    const job = await start(pool);
    await eventually(
      () => job.describe(),
      ({ now }) => now?.phase === 'waiting',
    );
    await pool.worker('w4', 1, { t: async () => 'there' });
    expect(await job.result()).toMatchObject({ result: 'there', workerId: 'w4' });
    expect(await world.record(job.id)).toMatchObject({ status: 'succeeded', lost: 0 });
  });

  test.each([
    ['the last try', 0, 'dead-lettered'],
    ['a try that another follows', 1, 'succeeded'],
  ])('a target that goes on after its time is up keeps its units: %s', async (_which, limit, status) => {
    const pool = await world.pool();
    const heedless = happening();
    const overdue = happening<TargetCall>();
    const { incarnation } = await pool.worker('w1', 1, {
      t: async (call) => {
        overdue.resolve(call);
        await heedless.promise;
      },
    });
    const job = await start(pool, {
      ...{ timeouts: { attempt: '1s' }, retry: { limit, minBackoff: '1s' } },
    });
    const { alloc } = await overdue.promise;
    await eventually(
      () => world.store.explainEval(alloc.id),
      ({ state }) => state === 'ended',
    );
    const ref = { id: alloc.id, epoch: alloc.epoch };
    const listed = await world.store.renewWorker(pool.id, 'w1', incarnation, [ref]);
    expect(listed.lease).toMatchObject({ held: [], lost: [ref], used: 1 });
    const other = await pool.worker('w2', 1, { t: async () => 'again' });
    await job.result().catch(() => undefined);
    expect(await world.record(job.id)).toMatchObject({ status });
    expect(await pool.used()).toBe(1);
    expect((await world.store.renewWorker(pool.id, 'w1', incarnation, [])).lease.used).toBe(0);
    heedless.resolve();
    await other.stop();
  });
});

describe.concurrent('cancellation', () => {
  test('while it waits: it leaves the queue', async () => {
    const pool = await world.pool();
    const job = await start(pool);
    await eventually(async () => (await world.store.listWaiting(pool.id)).items.length, Boolean);
    await job.cancel();
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({ status: 'cancelled' });
    expect((await world.store.listWaiting(pool.id)).items).toEqual([]);
  });

  test('while it runs: the target sees it, and its capacity is back at once', async () => {
    const pool = await world.pool();
    const run = untilCancelled();
    await pool.worker('w1', 1, { t: run.target });
    const job = await start(pool);
    await run.begun;
    await job.cancel();
    await run.stopped;
    await failureOf(job.result());
    expect(await pool.used()).toBe(0);
    expect(await world.record(job.id)).toMatchObject({ status: 'cancelled' });
  });

  test('a target that fails when it is cancelled is not tried again', async () => {
    const pool = await world.pool();
    const run = untilCancelled();
    let tries = 0;
    await pool.worker('w1', 1, {
      t: async (call) => {
        tries += 1;
        await run.target(call).catch(() => undefined);
        throw new Error('stopped half-way');
      },
    });
    const job = await start(pool, { retry: quick });
    await run.begun;
    await job.cancel();
    await failureOf(job.result());
    expect(tries).toBe(1);
    expect(await world.record(job.id)).toMatchObject({ status: 'cancelled', attempts: 1 });
    expect(await pool.used()).toBe(0);
  });

  test('during backoff: no other try follows', async () => {
    const pool = await world.pool();
    let tries = 0;
    await pool.worker('w1', 1, {
      t: async () => {
        tries += 1;
        throw new Error('again');
      },
    });
    const job = await start(pool, { retry: { minBackoff: '1h' } });
    const handle = world.client.workflow.getHandle(job.id);
    const first = (await handle.describe()).runId;
    await eventually(
      () => handle.describe(),
      ({ runId }) => tries === 1 && runId !== first,
    );
    await job.cancel();
    await failureOf(job.result());
    expect(tries).toBe(1);
    expect(await world.record(job.id)).toMatchObject({ status: 'cancelled' });
  });
});

describe.concurrent('jobs', () => {
  const hourFromNow = () => Date.now() + 3_600_000;

  async function pending(pool: TestPool) {
    const job = await start(pool, {}, hourFromNow());
    await eventually(
      () => job.describe(),
      ({ now }) => now?.phase === 'due-later',
    );
    return job;
  }

  test('one due in a while waits for its time', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, { t: async () => Date.now() });
    const dueAtMs = Date.now() + 1_500;
    const job = await start(pool, {}, dueAtMs);
    expect(Number((await job.result()).result)).toBeGreaterThanOrEqual(dueAtMs);
  });

  test('moved earlier it runs then, and moved later it goes on waiting', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, { t: async () => activityInfo().activityType });
    const job = await pending(pool);
    const laterMs = hourFromNow() + 3_600_000;
    await job.reschedule(laterMs);
    await eventually(
      () => job.describe(),
      ({ now }) => now?.dueAtMs === laterMs,
    );
    await job.reschedule(Date.now());
    expect(await job.result()).toMatchObject({ result: 't' });
    const { startedAtMs, endedAtMs } = await world.record(job.id);
    expect(startedAtMs).toBeLessThanOrEqual(endedAtMs);
  });

  test('the tries of one that was moved count from when it began', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, {
      t: async ({ call }) => {
        if (call.attempt === 1) throw new Error('again');
      },
    });
    const job = await start(pool, { retry: quick }, hourFromNow());
    await job.reschedule(Date.now());
    await job.result();
    const { startedAtMs, endedAtMs, attempts } = await world.record(job.id);
    expect(attempts).toBe(2);
    expect(startedAtMs).toBeLessThanOrEqual(endedAtMs);
  });

  test('cancelled while pending, its record says so', async () => {
    const pool = await world.pool();
    const job = await pending(pool);
    await job.cancel();
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({ status: 'cancelled', jobId: job.jobId });
  });
});
