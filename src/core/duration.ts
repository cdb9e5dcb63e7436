/**
 * Lengths of time as people write them: `"90s"`, `"1h30m"`, `"1.5h"`, `"250ms"`, `"365 days"`, or a number of ms.
 * Used by the spec, by the zod schemas of the edges and by the CLI. Problems are values, not exceptions:
 * each says what is wrong, with which value, and what to write instead. Imports nothing.
 */

/** The outcome of reading a duration: whole milliseconds, or a message for the person who wrote it. */
export type ParsedDuration =
  | { readonly ok: true; readonly ms: number }
  | { readonly ok: false; readonly message: string };

/** 100 years: longer than any schedule runs, and small enough that sums stay exact integers. */
export const DURATION_MS_MAX = 36_525 * 24 * 3_600_000;

/** Longer text is not a duration anybody wrote. */
const DURATION_TEXT_MAX = 100;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  sec: 1_000,
  min: 60_000,
  hr: 3_600_000,
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
};

const ADVICE = 'write for example "90s", "1h30m", "1.5h" or "250ms"';

/**
 * Reads a length of time, never negative, at most `DURATION_MS_MAX`.
 * Numbers are milliseconds and must be whole; text needs units (ms, s, m, h, d, or the words) and may use
 * decimals and compounds, rounded to the millisecond. Only `"0"` may stand without a unit.
 */
export function parseDuration(input: number | string): ParsedDuration {
  if (typeof input === 'number') {
    if (Number.isInteger(input)) return bounded(input, input);
    return failure(`duration ${input} is not a whole number of milliseconds: ${ADVICE}`);
  }
  const text = input.trim().toLowerCase();
  if (text === '') return failure(`duration is empty: ${ADVICE}`);
  if (text.length > DURATION_TEXT_MAX) {
    return failure(`duration "${text.slice(0, 20)}…" has ${text.length} characters: ${ADVICE}`);
  }
  if (text === '0') return { ok: true, ms: 0 };
  if (text.startsWith('-')) return failure(`duration "${input}" is negative: give a length of 0s or more`);
  if (/^[\d.]+$/.test(text)) return failure(`duration "${input}" has no unit: ${ADVICE}`);
  return sumOfParts(input, text);
}

function sumOfParts(input: string, text: string): ParsedDuration {
  const part = /\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]+)/y;
  let sum = 0;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (match === null) return failure(`duration "${input}" cannot be read: ${ADVICE}`);
    const [, amount = '', unit = ''] = match;
    const unitMs = unitLength(unit);
    if (unitMs === undefined) {
      return failure(
        `duration "${input}" has the unknown unit "${unit}": use ms, s, m (minutes), h or d (24 hours)`,
      );
    }
    sum += Number(amount) * unitMs;
  }
  return bounded(Math.round(sum), input);
}

function unitLength(unit: string): number | undefined {
  const singular = unit.length > 2 && unit.endsWith('s') ? unit.slice(0, -1) : unit;
  return Object.hasOwn(UNIT_MS, singular) ? UNIT_MS[singular] : undefined;
}

function bounded(ms: number, shown: number | string): ParsedDuration {
  if (ms < 0) return failure(`duration ${shown} is negative: give a length of 0 or more`);
  if (ms > DURATION_MS_MAX)
    return failure(`duration "${shown}" is longer than 100 years: give a shorter one`);
  return { ok: true, ms };
}

function failure(message: string): ParsedDuration {
  return { ok: false, message };
}

/** Shortest exact text of whole milliseconds, in d, h, m, s, ms: 5_400_000 is `"1h30m"`. `parseDuration` reads it back. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  let rest = Math.round(ms);
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const unitMs = UNIT_MS[unit] ?? 1;
    const amount = Math.floor(rest / unitMs);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * unitMs;
  }
  return text === '' ? '0s' : text;
}
