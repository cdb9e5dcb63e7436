/**
 * An invocation whose workers are lost under it, on a real Temporal server and a store in memory: it goes on for as
 * often as its pool allows, and what its evaluations are numbered by is never used twice.
 */
import { Client, Connection, type WorkflowHandle, WorkflowFailedError } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { createNames } from '../../src/contract/ids.ts';
import type { InvocationInput } from '../../src/contract/invocation.ts';
import { invocationStart } from '../../src/contract/starts.ts';
import { parseRun } from '../../src/contract/run-schema.ts';
import { EVALUATIONS_MAX } from '../../src/core/limits.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { freshDeployment, sharedTemporal, sharedWorkflowBundle } from '../support/shared.ts';
import { eventually } from './eventually.ts';

const names = createNames(freshDeployment());
let client: Client;
let nativeConnection: NativeConnection;
let memory: Store;
/** What the activities see: the store in memory, or something before it. */
let store: Store;
let worker: Worker;
let ended: Promise<void>;

beforeAll(async () => {
  const { address, namespace } = await sharedTemporal();
  client = new Client({ connection: await Connection.connect({ address }), namespace });
  nativeConnection = await NativeConnection.connect({ address });
  memory = await createEmbeddedStore({ dataDir: 'memory', schema: names.schema });
  const front: Store = { ...memory, allocate: (request) => store.allocate(request) };
  worker = await Worker.create({
    connection: nativeConnection,
    namespace,
    taskQueue: names.invocationsQueue,
    activities: createActivities({ client, store: front, names, searchAttributes: false }),
    workflowBundle: await sharedWorkflowBundle(),
    shutdownGraceTime: '1s',
  });
  ended = worker.run();
});
afterAll(async () => {
  worker.shutdown();
  await ended;
  await memory.close();
  await nativeConnection.close();
  await client.connection.close();
});
beforeEach(() => {
  store = memory;
});

async function start(jobId: string, pool: string): Promise<WorkflowHandle> {
  const run = parseRun(`job "${jobId}"`, {
    target: 'resize',
    pool,
    retry: { limit: 0 },
    timeouts: { scheduleToStart: '1s' },
  });
  const input: InvocationInput = { run, why: 'job', jobId, requestedAtMs: Date.now() };
  const options = invocationStart(names, names.jobWorkflowId(jobId), input, input.requestedAtMs);
  return client.workflow.start('invocationWorkflow', options);
}

async function failureOf(handle: WorkflowHandle): Promise<unknown> {
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  return error instanceof WorkflowFailedError ? error.cause : error;
}

test('a pool that allows one lost worker gives up at the second, and evaluations that ended before are passed over', async () => {
  const poolId = 'strict';
  await memory.createPool(poolId, { retryMax: 1 });
  // It renews and lifts its cordon, but nobody polls its task queue.
  const registration = { poolId, workerId: 'deaf', incarnation: 'first' };
  const offer = { capacity: 1, targets: ['resize'], datasets: [], taskQueue: `${names.deployment}/deaf` };
  await memory.registerWorker({ ...registration, ...offer });
  const invocationId = names.jobWorkflowId('unlucky');
  await memory.finish({ poolId, evalId: `${invocationId}#1.0`, release: 'withdrawn' });

  const granted = new Set<string>();
  const handle = await start('unlucky', poolId);
  const failure = failureOf(handle);
  const { lost, error } = await eventually(async () => {
    for (const alloc of (await memory.listAllocs(poolId)).items) granted.add(alloc.id);
    const { grants } = await memory.renewWorker(poolId, 'deaf', 'first', []);
    for (const grant of grants) await handle.signal('granted', grant);
    return memory.getRun(invocationId);
  });

  expect([...granted]).toEqual([`${invocationId}#1.1`, `${invocationId}#1.2`]);
  expect(lost).toBe(2);
  expect(error).toMatchObject({ type: 'WorkersLost', message: expect.stringContaining('lost 2 workers') });
  expect(await failure).toMatchObject({ type: 'WorkersLost' });
  expect((await memory.listDeadLetters()).items).toMatchObject([{ invocationId, error }]);
  expect((await memory.listWaiting(poolId)).items).toEqual([]);
});

test('evaluations of one try come to an end, whatever the store says', async () => {
  let asked = 0;
  store = {
    ...memory,
    async allocate() {
      asked += 1;
      return { kind: 'refused', code: 'EvalEnded' };
    },
  };
  const handle = await start('endless', 'strict');
  expect(await failureOf(handle)).toMatchObject({ type: 'TooManyEvaluations' });
  expect(asked).toBeGreaterThanOrEqual(EVALUATIONS_MAX);
  expect(await memory.getRun(names.jobWorkflowId('endless'))).toMatchObject({
    status: 'dead-lettered',
    lost: 0,
  });
});
