/** The keeper of a pool says that it lives, whatever its sweep does. */
import type { Client } from '@temporalio/client';

import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, test, vi } from 'vitest';
import { tendPool } from '../../activities/tend-pool.ts';
import { NotExistsError } from '../../src/contract/errors.ts';
import type { Store } from '../../src/store/store.ts';

test('it beats beside a sweep that takes long, and ends with its pool', async () => {
  let gone = (_error: Error): void => {};
  const swept = new Promise<never>((_resolve, reject) => {
    gone = reject;
  });
  const store = { sweepPool: () => swept } as unknown as Store;
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  const beaten = vi.fn();
  environment.on('heartbeat', beaten);
  const tended = environment.run(() => tendPool({ client: {} as Client, store }, 'default'));
  await vi.waitFor(() => expect(beaten).toHaveBeenCalledTimes(2), { timeout: 20_000 });
  gone(new NotExistsError('PoolNotExists', 'it is gone', {}));
  await tended;
});
