/** `schedule change --unset`: every setting that may be left out can be taken away again. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { inputOf } from '../../src/cli/schedule-flags.ts';
import { PLACES, UNSETTABLE, unset } from '../../src/cli/schedule-unset.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { parseSchedule, scheduleSchema } from '../../src/contract/schemas.ts';

/** Others stand for these (`spec.timeZone`, `input`); `enabled` is read at creation only. */
const NOT_SETTINGS = ['timeZone', 'target.input', 'enabled'];

/** The places of all settings that may be left out: of an object those within it. */
function optionalPlaces(
  schema: unknown,
  place: readonly string[] = [],
  isOptional = false,
): readonly string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return optionalPlaces(schema.def.innerType, place, true);
  }
  if (schema instanceof z.ZodPipe) return optionalPlaces(schema.def.in, place, isOptional);
  const own = isOptional ? [place.join('.')] : [];
  if (schema instanceof z.ZodUnion) {
    const within = schema.def.options.flatMap((option) => optionalPlaces(option, place));
    return within.length > 0 ? [...own, ...within] : own;
  }
  if (!(schema instanceof z.ZodObject)) return own;
  const shape: Readonly<Record<string, unknown>> = schema.shape;
  return Object.entries(shape).flatMap(([name, field]) => optionalPlaces(field, [...place, name]));
}

const FULL: ScheduleInput = {
  spec: {
    ...{ expressions: ['every 15m'], timeZone: 'Europe/Berlin', phase: '1m', jitter: '1s' },
    ...{ startAt: '2026-01-01T00:00:00Z', endAt: '2090-01-01T00:00:00Z' },
    dst: { gap: 'skip', repeat: 'last' },
    exclude: { expressions: ['* * 25 12 *'], calendars: ['holidays'] },
  },
  ...{ target: 'echo', input: { a: 1 }, pool: 'gpu', size: 3, priority: 2, startDeadline: '1h' },
  dataset: { id: 'photos', mode: 'preferred', warmWait: '1m' },
  retry: { limit: 9, minBackoff: '2s', maxBackoff: '2h', coefficient: 3, ageLimit: '1d' },
  timeouts: { attempt: '2h', heartbeat: '20s', scheduleToStart: '20s' },
  ...{ consistency: 'atMostOnce', memo: { team: 'blue' }, limitedRuns: 5, pauseOnFailure: true },
  searchAttributes: { Team: { type: 'keyword', value: 'blue' } },
  triggering: { kind: 'logarithmic', maxConcurrent: 2, maxBatch: 7, base: 3 },
  catchUp: { mode: 'all', window: '1h', perSecond: 3 },
  ...{ triggers: ['down'], note: 'for people' },
};

function definitionOf(input: ScheduleInput) {
  const parsed = parseSchedule(input, 0);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.definition;
}

describe('a setting', () => {
  test('that may be left out has a name by which it is taken away', () => {
    const places = Object.values(PLACES).map((place) => place.join('.'));
    const wanted = optionalPlaces(scheduleSchema).filter((place) => !NOT_SETTINGS.includes(place));
    expect(wanted.length).toBeGreaterThan(35);
    // Of these what they hold is taken away.
    const whole = ['spec.exclude', 'spec.dst', 'catchUp'];
    expect([...new Set(wanted)].filter((place) => !places.includes(place) && !whole.includes(place))).toEqual(
      [],
    );
  });

  test.each(UNSETTABLE.filter((name) => !['anchor', 'overlap', 'pending-timeout'].includes(name)))(
    '%s goes back to what it is when nobody says anything',
    (name) => {
      const full = inputOf(definitionOf(FULL));
      const less = unset(full, [name]);
      const without = definitionOf(less);
      expect(without).not.toEqual(definitionOf(full));
      // Spelt out it is the same, so it was taken away for good.
      expect(definitionOf(inputOf(without))).toEqual(without);
    },
  );

  test('that is alone of its kind goes too', () => {
    const anchored = { spec: { expressions: 'every 15m', anchor: '2026-01-01T00:00:00Z' }, target: 'echo' };
    const other = { ...anchored, overlap: 'allowAll' } as const;
    expect(definitionOf(unset(inputOf(definitionOf(anchored)), ['anchor'])).spec).not.toHaveProperty(
      'anchorMs',
    );
    expect(definitionOf(unset(inputOf(definitionOf(other)), ['overlap'])).overlap).toBe('skip');
    const newest = { ...anchored, triggering: { kind: 'newestFirst', pendingTimeout: '1h' } } as const;
    expect(definitionOf(unset(inputOf(definitionOf(newest)), ['pending-timeout'])).triggering).toEqual({
      ...{ kind: 'newestFirst', maxConcurrent: 1, pendingTimeoutMs: 604_800_000 },
    });
  });
});
