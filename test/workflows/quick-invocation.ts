/**
 * Stands in for invocations where a test looks at the schedule alone: does what its target's input says and tells its
 * schedule, as the real one does. Bundled by `schedule-world.ts`; known by the real one's name.
 */
import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyLocalActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { InvocationInput } from '../../src/contract/invocation.ts';
import type { RunStatus } from '../../src/contract/ledger.ts';
import { isRecord } from '../../src/contract/message-shape.ts';
import { type InvocationEnded, invocationSignals } from '../../src/contract/messages.ts';

export interface QuickActivities {
  /** Signals a schedule; one that is gone needs to know nothing. */
  tellSchedule(workflowId: string, ended: InvocationEnded): Promise<void>;
}

const local = proxyLocalActivities<QuickActivities>({ startToCloseTimeout: '10s' });

/** A target's input. */
interface Wanted {
  /** How long it runs. Default: no time. */
  readonly ms?: number;
  /** It fails then; a list: where its nominal time is one of them, ms since the epoch. */
  readonly fail?: boolean | readonly number[];
  /** How long it goes on after it was asked to stop. */
  readonly lingerMs?: number;
}

/** Answers what it was run for. */
export async function invocationWorkflow(input: InvocationInput): Promise<Pick<InvocationInput, 'triggers'>> {
  const { target } = input.run;
  const told = { by: input.notify };
  setHandler(invocationSignals.awaited, ({ by }) => {
    told.by = by;
  });
  const { ms = 0, fail = false, lingerMs = 0 }: Wanted = isRecord(target.input) ? target.input : {};
  try {
    if (ms > 0) await sleep(ms);
  } catch (error) {
    if (!isCancellation(error)) throw error;
    await CancellationScope.nonCancellable(async () => {
      if (lingerMs > 0) await sleep(lingerMs);
      await tell(told.by, 'cancelled');
    });
    throw error;
  }
  const fails = typeof fail === 'boolean' ? fail : fail.includes(input.nominalAtMs ?? 0);
  await tell(told.by, fails ? 'failed' : 'succeeded');
  if (fails) throw ApplicationFailure.nonRetryable('as its input wanted');
  return input.triggers === undefined ? {} : { triggers: input.triggers };
}

async function tell(notify: string | undefined, status: RunStatus): Promise<void> {
  if (notify === undefined) return;
  const { workflowId: invocationId } = workflowInfo();
  await local.tellSchedule(notify, { invocationId, status, endedAtMs: Date.now() });
}
