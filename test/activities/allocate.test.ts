/** What an invocation is told when it asks for capacity: what asking again would not mend is not tried again. */
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allocate } from '../../activities/allocate.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';

let store: Store;
beforeAll(async () => {
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(() => store.close());

const request = {
  ...{ id: 'job/a#1.0', poolId: 'p', invocationId: 'job/a' },
  ...{ target: 't', size: 1, priority: 0, retry: 0 },
};

test.each([
  ['an eval that stands for something else', { size: 2 }, 'AllocExists'],
  ['a size that makes no sense', { size: 0 }, 'InvalidInput'],
])('%s is refused for good', async (_, more, type) => {
  expect(await allocate({ store }, request)).toMatchObject({ kind: 'waiting' });
  const refused: unknown = await allocate({ store }, { ...request, ...more }).catch(
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(ApplicationFailure);
  expect(refused).toMatchObject({ type, nonRetryable: true, message: expect.stringContaining('job/a#1.0') });
});

test('what another try may mend is thrown as it is', async () => {
  const away = { allocate: () => Promise.reject(new Error('away')), readPast: () => Promise.resolve({}) };
  await expect(allocate({ store: { ...store, ...away } }, request)).rejects.toThrow(/^away$/);
});
