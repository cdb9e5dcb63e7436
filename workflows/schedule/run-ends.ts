/**
 * Ends of runs that a schedule waits for, and what follows from them. An end is told by the invocation
 * (`invocationEnded`); as a terminated one tells nobody, each is looked up now and then.
 */
import type { RunStatus } from '../../src/contract/ledger.ts';
import { LOOK_UPS_PER_TURN_MAX } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { feed, type Host } from './host.ts';
import { nextLookUpMs } from './runs.ts';
import { pauseAfterFailure } from './suspend.ts';

/** A run is over; telling it twice changes nothing. */
export function runEnded(host: Host, invocationId: string, endedAtMs: number, status: RunStatus): void {
  const { state } = host;
  if (!state.active.some((run) => run.invocationId === invocationId)) return;
  state.active = state.active.filter((run) => run.invocationId !== invocationId);
  // It says so before its workflow closes: the next fire must not find it running still.
  if (state.running === invocationId) delete state.running;
  if (state.waitingFor === invocationId) {
    delete state.waitingFor;
    // A relative schedule counts anew from here.
    feed(host, { kind: 'rewind' }, Math.min(endedAtMs, host.nowMs));
  }
  if (state.definition.pauseOnFailure === true && isFailure(status)) pauseAfterFailure(host, invocationId);
}

function isFailure(status: RunStatus): boolean {
  return status !== 'succeeded' && status !== 'cancelled';
}

/** Runs that have been silent for long are looked up. */
export async function lookUpSilent(host: Host): Promise<void> {
  const { state, nowMs } = host;
  const silent = state.active.filter((run) => run.lookUpAtMs <= nowMs).slice(0, LOOK_UPS_PER_TURN_MAX);
  for (const { invocationId, sinceMs, stopping } of silent) {
    const found = await local.lookUp(invocationId);
    if (found.running) {
      // Another waits for this one, and nobody tells its end.
      const lookUpAtMs = nextLookUpMs(stopping === true ? nowMs : sinceMs, nowMs);
      state.active = state.active.map((run) =>
        run.invocationId === invocationId ? { ...run, lookUpAtMs } : run,
      );
    } else {
      runEnded(host, invocationId, found.closedAtMs ?? nowMs, statusOf(found.status));
    }
  }
}

function statusOf(status: string): RunStatus {
  if (status === 'COMPLETED') return 'succeeded';
  if (status === 'CANCELLED') return 'cancelled';
  // One that is gone past Temporal's retention ended long ago, how is not known.
  return status === 'TERMINATED' ? 'terminated' : status === 'NOT_FOUND' ? 'unknown' : 'failed';
}
