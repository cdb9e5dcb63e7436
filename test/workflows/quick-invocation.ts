/**
 * Stands in for invocations where a test looks at the schedule alone: runs as long as its target's input says
 * (`{ ms }`) and tells its schedule, as the real one does. Bundled by `schedule-world.ts`; known by the real one's name.
 */
import { getExternalWorkflowHandle, sleep, workflowInfo } from '@temporalio/workflow';
import type { InvocationInput } from '../../src/contract/invocation.ts';
import { isRecord, scheduleSignals } from '../../src/contract/messages.ts';

export async function invocationWorkflow(input: InvocationInput): Promise<void> {
  const given = input.run.target.input;
  const ms = isRecord(given) && typeof given.ms === 'number' ? given.ms : 0;
  if (ms > 0) await sleep(ms);
  if (input.notify === undefined) return;
  await getExternalWorkflowHandle(input.notify).signal(scheduleSignals.invocationEnded, {
    invocationId: workflowInfo().workflowId,
    status: 'succeeded',
    endedAtMs: Date.now(),
  });
}
