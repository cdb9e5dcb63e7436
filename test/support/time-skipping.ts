/**
 * An environment on Temporal's time-skipping test server. Called by workflow tests, in `beforeAll`.
 * Time is global to an environment, so each test file makes its own and uses it for one thing at a time.
 * What this server lacks: listing, Schedules; and time stands still while an activity is pending.
 */
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
