/** Escapement inside a user's own Temporal worker: their workflow file, their data converter, their interceptors. */
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { type ActivityInboundCallsInterceptor, NativeConnection, Worker } from '@temporalio/worker';
import { register } from 'tsx/cjs/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { Scheduler } from '../../src/client/scheduler.ts';
import { createNames } from '../../src/contract/ids.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { registerSearchAttributes } from '../../src/worker/search-attributes.ts';
import { freshDeployment, sharedTemporal } from '../support/shared.ts';

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** An interceptor of the user's own. */
function noting(seen: string[]): ActivityInboundCallsInterceptor {
  return {
    execute(input, next) {
      seen.push('activity');
      return next(input);
    },
  };
}

describe("a user's own worker", () => {
  const names = createNames(freshDeployment());
  const dataConverter = { payloadConverterPath: here('./own-converter.ts') };
  const seen: string[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  let scheduler: Scheduler;
  let client: Client;
  let store: Store;

  beforeAll(async () => {
    // Converters are loaded with `require`, and this one is TypeScript; a user's would be compiled.
    const unregister = register();
    closers.push(async () => unregister());
    const { address, namespace } = await sharedTemporal();
    const connection = await Connection.connect({ address });
    const native = await NativeConnection.connect({ address });
    client = new Client({ connection, namespace, dataConverter });
    store = await createEmbeddedStore({ dataDir: 'memory', schema: names.schema });
    const { registered } = await registerSearchAttributes(connection, namespace);
    const activities = createActivities({ client, store, names, searchAttributes: registered });
    const shared = {
      connection: native,
      namespace,
      dataConverter,
      activities,
      workflowsPath: here('./own-workflows.ts'),
      interceptors: {
        activity: [() => ({ inbound: noting(seen) })],
      },
    };
    const workers = await Promise.all([
      Worker.create({ ...shared, taskQueue: names.schedulesQueue }),
      Worker.create({ ...shared, taskQueue: names.invocationsQueue }),
      Worker.create({
        connection: native,
        namespace,
        dataConverter,
        taskQueue: names.workerQueueName('own', 'w1'),
        activities: { echo: async (call: { readonly input: unknown }) => call.input },
      }),
    ]);
    const running = workers.map((worker) => worker.run());
    scheduler = await Scheduler.connect({
      address,
      namespace,
      connection,
      dataConverter,
      deployment: names.deployment,
    });
    closers.push(
      () => native.close(),
      () => connection.close(),
      () => store.close(),
      async () => {
        for (const worker of workers) worker.shutdown();
        await Promise.all(running);
      },
    );
    await store.createPool('own');
    await store.registerWorker({
      poolId: 'own',
      workerId: 'w1',
      incarnation: 'first',
      capacity: 1,
      targets: ['echo'],
      datasets: [],
      taskQueue: names.workerQueueName('own', 'w1'),
    });
  });

  afterAll(async () => {
    for (const close of closers.toReversed()) await close();
  });

  it('runs our schedules and their workflow side by side, payloads in their encoding', async () => {
    const schedule = await scheduler.schedules.create('mine', {
      spec: 'triggered',
      target: 'echo',
      input: { greeting: 'hi' },
      pool: 'own',
    });
    const { outcome, invocationId } = await schedule.trigger({ key: 'one' });
    expect(outcome).toBe('started');
    const { result } = await scheduler.invocations.get(invocationId).result();
    expect(result).toEqual({ greeting: 'hi' });

    const greeted = await client.workflow.execute('greetWorkflow', {
      args: ['you'],
      taskQueue: names.schedulesQueue,
      workflowId: `${names.deployment}.greet`,
    });
    expect(greeted).toBe('hello you');
    expect(seen).toContain('activity');

    const history = await client.workflow.getHandle(names.scheduleWorkflowId('mine')).fetchHistory();
    const input = history.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
    expect(new TextDecoder().decode(input?.metadata?.encoding ?? undefined)).toBe('json/own');
  });

  it('describes a schedule in the moment in which it was created', async () => {
    const { state } = await (
      await scheduler.schedules.create('new', { spec: 'every 1h', target: 'echo', pool: 'own' })
    ).describe();
    expect(state).toBe('active');
  });

  it('records a payload it cannot decode, and lives on', async () => {
    const plain = new Client({ connection: client.connection, namespace: client.options.namespace });
    await plain.workflow
      .getHandle(names.scheduleWorkflowId('mine'))
      .signal('pause', { reason: 'plain JSON' });

    const { problems } = await scheduler.schedules.get('mine').describe();
    expect(problems.map((problem) => problem.message)).toEqual([
      expect.stringContaining('pause: payload cannot be decoded'),
    ]);
  });
});
