/**
 * What a run of a schedule is told (its window, why it runs, the last result), whom it triggers when it has succeeded,
 * and the memo and search attributes that it carries; on a real Temporal server.
 */
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, defineSearchAttributeKey } from '@temporalio/common';
import proto from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { isoInstant } from '../../src/contract/ids.ts';
import type { InvocationInput, InvocationResult } from '../../src/contract/invocation.ts';
import type { RunInput, ScheduleInput } from '../../src/contract/schedule.ts';
import { parseRun } from '../../src/contract/run-schema.ts';
import { invocationStart, startRefusal } from '../../src/contract/starts.ts';
import type { CallContext, TargetCall, Window } from '../../src/contract/target.ts';
import { eventually } from './eventually.ts';
import { type InvocationWorld, openInvocationWorld, type TestPool } from './invocation-world.ts';
import { type OwnWorker, startOwnWorker } from './own-worker.ts';
import { sharedWorld } from './shared-world.ts';

let world: InvocationWorld;
let own: OwnWorker;
let pool: TestPool;
beforeAll(async () => {
  const options = await sharedWorld();
  [world, own] = await Promise.all([openInvocationWorld(options), startOwnWorker(options)]);
  pool = await world.pool();
  await pool.worker('w1', 100, {
    context: async ({ call }) => call,
    echo: async ({ input }) => input,
    broken: async () => Promise.reject(ApplicationFailure.nonRetryable('broken', 'Broken')),
    second: async ({ call }: TargetCall) => {
      if (call.attempt < 2) throw new Error('once more');
      return call;
    },
  });
});
afterAll(async () => {
  await own?.stop();
  await world?.close();
});

const MINUTE = 60_000;
const CREATED_MS = Date.UTC(2026, 0, 1);
const minute = (n: number) => CREATED_MS + n * MINUTE;

/** A schedule as far as its runs are concerned. */
function schedule(run: Partial<RunInput> = {}) {
  const scheduleId = `s-${randomUUID()}`;
  const of = { scheduleId, creation: 'first', windowFromMs: CREATED_MS };

  async function start(invocationId: string, input: Partial<InvocationInput>, runs: Partial<RunInput> = {}) {
    const whole: InvocationInput = {
      run: parseRun('run', {
        target: 'context',
        pool: pool.id,
        retry: { minBackoff: '100ms' },
        ...run,
        ...runs,
      }),
      why: 'automatic',
      requestedAtMs: Date.now(),
      ...of,
      ...input,
    };
    const options = invocationStart(world.names, invocationId, whole, whole.requestedAtMs);
    const handle = await world.client.workflow.start('invocationWorkflow', options);
    return await (handle.result() as Promise<InvocationResult>);
  }
  return {
    id: scheduleId,
    fire: async (atMs: number, input: Partial<InvocationInput> = {}, runs: Partial<RunInput> = {}) => {
      const { result } = await start(
        world.names.fireInvocationId(scheduleId, atMs),
        { nominalAtMs: atMs, ...input },
        runs,
      );
      return result as CallContext;
    },
    byHand: async (key: string, requestedAtMs: number) => {
      const input = { why: 'manual' as const, requestedAtMs };
      return (await start(world.names.manualInvocationId(scheduleId, key), input)).result as CallContext;
    },
  };
}

async function fails(run: Promise<unknown>): Promise<void> {
  await expect(run).rejects.toBeInstanceOf(WorkflowFailedError);
}

describe.concurrent('the window', () => {
  test('begins at the creation, then where the last success ended; what failed is merged into the next', async () => {
    const { fire } = schedule();
    expect((await fire(minute(1))).window).toEqual({ fromMs: CREATED_MS, toMs: minute(1) });
    expect((await fire(minute(2))).window).toEqual({ fromMs: minute(1), toMs: minute(2) });
    await fails(fire(minute(3), {}, { target: 'broken' }));
    // Minute 4 was skipped, or nobody was awake.
    expect((await fire(minute(5))).window).toEqual({ fromMs: minute(2), toMs: minute(5) });
  });

  test('of a run by hand goes up to now and moves nothing', async () => {
    const { fire, byHand } = schedule();
    await fire(minute(1));
    expect((await byHand('a', minute(2))).window).toEqual({ fromMs: minute(1), toMs: minute(2) });
    expect((await fire(minute(3))).window).toEqual({ fromMs: minute(1), toMs: minute(3) });
  });

  test('of a backfill is given, and moves nothing', async () => {
    const { fire } = schedule();
    await fire(minute(1));
    const window = { fromMs: minute(-10), toMs: minute(-9) };
    expect((await fire(minute(-9), { why: 'backfill', window })).window).toEqual(window);
    expect((await fire(minute(2))).window).toEqual({ fromMs: minute(1), toMs: minute(2) });
  });

  test('a retry is told the same window, and that it is one', async () => {
    const { fire } = schedule({ target: 'second' });
    expect(await fire(minute(1))).toMatchObject({
      window: { fromMs: CREATED_MS, toMs: minute(1) },
      attempt: 2,
      why: 'retry',
      origin: 'automatic',
    });
  });

  test('of a workflow without capacity is the same', async () => {
    const input = { type: 'tell', taskQueue: own.taskQueue };
    const { fire } = schedule({ target: 'workflow', pool: undefined, input });
    await fire(minute(1));
    expect(await fire(minute(2))).toMatchObject({
      context: { window: { fromMs: minute(1), toMs: minute(2) }, lastResult: {} },
      memo: { escapement: { window: { fromMs: minute(1), toMs: minute(2) } } },
    });
  });
});

describe.concurrent('what a run is told', () => {
  test('the last result: of the run that succeeded last, by hand or not', async () => {
    const { fire, byHand, id } = schedule();
    expect(await fire(minute(1), {}, { target: 'echo', input: { cursor: 7 } })).toEqual({ cursor: 7 });
    expect((await byHand('b', minute(2))).lastResult).toEqual({
      invocationId: world.names.fireInvocationId(id, minute(1)),
      endedAtMs: expect.any(Number),
      result: { cursor: 7 },
    });
    await fails(fire(minute(3), {}, { target: 'broken' }));
    const { lastResult } = await fire(minute(4));
    expect(lastResult?.invocationId).toBe(world.names.manualInvocationId(id, 'b'));
  });

  test('the triggers that became this one invocation, oldest first', async () => {
    const triggers = [
      { kind: 'manual' as const, key: 'a', createdAtMs: minute(0), input: { n: 1 } },
      { kind: 'fire' as const, key: isoInstant(minute(1)), createdAtMs: minute(1) },
    ];
    expect((await schedule().fire(minute(1), { triggers })).triggers).toEqual(triggers);
  });

  test('of an immediate grant the history is as short as ever', async () => {
    const { fire, id } = schedule();
    await fire(minute(1));
    await fire(minute(2));
    const events = await world.events(world.names.fireInvocationId(id, minute(2)));
    expect(events.length).toBeLessThanOrEqual(14);
  });
});

describe.concurrent('schedules downstream', () => {
  /** Something that takes signals by the name of a schedule. */
  async function downstream() {
    const id = `d-${randomUUID()}`;
    const handle = await world.client.workflow.start('listening', {
      workflowId: world.names.scheduleWorkflowId(id),
      taskQueue: own.taskQueue,
    });
    return { id, heard: () => handle.query<readonly unknown[]>('heard') };
  }

  test('are triggered by a success, each once, and by nothing else', async () => {
    const [one, two] = await Promise.all([downstream(), downstream()]);
    const { fire, id } = schedule();
    const triggers = { downstream: [one.id, two.id] };
    await fails(fire(minute(1), triggers, { target: 'broken' }));
    await fire(minute(2), triggers);
    const told = [{ upstream: world.names.fireInvocationId(id, minute(2)) }];
    for (const schedule of [one, two]) {
      expect(await eventually(schedule.heard, (heard) => heard.length > 0)).toEqual(told);
    }
  });

  test('run once for it, are told why, and their window goes on from there', async () => {
    const create = async (id: string, more: Partial<ScheduleInput>) => {
      const input: ScheduleInput = { spec: 'triggered', target: 'context', pool: pool.id, ...more };
      await world.client.workflow.start('scheduleWorkflow', {
        args: [input],
        taskQueue: world.names.schedulesQueue,
        workflowId: world.names.scheduleWorkflowId(id),
      });
      return new ScheduleHandle(world.client, world.names, id);
    };
    const down = await create('down', {});
    const up = await create('up', { triggers: 'down' });
    const windows: Window[] = [];
    for (const key of ['a', 'b']) {
      const { invocationId } = await up.trigger({ key });
      const record = await world.record(world.names.upstreamInvocationId('down', invocationId));
      expect(record).toMatchObject({ status: 'succeeded', why: 'upstream', scheduleId: 'down' });
      const { window } = record.result as CallContext;
      if (window !== undefined) windows.push(window);
    }
    expect(windows).toHaveLength(2);
    expect(windows[1]?.fromMs).toBe(windows[0]?.toMs);
    expect((await down.describe()).counts).toEqual({ started: 2 });
  });

  test('that do not exist are no error of the run', async () => {
    const there = await downstream();
    const { fire } = schedule();
    await fire(minute(1), { downstream: ['nowhere', there.id] });
    expect(await eventually(there.heard, (heard) => heard.length > 0)).toHaveLength(1);
  });

  test('are triggered by a workflow without capacity too', async () => {
    const there = await downstream();
    const input = { type: 'greet', taskQueue: own.taskQueue, args: ['x'] };
    const { fire } = schedule({ target: 'workflow', pool: undefined, input });
    await fire(minute(1), { downstream: [there.id] });
    expect(await eventually(there.heard, (heard) => heard.length > 0)).toHaveLength(1);
  });
});

describe.concurrent('memo and search attributes of the user’s own', () => {
  const { INDEXED_VALUE_TYPE_KEYWORD, INDEXED_VALUE_TYPE_DATETIME } =
    proto.temporal.api.enums.v1.IndexedValueType;

  test('are on every invocation, and can be searched by', async () => {
    // Names that stay the same: a server that outlives the tests has room for a few.
    await world.registerAttributes({
      TestColour: INDEXED_VALUE_TYPE_KEYWORD,
      TestSince: INDEXED_VALUE_TYPE_DATETIME,
    });
    const colour = randomUUID();
    const since = '2026-01-31T09:00:00Z';
    const { fire, id } = schedule({
      memo: { team: 'blue', on: { call: ['ann'] } },
      searchAttributes: {
        TestColour: { type: 'keyword', value: colour },
        TestSince: { type: 'datetime', value: since },
      },
    });
    await fire(minute(1));
    const invocationId = world.names.fireInvocationId(id, minute(1));
    const { memo, typedSearchAttributes } = await world.client.workflow.getHandle(invocationId).describe();
    expect(memo).toMatchObject({ team: 'blue', on: { call: ['ann'] } });
    expect(typedSearchAttributes.get(defineSearchAttributeKey('TestSince', 'DATETIME'))).toEqual(
      new Date(since),
    );
    const found = await eventually(
      async () => {
        const ids: string[] = [];
        const query = `TestColour = "${colour}"`;
        for await (const { workflowId } of world.client.workflow.list({ query })) ids.push(workflowId);
        return ids;
      },
      (ids) => ids.length > 0,
    );
    expect(found).toEqual([invocationId]);
  });

  test('an attribute that the namespace does not know keeps it from starting, and the server says why', async () => {
    const { fire } = schedule({ searchAttributes: { NobodyKnowsThis: { type: 'int', value: 1 } } });
    const error: unknown = await fire(minute(1)).catch((reason: unknown) => reason);
    expect(startRefusal(error)).toContain('NobodyKnowsThis');
  });
});
