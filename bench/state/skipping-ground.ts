/**
 * A ground whose time skips: Temporal's time-skipping server, a store in memory, and activities that live by the
 * workflows' time. Used by the suite `state`. Promise: all of it is gone when the suite ends.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { createActivities } from '../../activities/index.ts';
import type { OrchestrationActivities } from '../../src/contract/activities.ts';
import type { Names } from '../../src/contract/ids.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import { findTimeSkippingServer } from '../../test/support/find-time-skipping.ts';
import type { Ground } from '../ground.ts';
import type { SuiteContext } from '../suite.ts';

export interface SkippingGround extends Ground {
  readonly activities: OrchestrationActivities;
  /** Lets so much of the server's time pass. */
  skip(ms: number): Promise<void>;
}

export async function onSkippingGround<T>(
  context: SuiteContext,
  names: Names,
  use: (ground: SkippingGround) => Promise<T>,
): Promise<T> {
  const path = await findTimeSkippingServer(process.env, context.progress);
  const executable = { type: 'existing-path', path } as const;
  const env = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
  const closers: (() => Promise<unknown>)[] = [() => env.teardown()];
  try {
    const store = await createEmbeddedStore({ dataDir: 'memory', schema: names.schema });
    closers.push(() => store.close());
    const { client, nativeConnection: connection, namespace = 'default' } = env;
    const deps = { client, store, names, searchAttributes: false };
    return await use({
      ...{ ...context, ...deps, connection, namespace },
      atEnd: (closer) => void closers.push(closer),
      activities: byWorkflowTime(deps),
      skip: (ms) => env.sleep(ms),
    });
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

/** A wait takes no time, as the server's stands still meanwhile. */
function byWorkflowTime(
  deps: Omit<Parameters<typeof createActivities>[0], 'clock'>,
): OrchestrationActivities {
  let nowMs = 0;
  const sleep = async (ms: number): Promise<void> => {
    nowMs += ms;
  };
  const made = createActivities({ ...deps, clock: { now: () => nowMs, sleep } });
  return {
    ...made,
    advance: (request) => {
      nowMs = Math.max(nowMs, request.nowMs);
      return made.advance(request);
    },
  };
}
