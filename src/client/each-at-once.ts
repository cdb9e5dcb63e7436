/**
 * One piece of work for each of many items, so many at once and so many a second. Used where a call is made for
 * every schedule: the server must not feel it. Promise: answers come in the order of the items; the first error ends it.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Pace {
  readonly atOnce: number;
  /** Begun per second; default: as many as there is room for. */
  readonly perSecond?: number;
}

export async function eachAtOnce<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  { atOnce, perSecond = Infinity }: Pace,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const answers: R[] = [];
  const queue = numbered(items);
  let nextAtMs = Date.now();
  const begin = async (): Promise<void> => {
    const startAtMs = Math.max(nextAtMs, Date.now());
    nextAtMs = startAtMs + 1_000 / perSecond;
    const waitMs = startAtMs - Date.now();
    if (waitMs > 0) await sleep(waitMs);
  };
  const hand = async (): Promise<void> => {
    for await (const [index, item] of queue) {
      await begin();
      answers[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, hand));
  return answers;
}

/** Shared by all hands: a generator answers those who ask at one time one after the other. */
async function* numbered<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<readonly [number, T]> {
  let index = 0;
  for await (const item of items) {
    yield [index, item];
    index += 1;
  }
}
