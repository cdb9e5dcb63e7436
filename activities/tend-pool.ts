/**
 * `tendPool`: one pool's sweep, for as long as the pool has workers, or is to expire without. A long heartbeating
 * activity: its sweeps cost no history. When its worker goes it is cancelled and begins again on another; nothing is kept in memory.
 */
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { NotExistsError } from '../src/contract/errors.ts';
import type { Alloc } from '../src/contract/pools.ts';
import type { Store, SweepResult } from '../src/store/store.ts';
import { deliverGrants, deliverRefusals, DELIVERIES_MAX } from './grants.ts';
import { onTheirOwn } from './on-their-own.ts';
import { lookAfter, settleUntold } from './untold.ts';

export interface TendDeps {
  readonly client: Client;
  readonly store: Store;
}

const PERIOD_MS_MIN = 250;
/** Between two heartbeats: a sweep may take long, and the next may be a day away, while a dead worker is to be seen soon. */
const HEARTBEAT_MS = 2_000;
/** A sweep that fails (database away) is tried again after this; the first one that succeeds extends the TTLs. */
const RETRY_MS = 1_000;
/** Sweeps in a row without worker or alloc after which the pool is left. */
const EMPTY_SWEEPS_MAX = 3;

export async function tendPool(deps: TendDeps, poolId: string): Promise<void> {
  const context = Context.current();
  let empty = 0;
  let seen: unknown;
  const untold: Alloc[] = [];
  const timer = setInterval(() => context.heartbeat(seen), HEARTBEAT_MS);
  try {
    while (empty < EMPTY_SWEEPS_MAX) {
      const swept = await sweepOnce(deps, poolId, untold);
      if (swept === 'gone') return;
      seen = swept === 'failed' ? { failed: true } : swept.seen;
      context.heartbeat(seen);
      empty = swept !== 'failed' && swept.empty ? empty + 1 : 0;
      await context.sleep(swept === 'failed' ? RETRY_MS : swept.periodMs);
    }
  } finally {
    clearInterval(timer);
  }
}

/** Nothing in it can come to its end: it need not be swept until a worker comes. */
function isEmpty({ workers, allocs, refused, poolExpiresAtMs }: SweepResult): boolean {
  return workers === 0 && allocs === 0 && refused.length === 0 && poolExpiresAtMs === undefined;
}

interface Swept {
  readonly empty: boolean;
  readonly periodMs: number;
  /** Shown by the Web UI as the heartbeat's details. */
  readonly seen: Readonly<Record<string, number>>;
}

/** @param untold allocs that expired and whose invocations are still to be looked up: one that fails stays there */
async function sweepOnce(
  deps: TendDeps,
  poolId: string,
  untold: Alloc[],
): Promise<Swept | 'gone' | 'failed'> {
  const { log } = Context.current();
  try {
    const result = await deps.store.sweepPool(poolId);
    const { workers, waiting, allocs } = result;
    if (result.poolExpired) log.warn('pool expired: it is disbanded', { poolId });
    for (const worker of result.expiredWorkers) log.warn('pool worker expired', { poolId, worker });
    if (result.extendedByMs > 0)
      log.warn('TTLs extended after an outage', { poolId, ms: result.extendedByMs });
    untold.push(...result.expiredAllocs);
    await follow(deps, result, untold);
    return {
      empty: isEmpty(result),
      periodMs: Math.max(PERIOD_MS_MIN, result.shortestTtlMs / 3),
      seen: { workers, waiting, allocs },
    };
  } catch (error) {
    if (error instanceof NotExistsError) return 'gone';
    log.warn('the sweep failed and is tried again', { poolId, error });
    return 'failed';
  }
}

/** Tells and looks up everybody whom a sweep has found, each on its own. */
async function follow(deps: TendDeps, found: SweepResult, untold: Alloc[]): Promise<void> {
  const work: readonly (() => Promise<void>)[] = [
    ...found.grants.slice(0, DELIVERIES_MAX).map((grant) => () => deliverGrants(deps, [grant])),
    ...found.refused.map((waiting) => () => deliverRefusals(deps, [waiting])),
    ...found.unheard.map((unheard) => async () => deliverGrants(deps, await lookAfter(deps, unheard))),
    ...untold.map((alloc) => async () => {
      await settleUntold(deps, alloc);
      untold.splice(untold.indexOf(alloc), 1);
    }),
  ];
  await onTheirOwn(work, (one) => one());
}
