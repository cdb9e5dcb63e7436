/**
 * The grid of what counts from a schedule's creation (`@every`, `rate(...)`), kept over a restore, which creates it anew. Used by
 * `escapement restore`. Pure.
 */
import { isoInstant } from '../contract/ids.ts';
import type { ScheduleInput } from '../contract/schedule.ts';
import { formatDuration, parseDuration } from '../core/duration.ts';
import type { SnapshotEntry } from './snapshot-file.ts';

export interface OnItsGrid {
  readonly schedule: ScheduleInput;
  /** False where it counts from its creation and will count from that of the restore. */
  readonly kept: boolean;
}

/**
 * `every` counts from an anchor, and one stands for the whole spec: so the grid is kept unless the spec has an `every`, a phase
 * or an anchor of its own.
 */
export function onItsGrid({ schedule, createdAt }: Pick<SnapshotEntry, 'schedule' | 'createdAt'>): OnItsGrid {
  const { spec } = schedule;
  const fields =
    typeof spec === 'object' && 'expressions' in spec
      ? spec
      : { expressions: spec as string | readonly string[] };
  const expressions = [fields.expressions ?? []].flat();
  const intervals = expressions.map(sinceCreation);
  if (intervals.every((ms) => ms === undefined)) return { schedule, kept: true };
  const hasOwn = fields.anchor !== undefined || fields.phase !== undefined;
  if (hasOwn || expressions.some((text) => /^\s*every\b/i.test(text))) return { schedule, kept: false };
  const anchor = isoInstant(Math.floor(Date.parse(createdAt) / 1_000) * 1_000);
  const anchored = expressions.map((text, i) => {
    const ms = intervals[i];
    return ms === undefined ? text : `every ${formatDuration(ms)}`;
  });
  return { schedule: { ...schedule, spec: { ...fields, anchor, expressions: anchored } }, kept: true };
}

/** Its interval in ms, for an expression that counts from the creation. */
function sinceCreation(text: string): number | undefined {
  const every = /^\s*@every\s+(.+?)\s*$/i.exec(text)?.[1];
  const rate = /^\s*rate\s*\(\s*(\d+)\s*(minute|hour|day)s?\s*\)\s*$/i.exec(text);
  const unit = rate?.[2]?.[0]?.toLowerCase() ?? '';
  const read = every ?? (rate === null ? undefined : `${rate[1]}${unit}`);
  const parsed = read === undefined ? undefined : parseDuration(read);
  if (parsed?.ok !== true) return undefined;
  // `@every` is cut to whole seconds.
  return every === undefined ? parsed.ms : Math.floor(parsed.ms / 1_000) * 1_000;
}
