/**
 * The life of a process that stays: stops in order on SIGTERM or SIGINT, at once on a second one, and waits for what is
 * down when it starts. Used by the server commands.
 * Promise: what was opened is closed in the reverse order, also when starting failed half-way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import { UnavailableError } from '../contract/errors.ts';

export interface Life {
  /** Aborts when the process is asked to stop. */
  readonly stop: AbortSignal;
  /** To be closed at the end; the last opened is closed first. */
  closing(close: () => Promise<unknown>): void;
}

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;

/** Runs `work` until it ends or has heeded `stop`. Answers the exit code. @throws what `work` throws */
export async function live(work: (life: Life) => Promise<void>): Promise<number> {
  const controller = new AbortController();
  const closers: (() => Promise<unknown>)[] = [];
  const onSignal = (signal: NodeJS.Signals): void => {
    // 128 + the signal's number, as shells have it.
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    controller.abort(new Stopped());
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    await work({ stop: controller.signal, closing: (close) => closers.push(close) });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    for (const close of closers.toReversed()) await close();
  }
  return 0;
}

/** Asked to stop while it was starting: no failure. */
class Stopped extends Error {
  override readonly name = 'Stopped';
  constructor() {
    super('asked to stop');
  }
}

/**
 * Opens what the process needs, again and again while it is out of reach: one line when it is down, one when it is
 * back. Errors of another kind will not pass by waiting and are thrown.
 */
export async function whenUp<T>(
  open: () => Promise<T>,
  { stop, log }: { readonly stop: AbortSignal; readonly log: Logger },
): Promise<T> {
  let told: string | undefined;
  for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
    try {
      const opened = await orStopped(open(), stop);
      if (told !== undefined) log.info('it is back: starting goes on');
      return opened;
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      if (told !== error.message) log.warn(`${error.message}; trying until it is back`);
      told = error.message;
    }
    await orStopped(sleep(waitMs), stop);
  }
}

/** The end of `work`, or an end at once where the process is asked to stop: an attempt under way is left to itself. */
function orStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onStop = (): void => reject(stop.reason as Error);
    if (stop.aborted) onStop();
    stop.addEventListener('abort', onStop, { once: true });
    work.then(resolve, reject).finally(() => stop.removeEventListener('abort', onStop));
  });
}

/** Settles when the process is asked to stop. */
export function stopped(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
    stop.addEventListener('abort', () => resolve(), { once: true });
  });
}
