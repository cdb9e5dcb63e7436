/** What a gateway on a port does again and again beside answering. Used by its periodic tasks. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';

export interface AgainOptions {
  /** Answers how long to wait before it is called again. */
  readonly act: () => Promise<number>;
  /** The wait after a failure, in ms. */
  readonly afterFailureMs: number;
  /** What is logged with the first of several failures. */
  readonly failure: string;
  readonly logger?: Logger | undefined;
}

/** Begins at once. `stop` lets what is under way end by itself. */
export function again({ act, afterFailureMs, failure, logger }: AgainOptions): { stop(): void } {
  const stopping = new AbortController();
  let failing = false;
  const once = async (): Promise<number> => {
    try {
      const pauseMs = await act();
      failing = false;
      return pauseMs;
    } catch (error) {
      if (!failing && !stopping.signal.aborted) logger?.warn(failure, { error });
      failing = true;
      return afterFailureMs;
    }
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const pauseMs = await once();
      await sleep(pauseMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  };
  void run();
  return { stop: () => stopping.abort() };
}
