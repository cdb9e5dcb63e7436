/**
 * Keeps the record within its time: a gateway on a port asks the store again and again to remove what is older. Several
 * gateways do no harm, as the store lets one work at a time; no history is spent, as no workflow takes part.
 * Promise: a failure is logged once and tried again later; nothing newer than Temporal's own retention is removed.
 */
import type { Client } from '@temporalio/client';
import type { Logger } from '@temporalio/common';
import type { ScheduleRef } from '../contract/invocation.ts';
import type { Store } from '../store/store.ts';
import { again } from './again.ts';

/** Between looks: what is a minute over its time of days does no harm. */
const LOOK_MS = 60_000;
/** Between full batches, so that removing a year at once leaves the database to others most of the time. */
const PAUSE_MS = 50;

export interface RetentionOptions {
  readonly store: Pick<Store, 'removeExpired'>;
  readonly keptMs: number;
  readonly logger?: Logger | undefined;
}

/** Begins at once. `stop` lets a batch under way end by itself. */
export function keepWithinTime({ store, keptMs, logger }: RetentionOptions): { stop(): void } {
  const act = async (): Promise<number> => {
    const { fires, runs, more } = await store.removeExpired(keptMs);
    if (fires + runs > 0) logger?.info('removed what was past its time', { fires, runs });
    return more ? PAUSE_MS : LOOK_MS;
  };
  return again({ act, afterFailureMs: LOOK_MS, failure: 'the record could not be tidied', logger });
}

/** Between looks for schedules that are deleted: their rows are one each, and small. */
const FORGET_MS = 10 * 60_000;

export interface ForgetOptions {
  readonly store: Pick<Store, 'listQuietSchedules' | 'forgetSchedules'>;
  readonly keptMs: number;
  /** Which of these creations of schedules are no more. */
  readonly schedulesGone: (schedules: readonly ScheduleRef[]) => Promise<readonly ScheduleRef[]>;
  readonly logger?: Logger | undefined;
}

/** What the next run of a schedule would be told goes once the schedule is deleted and its last success past its time. */
export function forgetDeleted({ store, keptMs, schedulesGone, logger }: ForgetOptions): { stop(): void } {
  const act = async (): Promise<number> => {
    let forgotten = 0;
    for (let cursor: string | undefined; ; ) {
      const page = await store.listQuietSchedules(keptMs, cursor === undefined ? {} : { cursor });
      forgotten += await store.forgetSchedules(await schedulesGone(page.items), keptMs);
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    if (forgotten > 0) logger?.info('forgot schedules that were deleted', { schedules: forgotten });
    return FORGET_MS;
  };
  return again({
    act,
    afterFailureMs: FORGET_MS,
    failure: 'deleted schedules could not be looked for',
    logger,
  });
}

/** The longer of `keptMs` and the time for which the namespace keeps closed workflows, in ms. */
export async function atLeastTemporals(
  { connection }: Client,
  namespace: string,
  keptMs: number,
): Promise<number> {
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
    return Math.max(keptMs, seconds * 1_000);
  } catch {
    // A key without the right to look at the namespace: the setting stands as it is.
    return keptMs;
  }
}
