/**
 * An independent, slow answer to "which instants does this expression name?": walks every minute of a window, reads
 * the wall clock of each with Intl, and applies the DST rules to what it saw. Shares no code with the core.
 */
import fc from 'fast-check';

/** A window around a clock change: three days to each side, judged on the inner two. */
export interface Window {
  readonly timeZone: string;
  readonly aroundMs: number;
}

export const window = (timeZone: string, around: string): Window => ({
  timeZone,
  aroundMs: Date.parse(around),
});

const MINUTE = 60_000;
const DAY = 86_400_000;
export const JUDGED_MS = 2 * DAY;

/** Clock changes of every sort: by an hour, half an hour, two hours, 20 minutes, a whole day; at midnight; without a rule. */
export const WINDOWS: readonly Window[] = [
  window('America/New_York', '2026-03-08T07:00Z'),
  window('America/New_York', '2026-11-01T06:00Z'),
  window('America/Vancouver', '2026-03-08T10:00Z'),
  window('America/Vancouver', '2025-11-02T09:00Z'),
  window('Europe/Berlin', '2026-03-29T01:00Z'),
  window('Europe/Berlin', '2026-10-25T01:00Z'),
  window('Australia/Lord_Howe', '2026-04-04T15:00Z'),
  window('Australia/Lord_Howe', '2026-10-03T15:30Z'),
  window('America/Sao_Paulo', '2018-11-04T03:00Z'),
  window('America/Sao_Paulo', '2018-02-18T02:00Z'),
  window('Africa/Casablanca', '2026-02-15T02:00Z'),
  window('Africa/Casablanca', '2026-03-22T02:00Z'),
  window('Antarctica/Troll', '2026-03-29T01:00Z'),
  window('Antarctica/Troll', '2026-10-25T01:00Z'),
  window('Africa/Cairo', '2010-09-09T21:00Z'),
  window('America/Caracas', '2007-12-09T07:00Z'),
  window('America/St_Johns', '2006-04-02T03:31Z'),
  window('Pacific/Apia', '2011-12-30T10:00Z'),
  window('Asia/Kathmandu', '1985-12-31T18:30Z'),
  window('Asia/Kolkata', '2024-02-29T00:00Z'),
  window('UTC', '2028-02-29T00:00Z'),
];

/** A cron expression with its meaning beside it. */
export interface Case {
  readonly text: string;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number> | undefined;
  readonly daysOfWeek: ReadonlySet<number> | undefined;
  readonly hoursFixed: boolean;
}

interface FieldCase {
  readonly text: string;
  readonly values: ReadonlySet<number>;
  readonly star: boolean;
  readonly any: boolean;
}

function fieldCases(min: number, max: number): fc.Arbitrary<FieldCase> {
  const all = Array.from({ length: max - min + 1 }, (_, i) => min + i);
  const value = fc.integer({ min, max });
  return fc.oneof(
    fc.constant({ text: '*', values: new Set(all), star: true, any: true }),
    fc.integer({ min: 1, max }).map((step) => ({
      text: `*/${step}`,
      values: new Set(all.filter((v) => (v - min) % step === 0)),
      star: true,
      any: step === 1,
    })),
    fc.uniqueArray(value, { minLength: 1, maxLength: 4 }).map((list) => ({
      text: list.join(','),
      values: new Set(list),
      star: false,
      any: false,
    })),
    fc.tuple(value, value, fc.integer({ min: 1, max: 5 })).map(([a, b, step]) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      const values = new Set(all.filter((v) => v >= low && v <= high && (v - low) % step === 0));
      return { text: `${low}-${high}/${step}`, values, star: false, any: false };
    }),
  );
}

/** Five fields at random; the month is left open, as windows are days long. */
export const cases: fc.Arbitrary<Case> = fc
  .tuple(fieldCases(0, 59), fieldCases(0, 23), fieldCases(1, 31), fieldCases(0, 6))
  .map(([minute, hour, day, weekday]) => ({
    text: `${minute.text} ${hour.text} ${day.text} * ${weekday.text}`,
    minutes: minute.values,
    hours: hour.values,
    daysOfMonth: day.any ? undefined : day.values,
    daysOfWeek: weekday.any ? undefined : weekday.values,
    hoursFixed: !hour.star && hour.values.size < 24,
  }));

export type Gap = 'next' | 'skip' | 'shift';
export type Repeat = 'first' | 'last' | 'both';

/**
 * The instants of a case within the judged part of a window, without those that another case excludes: by the wall time
 * that is named, or by the one that the clock shows.
 */
export function bruteForce(
  window: Window,
  spec: Case,
  gap: Gap,
  repeat: Repeat | undefined,
  without?: Case,
): number[] {
  const rule = repeat ?? (spec.hoursFixed ? 'first' : 'both');
  const found = new Set<number>();
  const clock = wallClock(window);
  const excluded = new Set<number>();
  for (const [wallMs, instants] of clock) {
    if (without === undefined || !matches(without, new Date(wallMs))) continue;
    if (instants.kind === 'shown') for (const at of instants.atMs) excluded.add(at);
  }
  for (const [wallMs, instants] of clock) {
    if (!matches(spec, new Date(wallMs))) continue;
    const named = without !== undefined && matches(without, new Date(wallMs));
    if (named) continue;
    for (const at of chosen(instants, gap, rule)) if (!excluded.has(at)) found.add(at);
  }
  return [...found]
    .filter((at) => at > window.aroundMs - JUDGED_MS && at <= window.aroundMs + JUDGED_MS)
    .sort((a, b) => a - b);
}

function chosen(instants: Instants, gap: Gap, repeat: Repeat): readonly number[] {
  if (instants.kind === 'lost') {
    if (gap === 'skip') return [];
    return [gap === 'next' ? instants.afterMs : instants.shiftedMs];
  }
  if (repeat === 'both') return instants.atMs;
  return instants.atMs.slice(...(repeat === 'first' ? [0, 1] : [-1]));
}

function matches(spec: Case, wall: Date): boolean {
  if (!spec.minutes.has(wall.getUTCMinutes()) || !spec.hours.has(wall.getUTCHours())) return false;
  const byDate = spec.daysOfMonth?.has(wall.getUTCDate());
  const byWeekday = spec.daysOfWeek?.has(wall.getUTCDay());
  if (byDate === undefined || byWeekday === undefined) return byDate ?? byWeekday ?? true;
  return byDate || byWeekday;
}

/** When a wall minute is shown; or, where the clock leaves it out, what lies behind the gap. */
type Instants =
  | { readonly kind: 'shown'; readonly atMs: number[] }
  | { readonly kind: 'lost'; readonly afterMs: number; readonly shiftedMs: number };

const clocks = new Map<Window, Map<number, Instants>>();

/** Every wall minute of the window, as if it were UTC, with its instants. */
function wallClock(window: Window): Map<number, Instants> {
  const known = clocks.get(window);
  if (known !== undefined) return known;
  const clock = new Map<number, Instants>();
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: window.timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  let previousMs: number | undefined;
  for (let at = window.aroundMs - 3 * DAY; at <= window.aroundMs + 3 * DAY; at += MINUTE) {
    // Swedish writes `2026-03-08 03:00:00`.
    const wallMs = Date.parse(`${format.format(at).replace(' ', 'T')}Z`);
    for (let lost = (previousMs ?? wallMs) + MINUTE; lost < wallMs; lost += MINUTE) {
      clock.set(lost, { kind: 'lost', afterMs: at, shiftedMs: at + lost - ((previousMs ?? 0) + MINUTE) });
    }
    const shown = clock.get(wallMs);
    if (shown?.kind === 'shown') shown.atMs.push(at);
    else clock.set(wallMs, { kind: 'shown', atMs: [at] });
    previousMs = wallMs;
  }
  clocks.set(window, clock);
  return clock;
}
