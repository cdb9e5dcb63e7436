/**
 * A time zone as a list of spans of constant offset, read once per zone from the host's zone data (Intl).
 * Called by wall-source.ts and by the CLI; loaded by activities and clients only, NEVER by workflows: the data
 * differs between hosts, so a replay elsewhere would diverge. Reads no clock (every call of Intl is given its instant).
 */
import { DAY_MS, YEAR_MAX, dayNumber, parseWall, wallText } from './civil.ts';

/** A span of one offset: instants [fromMs, toMs), wall time = instant + offset. The first begins at -Infinity, the last never ends. */
export interface ZoneSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly offsetMs: number;
}

/** The spans of a zone from 1970 to 2100, in order. */
export interface Zone {
  /** The host's canonical name: `us/eastern` is `America/New_York`. */
  readonly name: string;
  /** Read when first asked for, which takes about 10 ms: a refusal that needs no offsets is not to pay for them. */
  readonly spans: readonly ZoneSpan[];
}

/** Version of the zone data in use, such as `2025c`. Plans made under another version are made again. */
export const tzDataVersion: string = process.versions.tz ?? 'unknown';

/** First instant with no zone data and no nominal time: 2100-01-01T00:00:00Z. */
export const HORIZON_MS = dayNumber(YEAR_MAX + 1, 1, 1) * DAY_MS;

/**
 * Two changes that undo each other within one step would be missed. The closest pair in the zone data from
 * 1970 to 2100 (checked over all 418 zones, day by day) is 7 days apart: America/Noronha in 2000.
 */
const PROBE_STEP_MS = 6 * DAY_MS;

/** About 600 names exist, aliases included; past this many spellings the cache starts afresh. */
const ZONES_CACHED_MAX = 1_000;

// A memo of pure results: reading a zone takes about 10 ms, using it well under a microsecond.
const zones = new Map<string, Zone>();

/** The zone of that name (any case), or undefined where the host's data has none. Offsets such as `+02:00` are no zones. */
export function findZone(timeZone: string): Zone | undefined {
  const known = zones.get(timeZone);
  if (known !== undefined) return known;
  // Newer engines take offsets as zones: refused everywhere, so that every host gives the same answer.
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/.test(timeZone)) return undefined;
  const format = zoneFormat(timeZone);
  if (format === undefined) return undefined;
  let spans: readonly ZoneSpan[] | undefined;
  const zone: Zone = {
    name: format.resolvedOptions().timeZone,
    get spans() {
      spans ??=
        zone.name === 'UTC' ? [{ fromMs: -Infinity, toMs: Infinity, offsetMs: 0 }] : readSpans(format);
      return spans;
    },
  };
  if (zones.size >= ZONES_CACHED_MAX) zones.clear();
  zones.set(timeZone, zone);
  return zone;
}

function zoneFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  } catch {
    return undefined;
  }
}

/** Index of the span that holds an instant. */
export function spanIndexAt(zone: Zone, atMs: number): number {
  let low = 0;
  let high = zone.spans.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((zone.spans[middle]?.fromMs ?? Infinity) <= atMs) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Wall time minus UTC at an instant, ms. */
export function offsetAt(zone: Zone, atMs: number): number {
  return zone.spans[spanIndexAt(zone, atMs)]?.offsetMs ?? 0;
}

/** `2026-03-08T03:00:00-04:00`: an instant on the zone's clock; milliseconds only where they are not zero. */
export function localText(zone: Zone, atMs: number): string {
  const offsetMs = offsetAt(zone, atMs);
  const wallMs = atMs + offsetMs;
  const millis = ((wallMs % 1_000) + 1_000) % 1_000;
  const fraction = millis === 0 ? '' : `.${String(millis).padStart(3, '0')}`;
  return `${wallText(Math.floor(wallMs / 1_000))}${fraction}${offsetText(offsetMs)}`;
}

/**
 * Reads an ISO 8601 instant: `2026-03-08T07:00:00Z`, `...+02:00`, with a fraction if wanted. Without an offset (or a
 * date alone) it is the wall time of `zone`: the first of two, or the first instant after a gap. Undefined where it
 * cannot be read, the date does not exist, or the year is outside 1970-2099.
 */
export function parseInstant(text: string, zone: Zone): number | undefined {
  const match = /^([\d-]+(?:[Tt ][\d:]+)?)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):?(\d\d))?$/.exec(
    text.trim(),
  );
  if (match === null) return undefined;
  const [, wall = '', fraction = '', utc, sign, hours = '', minutes = ''] = match;
  const wallS = parseWall(wall);
  if (wallS === undefined || Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const hasTime = wall.includes(':');
  if (!hasTime && (fraction !== '' || utc !== undefined || sign !== undefined)) return undefined;
  const wallMs = wallS * 1_000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  if (utc !== undefined) return wallMs;
  if (sign === undefined) return firstInstantOfWall(zone, wallMs);
  return wallMs - (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

function firstInstantOfWall(zone: Zone, wallMs: number): number {
  // Offsets lie between -12 h and +14 h: the first span that reaches this wall time is the answer.
  let index = spanIndexAt(zone, wallMs - DAY_MS);
  for (; index < zone.spans.length - 1; index += 1) {
    const span = zone.spans[index];
    if (span !== undefined && wallMs < span.toMs + span.offsetMs) break;
  }
  const span = zone.spans[index] ?? { fromMs: -Infinity, offsetMs: 0 };
  return Math.max(span.fromMs, wallMs - span.offsetMs);
}

function offsetText(offsetMs: number): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const s = Math.abs(offsetMs) / 1_000;
  const seconds = s % 60 === 0 ? '' : `:${two(s % 60)}`;
  return `${offsetMs < 0 ? '-' : '+'}${two(Math.floor(s / 3_600))}:${two(Math.floor(s / 60) % 60)}${seconds}`;
}

function readSpans(format: Intl.DateTimeFormat): ZoneSpan[] {
  const spans: ZoneSpan[] = [];
  let fromMs = -Infinity;
  let offsetMs = readOffset(format, 0);
  for (let atMs = 0; atMs < HORIZON_MS; ) {
    const probeMs = Math.min(atMs + PROBE_STEP_MS, HORIZON_MS);
    if (readOffset(format, probeMs) === offsetMs) {
      atMs = probeMs;
      continue;
    }
    const changeMs = firstChange(format, atMs, probeMs, offsetMs);
    spans.push({ fromMs, toMs: changeMs, offsetMs });
    fromMs = changeMs;
    offsetMs = readOffset(format, changeMs);
    atMs = changeMs;
  }
  spans.push({ fromMs, toMs: Infinity, offsetMs });
  return spans;
}

/** First second in (lowMs, highMs] whose offset is not `offsetMs`; changes happen on whole seconds. */
function firstChange(format: Intl.DateTimeFormat, lowMs: number, highMs: number, offsetMs: number): number {
  let low = lowMs / 1_000;
  let high = highMs / 1_000;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (readOffset(format, middle * 1_000) === offsetMs) low = middle;
    else high = middle;
  }
  return high * 1_000;
}

function readOffset(format: Intl.DateTimeFormat, atMs: number): number {
  const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(atMs));
  if (match === null) return 0;
  const [, sign, hours = 0, minutes = 0, seconds = 0] = match;
  const length = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000;
  return sign === '-' ? -length : length;
}
