/**
 * Escapement inside a Temporal worker of yours: your connection, your interceptors, your workflows beside ours.
 * It does the work of `escapement worker`; a gateway and pool workers are still needed.
 * `TEMPORAL_ADDRESS=… ESCAPEMENT_DATABASE_URL=… npx tsx examples/own-worker.ts`
 */
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerInterceptors } from '@temporalio/worker';
import { createNames } from 'escapement/contract';
import {
  createActivities,
  createPostgresStore,
  payloadConverterPath,
  registerSearchAttributes,
} from 'escapement/worker';

const address = process.env['TEMPORAL_ADDRESS'] ?? '127.0.0.1:7233';
const url = process.env['ESCAPEMENT_DATABASE_URL'] ?? 'postgres://127.0.0.1:5432/escapement';
const namespace = 'default';
const names = createNames();

const connection = await Connection.connect({ address });
const native = await NativeConnection.connect({ address });
const store = await createPostgresStore({ url, schema: names.schema });

// The data converter must be the same on every side. `payloadConverterPath()` is ours: Temporal's default, made tolerant of
// what it cannot decode. For a converter of your own, wrap it: `export const payloadConverter = tolerant(yours)`.
const dataConverter = { payloadConverterPath: payloadConverterPath() };
const client = new Client({ connection, namespace, dataConverter });
const { registered } = await registerSearchAttributes(connection, namespace);

const interceptors: WorkerInterceptors = {
  activity: [
    ({ info }) => ({
      inbound: {
        async execute(input, next) {
          const startedAt = performance.now();
          try {
            return await next(input);
          } finally {
            console.log(`${info.activityType} took ${Math.round(performance.now() - startedAt)} ms`);
          }
        },
      },
    }),
  ],
};

const shared = {
  connection: native,
  namespace,
  dataConverter,
  interceptors,
  workflowsPath: fileURLToPath(new URL('./own-workflows.ts', import.meta.url)),
  activities: createActivities({ client, store, names, searchAttributes: registered }),
  // Local activities hold these slots; the default of 40 is too few for many schedules.
  maxConcurrentWorkflowTaskExecutions: 200,
};
const workers = await Promise.all([
  Worker.create({ ...shared, taskQueue: names.schedulesQueue }),
  Worker.create({ ...shared, taskQueue: names.invocationsQueue }),
]);

// The SDK shuts the workers down on SIGINT and SIGTERM.
await Promise.all(workers.map((worker) => worker.run()));
await native.close();
await connection.close();
await store.close();
