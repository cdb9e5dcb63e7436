/** Waiting for what must come to be: asks again until it holds. Used where there is no event to wait for. */
import { setTimeout } from 'node:timers/promises';

/** Shorter than a test may take, so that what was wrong is said before it is stopped. */
const WAIT_MS_MAX = 45_000;
const AGAIN_MS = 25;

/** The first value that `ask` gives without throwing and that `holds`. @throws what was wrong last */
export async function eventually<T>(
  ask: () => Promise<T>,
  holds: (value: T) => boolean = () => true,
): Promise<T> {
  const giveUpAtMs = Date.now() + WAIT_MS_MAX;
  for (;;) {
    let wrong: unknown;
    try {
      const value = await ask();
      if (holds(value)) return value;
      wrong = new Error(`still ${JSON.stringify(value)}`);
    } catch (error) {
      wrong = error;
    }
    if (Date.now() > giveUpAtMs) throw wrong;
    await setTimeout(AGAIN_MS);
  }
}

/** Something that will happen, and the way to make it happen. */
export interface Happening<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

export function happening<T = void>(): Happening<T> {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
