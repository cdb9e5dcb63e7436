/**
 * The durable timers of a schedule workflow. Timers are wake-ups and nothing more: whether something is due
 * is read from the state. `arm` makes the set of timers equal to what is wanted, at the cost of one event for each change.
 */
import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';

export interface WakeUps {
  /** Set when a timer has fired; the loop clears it. */
  rang: boolean;
  /** The latest instant that a timer has fired for, and how late it was. */
  rangForMs: number;
  lateMs: number;
  /** Wanted instants, each with the line the Web UI shows beside its timer. */
  arm(wanted: ReadonlyMap<number, string>): void;
  isArmed(whenMs: number): boolean;
}

export function openWakeUps(): WakeUps {
  const armed = new Map<number, CancellationScope>();
  const wakeUps: WakeUps = {
    rang: false,
    rangForMs: 0,
    lateMs: 0,
    arm,
    isArmed: (whenMs) => armed.has(whenMs),
  };
  return wakeUps;

  function arm(wanted: ReadonlyMap<number, string>): void {
    for (const [whenMs, scope] of armed) {
      if (wanted.has(whenMs)) continue;
      armed.delete(whenMs);
      scope.cancel();
    }
    for (const [whenMs, summary] of wanted) {
      if (armed.has(whenMs)) continue;
      const scope = new CancellationScope();
      armed.set(whenMs, scope);
      void scope.run(() => wait(whenMs, summary));
    }
  }

  async function wait(whenMs: number, summary: string): Promise<void> {
    try {
      // Only how long it takes depends on the clock here, not whether there is a timer.
      await sleep(Math.max(1, whenMs - Date.now()), { summary });
      armed.delete(whenMs);
      wakeUps.rang = true;
      if (whenMs < wakeUps.rangForMs) return;
      wakeUps.rangForMs = whenMs;
      wakeUps.lateMs = Date.now() - whenMs;
    } catch (error) {
      if (!isCancellation(error)) throw error;
    }
  }
}
