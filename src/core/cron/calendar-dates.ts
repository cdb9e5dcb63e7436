/**
 * The dates of a named calendar: single ones, stretches of them, and days that come every year.
 * Called by exclusion.ts. Pure; problems are values that name the entry.
 */
import { DAY_S, civilDate, monthLength, parseWall } from './civil.ts';

/** Days since 1970-01-01. */
export interface DaySet {
  has(day: number): boolean;
}

export type DatesResult =
  | { readonly ok: true; readonly days: DaySet }
  | { readonly ok: false; readonly issues: readonly { readonly path: string; readonly message: string }[] };

/** Reads `2026-12-25`, `2026-12-24/2027-01-06` (both ends within) and `--12-25` (every year). */
export function readDates(dates: readonly string[]): DatesResult {
  const yearly = new Set<number>();
  const stretches: (readonly [from: number, to: number])[] = [];
  const issues: { path: string; message: string }[] = [];
  dates.forEach((text, index) => {
    const read = readDate(text);
    if (typeof read === 'string') issues.push({ path: `dates[${index}]`, message: read });
    else if (read.length === 1) yearly.add(read[0]);
    else stretches.push(read);
  });
  if (issues.length > 0) return { ok: false, issues };
  return { ok: true, days: daySet(yearly, merged(stretches)) };
}

/** A day of every year as month * 100 + day, a stretch of days, or what is wrong. */
function readDate(text: string): readonly [number] | readonly [number, number] | string {
  const yearly = /^--(\d\d)-(\d\d)$/.exec(text);
  if (yearly !== null) {
    const [month, day] = [Number(yearly[1]), Number(yearly[2])];
    const exists = month >= 1 && month <= 12 && day >= 1 && day <= monthLength(2000, month);
    return exists ? [month * 100 + day] : `"${text}" is a day that no year has: correct its month or day`;
  }
  const parts = text.split('/');
  const [from, to = from] = parts.map((part) => (/^\d{4}-\d\d-\d\d$/.test(part) ? dayOf(part) : undefined));
  if (parts.length > 2 || from === undefined || to === undefined) {
    return `"${text}" is no date of 1970 to 2099: write "2026-12-25", "2026-12-24/2027-01-06" or, for every year, "--12-25"`;
  }
  if (to < from) return `"${text}" ends before it begins: exchange its dates`;
  return [from, to];
}

function dayOf(text: string): number | undefined {
  const wallS = parseWall(text);
  return wallS === undefined ? undefined : wallS / DAY_S;
}

/** Sorted, without overlaps. */
function merged(stretches: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const result: (readonly [number, number])[] = [];
  for (const [from, to] of stretches.toSorted((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last === undefined || from > last[1] + 1) result.push([from, to]);
    else result[result.length - 1] = [last[0], Math.max(last[1], to)];
  }
  return result;
}

function daySet(
  yearly: ReadonlySet<number>,
  stretches: readonly (readonly [from: number, to: number])[],
): DaySet {
  function inStretch(day: number): boolean {
    let low = 0;
    let high = stretches.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const [from, to] = stretches[middle] ?? [Infinity, -Infinity];
      if (day < from) high = middle - 1;
      else if (day > to) low = middle + 1;
      else return true;
    }
    return false;
  }
  return {
    has(day) {
      if (yearly.size > 0) {
        const date = civilDate(day);
        if (yearly.has(date.month * 100 + date.day)) return true;
      }
      return inStretch(day);
    },
  };
}
