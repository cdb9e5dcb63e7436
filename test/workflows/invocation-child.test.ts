/** The target `workflow` on a real Temporal server: a workflow of the user's own, with and without capacity. */
import { Context, heartbeat } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import proto from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunInput } from '../../src/contract/schedule.ts';
import { parseRun } from '../../src/contract/run-schema.ts';
import { invocationStart } from '../../src/contract/starts.ts';
import type { TargetCall } from '../../src/contract/target.ts';
import type { WorkflowTargetInput } from '../../src/contract/workflow-target.ts';
import { eventually, happening } from './eventually.ts';
import { type InvocationWorld, openInvocationWorld } from './invocation-world.ts';
import { type OwnWorker, startOwnWorker } from './own-worker.ts';
import { sharedWorld } from './shared-world.ts';

let world: InvocationWorld;
let own: OwnWorker;
beforeAll(async () => {
  const options = await sharedWorld();
  [world, own] = await Promise.all([openInvocationWorld(options), startOwnWorker(options)]);
});
afterAll(async () => {
  await own?.stop();
  await world?.close();
});

const { INDEXED_VALUE_TYPE_KEYWORD } = proto.temporal.api.enums.v1.IndexedValueType;

let jobs = 0;
function start(workflow: Partial<WorkflowTargetInput>, more: Partial<RunInput> = {}) {
  const input = { taskQueue: own.taskQueue, ...workflow };
  const run = { target: 'workflow', input, retry: { minBackoff: '100ms' }, ...more };
  return world.jobs.start(Date.now(), run, { id: `c${++jobs}` });
}

const childOf = (invocationId: string, attempt = 1) =>
  world.client.workflow.getHandle(`${invocationId}/workflow/${attempt}`);

const began = (workflowId: string) =>
  eventually(
    () => world.client.workflow.getHandle(workflowId).describe(),
    ({ status }) => status.name === 'RUNNING',
  );

async function failureOf(result: Promise<unknown>): Promise<unknown> {
  const error: unknown = await result.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  return error instanceof WorkflowFailedError ? error.cause : error;
}

/** Holds capacity as the built-in target does, on a worker that a test can lose. */
function holder() {
  const begun = happening<TargetCall>();
  const lost = happening();
  const target = async (call: TargetCall) => {
    begun.resolve(call);
    const beating = setInterval(() => heartbeat(), 200);
    try {
      return await Promise.race([Context.current().cancelled, lost.promise]);
    } finally {
      clearInterval(beating);
    }
  };
  return { begun: begun.promise, lose: () => lost.resolve(), target };
}

describe.concurrent('without capacity', () => {
  test('its result is the invocation’s, in at most 16 events, and no pool is asked', async () => {
    const job = await start({ type: 'greet', args: ['world'] });
    expect(await job.result()).toEqual({ result: 'hello world', attempts: 1 });
    expect((await world.events(job.id)).length).toBeLessThanOrEqual(16);
    const record = await world.record(job.id);
    expect(record).toMatchObject({ status: 'succeeded', result: 'hello world', target: 'workflow' });
    expect(record).not.toHaveProperty('workerId');
  });

  test('without arguments it is told what it runs for; a note of it is in its memo', async () => {
    const job = await start({ type: 'tell', memo: { team: 'blue' }, workflowId: `${own.taskQueue}-told` });
    const { result } = await job.result();
    expect(result).toMatchObject({
      context: {
        invocationId: job.id,
        jobId: job.jobId,
        why: 'job',
        attempt: 1,
        lateByMs: expect.any(Number),
      },
      memo: { team: 'blue', escapement: { invocationId: job.id, why: 'job' } },
    });
  });

  test('its failures are tries, each with a workflow of its own', async () => {
    const job = await start({ type: 'third' });
    expect(await job.result()).toMatchObject({ result: 3, attempts: 3 });
    expect((await childOf(job.id, 1).describe()).status.name).toBe('FAILED');
    expect((await childOf(job.id, 3).describe()).status.name).toBe('COMPLETED');
  });

  test('a failure that it calls final is a dead letter with its type', async () => {
    const job = await start({ type: 'never' });
    await failureOf(job.result());
    const error = { type: 'NoUse', message: 'no use' };
    expect(await world.record(job.id)).toMatchObject({ status: 'dead-lettered', attempts: 1, error });
    expect(await world.deadLetter(job.id)).toMatchObject({ error });
  });

  test('cancelling the invocation cancels it, and waits for its end', async () => {
    const job = await start({ type: 'patient' });
    await began(childOf(job.id).workflowId);
    await job.cancel();
    await failureOf(job.result());
    expect((await childOf(job.id).describe()).status.name).toBe('CANCELLED');
    expect(await world.record(job.id)).toMatchObject({ status: 'cancelled' });
  });

  test.each([
    ['cancel', 'WorkflowCancelled'],
    ['terminate', 'WorkflowTerminated'],
  ] as const)('who would %s it by hand would not have it begin again', async (act, type) => {
    const job = await start({ type: 'patient' });
    await began(childOf(job.id).workflowId);
    await childOf(job.id)[act]();
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({
      status: 'dead-lettered',
      attempts: 1,
      error: { type },
    });
  });

  test('the timeout of an attempt ends it', async () => {
    const job = await start({ type: 'patient' }, { timeouts: { attempt: '1s' }, retry: { limit: 0 } });
    await failureOf(job.result());
    expect((await childOf(job.id).describe()).status.name).toBe('TIMED_OUT');
    expect(await world.record(job.id)).toMatchObject({ error: { type: 'AttemptTimeout' } });
  });

  test('of two with one id the second waits for its next try', async () => {
    const workflowId = `${own.taskQueue}-one`;
    const first = await start({ type: 'patient', workflowId });
    await began(workflowId);
    const second = await start({ type: 'greet', args: ['you'], workflowId });
    await eventually(
      () => second.describe(),
      ({ now }) => (now?.attempt ?? 1) > 1,
    );
    await world.client.workflow.getHandle(workflowId).signal('go');
    expect(await first.result()).toMatchObject({ result: 'went' });
    expect(await second.result()).toMatchObject({ result: 'hello you' });
  });

  test('what it returns is bounded, as with any target', async () => {
    const job = await start({ type: 'large' });
    await failureOf(job.result());
    expect(await world.record(job.id)).toMatchObject({ attempts: 1, error: { type: 'ResultTooLarge' } });
  });

  test('attributes that the namespace knows are on it', async () => {
    await world.registerAttributes({ TestShape: INDEXED_VALUE_TYPE_KEYWORD });
    const round = { TestShape: { type: 'keyword', value: 'round' } } as const;
    const job = await start({ type: 'tell', searchAttributes: round });
    const { result } = await job.result();
    expect(result).toMatchObject({ attributes: [{ key: { name: 'TestShape' }, value: 'round' }] });
  });

  test('one that the namespace does not know, or by another type, is refused at once, by its name', async () => {
    await world.registerAttributes({ TestShape: INDEXED_VALUE_TYPE_KEYWORD });
    const wrong = {
      TestShape: { type: 'int', value: 3 },
      NobodyKnowsThis: { type: 'bool', value: true },
    } as const;
    await expect(start({ type: 'tell', searchAttributes: wrong })).rejects.toMatchObject({
      issues: [
        { path: 'input.searchAttributes.TestShape', message: 'is registered as KEYWORD, not as INT' },
        { path: 'input.searchAttributes.NobodyKnowsThis' },
      ],
    });
    const given = start({ type: 'tell' }, { searchAttributes: { NobodyKnowsThis: wrong.NobodyKnowsThis } });
    await expect(given).rejects.toMatchObject({ issues: [{ path: 'searchAttributes.NobodyKnowsThis' }] });
  });

  test('an input that comes later and makes no sense is a dead letter that names the field', async () => {
    const begin = async (jobId: string, input: unknown) => {
      const run = parseRun('run', { target: 'workflow', input: { type: 'greet', taskQueue: own.taskQueue } });
      const whole = { ...run, target: { name: 'workflow', input } };
      const id = world.names.jobWorkflowId(jobId);
      const options = invocationStart(
        world.names,
        id,
        { run: whole, why: 'job', jobId, requestedAtMs: 0 },
        0,
      );
      await failureOf((await world.client.workflow.start('invocationWorkflow', options)).result());
      const { status, attempts, error } = await world.record(id);
      expect([status, attempts, error?.type]).toEqual(['dead-lettered', 1, 'InvalidInput']);
      return error?.message;
    };
    expect(await begin('late-queue', { type: 'greet' })).toContain('input.taskQueue: is missing');
    const searchAttributes = { NobodyKnowsThis: { type: 'keyword', value: 'x' } };
    const unknown = await begin('late-attribute', {
      type: 'greet',
      taskQueue: own.taskQueue,
      searchAttributes,
    });
    expect(unknown).toContain('"NobodyKnowsThis" is not registered');
  });
});

describe.concurrent('with capacity', () => {
  test('it is held while the workflow runs, and given back when it has ended', async () => {
    const pool = await world.pool();
    const held = holder();
    await pool.worker('w1', 3, { workflow: held.target });
    const job = await start({ type: 'patient' }, { pool: pool.id, size: 2 });
    expect((await held.begun).input).toEqual({ holdsFor: childOf(job.id).workflowId });
    await began(childOf(job.id).workflowId);
    const { now } = await job.describe();
    expect(now).toMatchObject({ phase: 'running', child: childOf(job.id).workflowId, alloc: { size: 2 } });
    expect(await pool.used()).toBe(2);
    await childOf(job.id).signal('go');
    expect(await job.result()).toEqual({ result: 'went', workerId: 'w1', attempts: 1 });
    expect(await pool.used()).toBe(0);
    expect(await world.record(job.id)).toMatchObject({ status: 'succeeded', workerId: 'w1', lost: 0 });
  });

  test('without any it does not begin; it begins when there is', async () => {
    const pool = await world.pool();
    const job = await start({ type: 'greet', args: ['late'] }, { pool: pool.id });
    await eventually(
      () => job.describe(),
      ({ now }) => now?.phase === 'waiting',
    );
    await expect(childOf(job.id).describe()).rejects.toThrow();
    await pool.worker('w1', 1, { workflow: holder().target });
    expect(await job.result()).toMatchObject({ result: 'hello late', workerId: 'w1' });
  });

  test('a lost worker does not end it: capacity is taken elsewhere', async () => {
    const pool = await world.pool();
    const first = holder();
    const second = holder();
    await pool.worker('w1', 1, { workflow: first.target });
    const job = await start({ type: 'patient' }, { pool: pool.id });
    await first.begun;
    const { runId } = await began(childOf(job.id).workflowId);
    await pool.worker('w2', 1, { workflow: second.target });
    first.lose();
    await second.begun;
    await childOf(job.id).signal('go');
    expect(await job.result()).toEqual({ result: 'went', workerId: 'w2', attempts: 1 });
    expect((await childOf(job.id).describe()).runId).toBe(runId);
    expect(await world.record(job.id)).toMatchObject({ lost: 1, workerId: 'w2' });
    expect((await world.store.listWaiting(pool.id)).items).toEqual([]);
  });

  test('with nobody left to hold it, it goes on and succeeds; nothing stays in the queue', async () => {
    const pool = await world.pool();
    const only = holder();
    await pool.worker('w1', 1, { workflow: only.target });
    const job = await start({ type: 'patient' }, { pool: pool.id });
    await only.begun;
    await began(childOf(job.id).workflowId);
    only.lose();
    await eventually(
      async () => (await world.store.listWaiting(pool.id)).items.length,
      (waiting) => waiting === 1,
    );
    await childOf(job.id).signal('go');
    expect(await job.result()).toEqual({ result: 'went', attempts: 1 });
    expect((await world.store.listWaiting(pool.id)).items).toEqual([]);
  });

  test('cancelling waits for it, and only then gives capacity back', async () => {
    const pool = await world.pool();
    const held = holder();
    await pool.worker('w1', 1, { workflow: held.target });
    const job = await start({ type: 'patient' }, { pool: pool.id });
    await held.begun;
    await began(childOf(job.id).workflowId);
    await job.cancel();
    await failureOf(job.result());
    expect((await childOf(job.id).describe()).status.name).toBe('CANCELLED');
    expect(await pool.used()).toBe(0);
    expect(await world.record(job.id)).toMatchObject({ status: 'cancelled' });
  });

  test('between two tries it holds none', async () => {
    const pool = await world.pool();
    await pool.worker('w1', 1, { workflow: async (call) => await holder().target(call) });
    const job = await start(
      { type: 'third' },
      { pool: pool.id, retry: { minBackoff: '1s', coefficient: 1 } },
    );
    const handle = world.client.workflow.getHandle(job.id);
    const { runId } = await handle.describe();
    await eventually(
      () => handle.describe(),
      (now) => now.runId !== runId,
    );
    expect(await pool.used()).toBe(0);
    expect(await job.result()).toMatchObject({ result: 3, attempts: 3, workerId: 'w1' });
    expect(await pool.used()).toBe(0);
  });
});
