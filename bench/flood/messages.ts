/**
 * The messages of the suite `flood`: every kind that leaves the schedule's spec and switch as they are, so that its fires
 * can be counted: triggers, changes that change nothing, occurrences of a far day, and what cannot be understood.
 */
import { isGrpcServiceError } from '@temporalio/client';
import { eachAtOnce } from '../../src/client/each-at-once.ts';
import { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import type { Names } from '../../src/contract/ids.ts';
import { scheduleSignals } from '../../src/contract/messages.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import type { Ground } from '../ground.ts';

/** Enough not to wait for one another at the allowed rate. */
const PACED_AT_ONCE = 100;
const RAW_AT_ONCE = 500;
const FAR_DAY_MS = Date.UTC(2090, 0, 1);

/** Every second fires; whatever else runs, each starts. */
export const SCHEDULE: ScheduleInput = { spec: 'every 1s', overlap: 'allowAll', target: 'noop' };

export interface Sent {
  readonly refused: number;
  /** Why, each reason once with its number. */
  readonly reasons: string;
  readonly tookMs: number;
}

/** At a steady rate; one in ten is an update, which is answered. */
export function sendPaced(
  ground: Ground,
  names: Names,
  id: string,
  pace: { readonly count: number; readonly perSecond: number },
): Promise<Sent> {
  const { count, perSecond } = pace;
  const handle = new ScheduleHandle(ground.client, names, id);
  return send(count, { atOnce: PACED_AT_ONCE, perSecond }, (i) =>
    i % 10 === 9 ? updateOf(handle, i) : signalOf(ground, handle.workflowId, i),
  );
}

/** Signals alone, as fast as the server takes them. */
export function sendRaw(ground: Ground, workflowId: string, count: number): Promise<Sent> {
  return send(count, { atOnce: RAW_AT_ONCE }, (i) => signalOf(ground, workflowId, i));
}

async function send(
  count: number,
  pace: { readonly atOnce: number; readonly perSecond?: number },
  sendOne: (i: number) => Promise<unknown>,
): Promise<Sent> {
  const beganMs = performance.now();
  const sent = await eachAtOnce(Array(count).keys(), pace, (i) => sendOne(i).then(() => undefined, reasonOf));
  const tookMs = performance.now() - beganMs;
  const reasons = new Map<string, number>();
  for (const reason of sent) {
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return {
    refused: sent.filter((reason) => reason !== undefined).length,
    reasons: [...reasons].map(([reason, times]) => `${times} x ${reason}`).join('; '),
    tookMs,
  };
}

function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return `gRPC ${Number(cause.code)}: ${cause.details}`;
  }
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Four of ten trigger a run. */
function signalOf({ client }: Ground, workflowId: string, i: number): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  const at = new Date(FAR_DAY_MS + Math.floor(i / 10) * 1_000).toISOString();
  switch (i % 10) {
    case 1:
      return handle.signal(scheduleSignals.enable);
    case 3:
      return handle.signal(scheduleSignals.changeSchedule, { schedule: SCHEDULE });
    case 5:
      return handle.signal(scheduleSignals.changeOccurrence, { at, act: 'skip' });
    case 7:
      return handle.signal(scheduleSignals.changeOccurrence, { at, act: 'restore' });
    case 8:
      return handle.signal('not-a-signal', { i });
    case 9:
      return handle.signal(scheduleSignals.resume);
    default:
      return handle.signal(scheduleSignals.trigger, { actor: 'bench' });
  }
}

function updateOf(handle: ScheduleHandle, i: number): Promise<unknown> {
  return i % 20 === 9 ? handle.trigger() : handle.enable();
}
