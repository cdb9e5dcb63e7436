/** Numbers from a seed, so that a run that went wrong can be played again. */
export interface Random {
  readonly seed: number;
  /** From the first to the last, both included. */
  whole(least: number, most: number): number;
  pick<T>(of: readonly [T, ...T[]]): T;
}

/** Mulberry32. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  return { seed, whole, pick: (of) => of[whole(0, of.length - 1)] ?? of[0] };
}
