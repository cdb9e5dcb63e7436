/** A worker of a user's own beside a world's: it polls a queue of its own for the workflows of `own-children.ts`. */
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';

export type OwnWorker = Awaited<ReturnType<typeof startOwnWorker>>;

export async function startOwnWorker(options: {
  readonly address: string;
  readonly namespace: string;
  readonly deployment: string;
}) {
  const connection = await NativeConnection.connect({ address: options.address });
  const taskQueue = `${options.deployment}-own`;
  const worker = await Worker.create({
    connection,
    namespace: options.namespace,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('own-children.ts', import.meta.url)),
  });
  const running = worker.run();
  return {
    taskQueue,
    async stop(): Promise<void> {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}
