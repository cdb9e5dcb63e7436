/** What the activities of a schedule read the time from, and wait by; tests on a server whose time skips give their own. */
import { setTimeout } from 'node:timers/promises';

export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** May end a fraction of a millisecond early, as timers do. */
  sleep(ms: number): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms) => {
    await setTimeout(ms);
  },
};
