/**
 * An environment on Temporal's time-skipping test server. Called by workflow tests, in `beforeAll`.
 * Time is global to an environment, so each test file makes its own and uses it for one thing at a time.
 * What this server lacks: listing, Schedules; and time stands still while an activity is pending.
 */
import { setTimeout } from 'node:timers/promises';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { sharedTimeSkippingProgram } from './shared.ts';

const STARTS_MAX = 3;

/** Starts a server of its own for the caller, with time that skips. End it by `teardown()`. */
export async function createTimeSkippingEnvironment(): Promise<TestWorkflowEnvironment> {
  const path = await sharedTimeSkippingProgram();
  const executable = { type: 'existing-path', path } as const;
  // The SDK waits 5 s for it, which a machine under load may exceed; what is wrong for good fails every time.
  for (let start = 1; ; start++) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
    } catch (error) {
      if (start === STARTS_MAX) throw error;
    }
  }
}

/** Longer than anything here takes while time stands still for it. */
const STALLED_MS = 3_000;
const STALLS_MAX = 10;

/**
 * Lets time pass. What holds time up (a task, an activity) takes a lock on it, and this server may lose one for good: where a message
 * comes just while a workflow continues as new, time passes no faster than ours ever after. So where our time has passed and
 * what `progress` tells of is where it was, a lock is taken back.
 */
export async function letTimePass(
  environment: TestWorkflowEnvironment,
  ms: number,
  progress: () => Promise<string>,
): Promise<void> {
  const passed = environment.sleep(ms).then(() => true);
  let before = await progress();
  for (let stalls = 0; stalls < STALLS_MAX; stalls++) {
    const isOver = await Promise.race([passed, setTimeout(STALLED_MS, false, { ref: false })]);
    if (isOver) return;
    const now = await progress();
    if (now === before) await environment.connection.testService?.unlockTimeSkipping({});
    before = now;
  }
  throw new Error(`time does not pass; it has come to ${before}`);
}
