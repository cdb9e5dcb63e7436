/** A connection to Temporal that was cut: however long the outage, it is tried again soon, so that starts and signals go on. */
import { beforeAll, expect, test } from 'vitest';
import { connectTemporal } from '../../src/client/connect.ts';
import { sharedTemporal } from '../support/shared.ts';

let address: string;
beforeAll(async () => {
  ({ address } = await sharedTemporal());
});

test('the wait between two tries stays short, unless other settings are given', async () => {
  const connection = await connectTemporal({ address });
  expect(connection.options.channelArgs).toMatchObject({
    'grpc.max_reconnect_backoff_ms': 5_000,
    // The SDK's own stay.
    'grpc.keepalive_time_ms': 30_000,
  });
  await connection.close();
  const channelArgs = { 'grpc.max_reconnect_backoff_ms': 60_000 };
  const other = await connectTemporal({ address, channelArgs });
  expect(other.options.channelArgs).toMatchObject(channelArgs);
  await other.close();
});
