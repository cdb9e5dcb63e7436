/** Rows of evals, allocs and their ends as stories. Used by `explain.ts` only. */
import type { EvalStory } from '../contract/explanations.ts';
import type { Alloc } from '../contract/pools.ts';
import { readPlacement } from './placement-text.ts';
import { allocOf } from './rows.ts';
import type { AllocRow, EndedRow, EvalRow } from './tables.ts';

/** A row of `ended`, or what the record of a run keeps of one, where what is null is left out. */
export type EndedColumns = Pick<EndedRow, 'id' | 'ended_at_ms' | 'release'> &
  Partial<EndedRow> & { pool_id: string };

export function endedStory(poolId: string, row: EndedColumns): EvalStory {
  const { explained, waited } = row;
  return {
    evalId: row.id,
    poolId,
    state: 'ended',
    waited: waited ?? [],
    endedAtMs: row.ended_at_ms,
    release: row.release,
    ...placed(explained),
    ...present('enqueuedAtMs', row.enqueued_at_ms),
    ...present('workerId', row.worker_id),
    ...present('grantedAtMs', row.granted_at_ms),
    ...present('warm', row.warm),
  };
}

export function evalStory(row: EvalRow): EvalStory {
  const { id: evalId, pool_id: poolId, enqueued_at_ms: enqueuedAtMs, waited } = row;
  return { evalId, poolId, state: 'waiting', enqueuedAtMs, waited, waitsFor: row.reason };
}

export function allocStory(row: AllocRow): { readonly alloc: Alloc; readonly story: EvalStory } {
  const story: EvalStory = {
    evalId: row.id,
    poolId: row.pool_id,
    state: 'granted',
    enqueuedAtMs: row.enqueued_at_ms,
    waited: row.waited ?? [],
    workerId: row.worker_id,
    grantedAtMs: row.granted_at_ms,
    ...present('warm', row.warm),
    ...placed(row.explained),
  };
  return { alloc: allocOf(row), story };
}

function placed(text: string | null | undefined): Pick<EvalStory, 'placement'> {
  return text === null || text === undefined ? {} : { placement: readPlacement(text) };
}

function present<K extends string, T>(name: K, value: T | null | undefined): { readonly [N in K]?: T } {
  return value === null || value === undefined ? {} : ({ [name]: value } as { readonly [N in K]?: T });
}
