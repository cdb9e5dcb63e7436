/** One call of a target in a worker: what never begins, what stops it, and what its end means. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import { ALLOC_LOST, NEVER_BEGAN, RETRY_AFTER_MS, type TargetCall } from '../../src/contract/target.ts';
import { RESULT_BYTES_MAX } from '../../src/core/limits.ts';
import { type CallDeps, createTargetActivity } from '../../src/worker/pool-call.ts';
import { Lease } from '../../src/worker/pool-lease.ts';
import { PoolRuns, RunStopped } from '../../src/worker/pool-runs.ts';
import { defineTarget, type TargetHandler } from '../../src/worker/targets/target.ts';

const INCARNATION = 'process-1';

function callOf(id: string, extra: Partial<TargetCall['alloc']> = {}): TargetCall {
  return {
    input: { n: 20 },
    alloc: {
      id,
      epoch: 1,
      poolId: 'default',
      workerId: 'w1',
      incarnation: INCARNATION,
      size: 1,
      expiresAtMs: 1_000,
      ...extra,
    },
    call: { invocationId: id, actualAtMs: 0, lateByMs: 0, why: 'job', attempt: 1 },
  };
}

/** Failures are what is tested: they need not be logged. */
function quietEnvironment(info: { heartbeatTimeoutMs?: number } = {}) {
  return new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
}

function workerOf(overrides: Partial<CallDeps> = {}) {
  const runs = new PoolRuns(2);
  const deps: CallDeps = {
    worker: { poolId: 'default', id: 'w1' },
    datasets: () => [{ id: 'photos', path: '/data/photos' }],
    runs,
    incarnation: () => INCARNATION,
    confirm: async () => true,
    renewEarly: () => {},
    cancelGraceMs: 10,
    ...overrides,
  };
  /** Runs a handler as an activity would be run. */
  const run = (handler: TargetHandler, call: TargetCall, environment = quietEnvironment()) =>
    environment.run(createTargetActivity(defineTarget('t', handler), deps), call);
  return { runs, run };
}

async function failureOf(work: Promise<unknown>): Promise<ApplicationFailure> {
  const error: unknown = await work.then(
    (value) => value,
    (reason: unknown) => reason,
  );
  if (error instanceof ApplicationFailure) return error;
  throw new Error(`expected an ApplicationFailure, got ${String(error)}`);
}

/** A promise and the function that settles it: an event to wait for. */
function event() {
  let fire = () => {};
  const happened = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { happened, fire };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

describe('a call', () => {
  test('gives the handler its context and returns its result', async () => {
    const { runs, run } = workerOf();
    const handler: TargetHandler = ({ input, dataset, worker, call }) => ({
      input,
      dataset,
      worker,
      attempt: call.attempt,
    });
    expect(await run(handler, callOf('a', { dataset: 'photos' }))).toEqual({
      input: { n: 20 },
      dataset: { id: 'photos', path: '/data/photos', held: true },
      worker: { poolId: 'default', id: 'w1' },
      attempt: 1,
    });
    await runs.idle();
    expect([runs.used, runs.count]).toEqual([0, 0]);
  });

  test('may return nothing', async () => {
    expect(await workerOf().run(() => undefined, callOf('a'))).toBeUndefined();
  });

  test('an error keeps its name as the type and may be retried; an ApplicationFailure is passed on', async () => {
    const { run } = workerOf();
    const thrown = await failureOf(
      run(() => {
        throw new RangeError('too far');
      }, callOf('a')),
    );
    expect(thrown).toMatchObject({ type: 'RangeError', message: 'too far', nonRetryable: false });
    const later = ApplicationFailure.create({ message: 'later', nextRetryDelay: '3s', details: ['why'] });
    expect(await failureOf(run(() => Promise.reject(later), callOf('d')))).toMatchObject({
      details: ['why', { [RETRY_AFTER_MS]: 3_000 }],
    });
    const own = ApplicationFailure.nonRetryable('never', 'Mine');
    expect(await failureOf(run(() => Promise.reject(own), callOf('b')))).toBe(own);
    const notAnError = JSON.parse('"just text"') as Error;
    const text = await failureOf(run(() => Promise.reject(notAnError), callOf('c')));
    expect(text.message).toBe('just text');
  });

  test.each([
    ['is too large', 'x'.repeat(RESULT_BYTES_MAX), 'ResultTooLarge'],
    ['holds a bigint', { n: 1n }, 'ResultNotJson'],
    ['is a function', () => 1, 'ResultNotJson'],
  ])('a result that %s is a failure that says so', async (_what, result, type) => {
    const failure = await failureOf(workerOf().run(() => result, callOf('a')));
    expect(failure).toMatchObject({ type, nonRetryable: true });
  });
});

describe('a call never begins', () => {
  const mustNotRun: TargetHandler = () => {
    throw new Error('the handler was called');
  };
  const neverBegan = { type: NEVER_BEGAN, nonRetryable: true };

  test('when it was granted to another process of this worker', async () => {
    const failure = await failureOf(workerOf().run(mustNotRun, callOf('a', { incarnation: 'process-0' })));
    expect(failure).toMatchObject(neverBegan);
  });

  test('while the worker is not registered', async () => {
    const { run } = workerOf({ incarnation: () => undefined });
    expect(await failureOf(run(mustNotRun, callOf('a')))).toMatchObject(neverBegan);
  });

  test('when its alloc is not held any more, even where the renewal that said so stopped it', async () => {
    const { runs, run } = workerOf({
      confirm: async (ref) => {
        runs.stop([ref], new RunStopped('lost', 'gone'));
        return false;
      },
    });
    expect(await failureOf(run(mustNotRun, callOf('a')))).toMatchObject(neverBegan);
    await runs.idle();
  });

  test('beyond the capacity, and the one that runs goes on', async () => {
    const { run } = workerOf();
    const done = event();
    const first = run(() => done.happened, callOf('a', { size: 2 }));
    expect(await failureOf(run(mustNotRun, callOf('b')))).toMatchObject(neverBegan);
    expect(await failureOf(run(mustNotRun, callOf('a', { size: 0 })))).toMatchObject(neverBegan);
    done.fire();
    await expect(first).resolves.toBeUndefined();
    await expect(run(() => 1, callOf('b', { size: 2 }))).resolves.toBe(1);
  });
});

describe('a call is stopped', () => {
  test('by a cancellation: the handler sees the signal, the workflow a CancelledFailure', async () => {
    const { run } = workerOf();
    const environment = quietEnvironment();
    const begun = event();
    const running = run(
      ({ signal }) => {
        begun.fire();
        return untilAborted(signal);
      },
      callOf('a'),
      environment,
    );
    await begun.happened;
    environment.cancel();
    await expect(running).rejects.toBeInstanceOf(CancelledFailure);
  });

  test('when its alloc is lost; its result would not count', async () => {
    const { runs, run } = workerOf();
    const begun = event();
    const running = run(async ({ signal }) => {
      begun.fire();
      await untilAborted(signal).catch(() => undefined);
      return 'finished all the same';
    }, callOf('a'));
    await begun.happened;
    runs.stop([{ id: 'a', epoch: 7 }], new RunStopped('lost', 'another epoch'));
    runs.stop([{ id: 'a', epoch: 1 }], new RunStopped('lost', 'it was given to another'));
    expect(await failureOf(running)).toMatchObject({ type: ALLOC_LOST, message: 'it was given to another' });
  });

  test('when the worker stops: a result that comes in time counts', async () => {
    const { runs, run } = workerOf();
    const begun = event();
    const running = run(async ({ signal }) => {
      begun.fire();
      await untilAborted(signal).catch(() => undefined);
      return 'saved';
    }, callOf('a'));
    await begun.happened;
    runs.stopAll(new RunStopped('stopping', 'the worker stops'));
    await expect(running).resolves.toBe('saved');
  });

  test('without its handler’s consent: the attempt is given up, the units stay in use until it returns', async () => {
    const { runs, run } = workerOf();
    const begun = event();
    const done = event();
    const running = run(
      () => {
        begun.fire();
        return done.happened;
      },
      callOf('a', { size: 2 }),
    );
    await begun.happened;
    runs.stopAll(new RunStopped('lost', 'gone'));
    expect(await failureOf(running)).toMatchObject({ type: ALLOC_LOST });
    expect(runs.used).toBe(2);
    expect(runs.running()).toEqual([{ id: 'a', epoch: 1 }]);
    runs.disownAll(new RunStopped('lost', 'gone'));
    expect([runs.running(), runs.overhang]).toEqual([[], 2]);
    done.fire();
    await runs.idle();
    expect([runs.used, runs.overhang]).toEqual([0, 0]);
  });
});

describe('heartbeats', () => {
  test('come by themselves and repeat what the handler reported last', async () => {
    const environment = quietEnvironment({ heartbeatTimeoutMs: 30 });
    const beats: unknown[] = [];
    const threeBeats = event();
    environment.on('heartbeat', (details) => {
      beats.push(details);
      if (beats.length === 3) threeBeats.fire();
    });
    await workerOf().run(
      async ({ heartbeat }) => {
        heartbeat({ done: 5 });
        await threeBeats.happened;
      },
      callOf('a'),
      environment,
    );
    expect(beats.slice(0, 3)).toEqual([{ done: 5 }, { done: 5 }, { done: 5 }]);
  });
});

describe('the lease', () => {
  const answer = {
    nowMs: 500_000,
    expiresAtMs: 515_000,
    workerTtlMs: 15_000,
    allocTtlMs: 30_000,
    held: [],
    lost: [],
    used: 0,
    state: 'active',
  } as const;

  test('ends a TTL after the renewal was sent, by our own clock, however late its answer came', () => {
    const clock = { nowMs: 1_000 };
    const lease = new Lease(() => clock.nowMs);
    expect(lease.expired).toBe(true);
    const sentAtMs = lease.now();
    clock.nowMs += 4_000;
    lease.confirmed(answer, sentAtMs);
    clock.nowMs += 10_999;
    expect(lease.expired).toBe(false);
    clock.nowMs += 1;
    expect(lease.expired).toBe(true);
    expect(lease.periodMs).toBe(5_000);
  });

  test('an older answer does not shorten a newer one', () => {
    const clock = { nowMs: 20_000 };
    const lease = new Lease(() => clock.nowMs);
    lease.confirmed(answer, 20_000);
    lease.confirmed(answer, 5_000);
    expect(lease.expired).toBe(false);
    lease.ended();
    expect(lease.expired).toBe(true);
  });

  test('reads an instant of the database’s clock as near when less than a third of the alloc TTL may be left', () => {
    const clock = { nowMs: 0 };
    const lease = new Lease(() => clock.nowMs);
    expect(lease.isNear(Number.MAX_SAFE_INTEGER)).toBe(true);
    lease.confirmed(answer, 0);
    expect(lease.isNear(510_000)).toBe(false);
    clock.nowMs += 1;
    expect(lease.isNear(510_000)).toBe(true);
  });
});
