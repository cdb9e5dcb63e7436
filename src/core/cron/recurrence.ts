/**
 * One expression of a spec, in any of its forms, becomes a recurrence: wall times of a zone, a grid of instants, an
 * interval between runs, or nothing at all. Called by spec.ts. Pure; problems are messages for the person who wrote it.
 */
import type { ScheduleSpec } from '../../contract/schedule.ts';
import { formatDuration, parseDuration } from '../duration.ts';
import { parseWall } from './civil.ts';
import { parseCron, parseEventBridgeCron } from './cron.ts';
import { type Source, gridSource } from './source.ts';
import { wallSource } from './wall-source.ts';
import { type WallTimes, cronWallTimes, singleWallTime } from './wall-times.ts';
import { type Zone, findZone } from './zone.ts';

export type Recurrence =
  | {
      readonly kind: 'absolute';
      readonly source: Source;
      /** The zone its wall times are read in; none for fixed rates. */
      readonly zone?: Zone;
      /** True for `every`, which `phase` and `anchor` apply to. */
      readonly aligned: boolean;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'relative'; readonly intervalMs: number }
  | { readonly kind: 'triggered' };

export type RecurrenceResult =
  | { readonly ok: true; readonly recurrence: Recurrence }
  | { readonly ok: false; readonly messages: readonly string[] };

/** Longer text is no expression a person wrote; it bounds all work of reading one. */
export const EXPRESSION_LENGTH_MAX = 1_000;

/** A faster fixed rate could never be kept: each fire costs several milliseconds. */
export const EVERY_MS_MIN = 100;

/** Reads one expression. `zone` is the spec's own; a `TZ=` prefix wins over it. */
export function parseExpression(expression: string, spec: ScheduleSpec, zone: Zone): RecurrenceResult {
  if (expression.length > EXPRESSION_LENGTH_MAX) {
    return refuse(
      `expression has ${expression.length} characters, at most ${EXPRESSION_LENGTH_MAX} are read: split it into several expressions`,
    );
  }
  const text = expression.trim().replaceAll(/\s+/g, ' ');
  if (text === '') {
    return refuse('expression is empty: write for example "0 9 * * mon-fri", "every 15m" or "triggered"');
  }
  const prefix = /^(?:cron_)?tz=(\S*) ?(.*)$/i.exec(text);
  if (prefix === null) return parseBody(text, spec, zone);
  const [, name = '', body = ''] = prefix;
  const ownZone = findZone(name);
  if (ownZone === undefined) return refuse(zoneProblem(name));
  if (body === '') return refuse(`"${text}" names a zone but no time: add a cron expression after it`);
  return parseBody(body, spec, ownZone);
}

/** What to say of a name that is no time zone. */
export function zoneProblem(timeZone: string): string {
  return `"${timeZone}" is no time zone: use an IANA name such as "Europe/Berlin", "America/New_York" or "UTC"`;
}

function parseBody(written: string, spec: ScheduleSpec, zone: Zone): RecurrenceResult {
  const text = written.toLowerCase();
  if (text === 'triggered') return { ok: true, recurrence: { kind: 'triggered' } };
  if (text === 'continuously') return { ok: true, recurrence: { kind: 'relative', intervalMs: 0 } };
  const relative = /^with (.*?) ?interval$/.exec(text)?.[1];
  if (relative !== undefined) return parseRelative(relative);
  const every = /^every (.*)$/.exec(text)?.[1];
  if (every !== undefined) return parseEvery(every, spec);
  const sinceCreation = /^@every (.*)$/.exec(text)?.[1];
  if (sinceCreation !== undefined) return parseEverySinceCreation(sinceCreation, spec);
  const call = /^(cron|rate|at) ?\( ?(.*?) ?\)$/.exec(text);
  if (call !== null) {
    const [, name, inside = ''] = call;
    if (name === 'rate') return parseRate(inside, spec);
    if (name === 'at') return parseAt(inside, written, spec, zone);
    return parseCronForm(written, parseEventBridgeCron(inside), spec, zone);
  }
  return parseCronForm(written, parseCron(text), spec, zone);
}

function parseCronForm(
  written: string,
  result: ReturnType<typeof parseCron>,
  spec: ScheduleSpec,
  zone: Zone,
): RecurrenceResult {
  if (!result.ok) return result;
  const times = cronWallTimes(result.fields);
  if (times.next(0) === undefined) {
    return refuse(
      `"${written}" names no date that ever comes (1970 to 2099): correct its day, month or year`,
    );
  }
  const { hour } = result.fields;
  const fixedHours = !hour.star && hour.values.length < 24;
  return {
    ok: true,
    recurrence: wallRecurrence({ written, times, fixedHours, notes: result.notes }, spec, zone),
  };
}

function wallRecurrence(
  wall: { written: string; times: WallTimes; fixedHours: boolean; notes: readonly string[] },
  spec: ScheduleSpec,
  zone: Zone,
): Recurrence {
  const rules = {
    gap: spec.dstGap ?? 'next',
    repeat: spec.dstRepeat ?? (wall.fixedHours ? 'first' : 'both'),
  } as const;
  const source = wallSource({ expression: wall.written, times: wall.times, zone, rules });
  return { kind: 'absolute', source, zone, aligned: false, notes: wall.notes };
}

function parseAt(inside: string, written: string, spec: ScheduleSpec, zone: Zone): RecurrenceResult {
  const wallS = /^\d{4}-\d\d-\d\dt\d\d:\d\d:\d\d$/.test(inside) ? parseWall(inside) : undefined;
  if (wallS === undefined) {
    return refuse(
      `at(${inside.toUpperCase()}) is no date and time of 1970 to 2099: write at(yyyy-mm-ddThh:mm:ss), for example at(2030-01-31T09:00:00), with the zone beside it`,
    );
  }
  const wall = { written, times: singleWallTime(wallS), fixedHours: true, notes: [] };
  return { ok: true, recurrence: wallRecurrence(wall, spec, zone) };
}

function parseRelative(text: string): RecurrenceResult {
  const interval = parseDuration(text);
  if (!interval.ok) return refuse(`${interval.message}, as in "with 3s interval"`);
  return { ok: true, recurrence: { kind: 'relative', intervalMs: interval.ms } };
}

function parseEvery(text: string, spec: ScheduleSpec): RecurrenceResult {
  const interval = parseDuration(text);
  if (!interval.ok) return refuse(`${interval.message}, as in "every 15m"`);
  if (interval.ms < EVERY_MS_MIN) {
    return refuse(
      `every ${formatDuration(interval.ms)} is too fast, the shortest interval is ${EVERY_MS_MIN}ms: give a longer one, or "continuously" to run again at once`,
    );
  }
  const { anchorMs } = spec;
  const originMs = anchorMs ?? spec.phaseMs ?? 0;
  return grid({ intervalMs: interval.ms, originMs, firstMs: anchorMs ?? 0 }, true, []);
}

function parseEverySinceCreation(text: string, spec: ScheduleSpec): RecurrenceResult {
  const interval = parseDuration(text);
  if (!interval.ok) return refuse(`${interval.message}, as in "@every 5m"`);
  const intervalMs = Math.floor(interval.ms / 1_000) * 1_000;
  if (intervalMs < 1_000) {
    return refuse(
      `@every ${formatDuration(interval.ms)} is cut to whole seconds, which leaves nothing: give 1s or more, or write "every ${text}"`,
    );
  }
  const cut = intervalMs !== interval.ms;
  const note = `@every ${formatDuration(interval.ms)} is cut to whole seconds: ${formatDuration(intervalMs)}; "every ${text}" is not`;
  return sinceCreation(intervalMs, spec, cut ? [note] : []);
}

const RATE_UNITS_MS: Readonly<Record<string, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};

function parseRate(inside: string, spec: ScheduleSpec): RecurrenceResult {
  const match = /^(\d{1,9}) (minute|hour|day)s?$/.exec(inside);
  const amount = Number(match?.[1] ?? 0);
  if (match === null || amount === 0) {
    return refuse(
      `rate(${inside}) cannot be read: write rate(<n> minutes), rate(<n> hours) or rate(<n> days) with n of 1 or more`,
    );
  }
  const interval = parseDuration(amount * (RATE_UNITS_MS[match[2] ?? ''] ?? 0));
  return interval.ok ? sinceCreation(interval.ms, spec, []) : refuse(`rate(${inside}): ${interval.message}`);
}

/** Counted from the schedule's creation, cut to whole seconds; the first time is one interval later. */
function sinceCreation(intervalMs: number, spec: ScheduleSpec, notes: readonly string[]): RecurrenceResult {
  const originMs = Math.floor(spec.createdAtMs / 1_000) * 1_000;
  return grid({ intervalMs, originMs, firstMs: originMs + intervalMs }, false, notes);
}

function grid(
  of: Parameters<typeof gridSource>[0],
  aligned: boolean,
  notes: readonly string[],
): RecurrenceResult {
  return { ok: true, recurrence: { kind: 'absolute', source: gridSource(of), aligned, notes } };
}

function refuse(message: string): RecurrenceResult {
  return { ok: false, messages: [message] };
}
