/**
 * An environment on Temporal's time-skipping test server. Called by workflow tests, in `beforeAll`.
 * Time is global to an environment, so each test file makes its own and uses it for one thing at a time.
 * What this server lacks: listing, Schedules; and time stands still while an activity is pending. It may also lose count of what is pending
 * (where a message comes, or a timer rings, while the task that ends a run or gives the timer up is under way): its time then goes on
 * no faster than ours, and its tasks may be lost. Where that happens to a test, `stillSkips` says so.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { sharedTimeSkippingProgram } from './shared.ts';

const STARTS_MAX = 6;

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

const STILL_SKIPS_WITHIN_MS = 10_000;

/** Whether an hour is still but a moment there. Asked when a test has failed and nothing is under way any more. */
export function stillSkips(environment: TestWorkflowEnvironment): Promise<boolean> {
  return inTime(environment, STILL_SKIPS_WITHIN_MS, () => environment.sleep('1h'));
}

/** Whether what is asked of the server was done in that time of ours; a failure is no. Nothing of it is left under way. */
export async function inTime(
  { connection }: TestWorkflowEnvironment,
  ms: number,
  ask: () => Promise<unknown>,
): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + ms, ask);
    return true;
  } catch {
    return false;
  }
}
