/** `plan` and the looking-ahead of `advance`: due times with jitter, exceptions, and calendars that change. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type Planner, createPlanner } from '../../activities/plan.ts';
import type { PlanRequest } from '../../src/contract/activities.ts';
import type { Calendar } from '../../src/contract/calendars.ts';
import { UnavailableError } from '../../src/contract/errors.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { parseSchedule } from '../../src/contract/schemas.ts';

const NOW_MS = Date.parse('2026-01-01T00:30:00Z');
const HOUR = 3_600_000;

/** A database that can be away. */
let calendars: Map<string, Calendar>;
let uses: Map<string, readonly string[]>;
let away: boolean;
let reads: number;
let planner: Planner;

beforeEach(() => {
  [calendars, uses, away, reads] = [new Map(), new Map(), false, 0];
  const answer = <T>(value: T) =>
    away ? Promise.reject(new UnavailableError('the database', 'wait')) : Promise.resolve(value);
  planner = createPlanner({
    searchAttributes: true,
    store: {
      getCalendars(ids) {
        reads += 1;
        return answer(ids.flatMap((id) => calendars.get(id) ?? []));
      },
      setCalendarUses: (scheduleId, ids) => answer(void uses.set(scheduleId, ids)),
    },
  });
});

const put = (id: string, revision: number, dates: readonly string[]) =>
  calendars.set(id, { id, revision, dates, changedAtMs: 0 });

const input = (spec: ScheduleInput['spec']): ScheduleInput => ({ spec, target: 'resize' });

function definition(spec: ScheduleInput['spec']) {
  const parsed = parseSchedule(input(spec), 0);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.definition;
}

async function planned(request: Partial<PlanRequest>) {
  const result = await planner.plan({
    scheduleId: 'nightly',
    createdAtMs: 0,
    nowMs: NOW_MS,
    count: 3,
    ...request,
  });
  if (result.kind === 'refused') throw new Error(result.message);
  return result;
}

const iso = (timesMs: readonly number[]) => timesMs.map((ms) => new Date(ms).toISOString().slice(5, 16));

describe('a plan', () => {
  test('lists what comes next, and sums up what was due, those left out that are to run otherwise', async () => {
    const except = [NOW_MS - 30 * 60_000, NOW_MS + 5, 17];
    const result = await planned({ input: input('@hourly'), dueAfterMs: NOW_MS - 5 * HOUR, except });
    expect(iso(result.timesMs)).toEqual(['01-01T01:00', '01-01T02:00', '01-01T03:00']);
    expect(result.due).toEqual({
      count: 4,
      firstMs: Date.parse('2025-12-31T20:00:00Z'),
      lastMs: Date.parse('2025-12-31T23:00:00Z'),
      beforeLastMs: Date.parse('2025-12-31T22:00:00Z'),
    });
    expect(result).not.toHaveProperty('nominalMs');
    expect(result).not.toHaveProperty('calendars');
  });

  test('sums up nothing where all of it is to run otherwise', async () => {
    const result = await planned({
      input: input('@hourly'),
      dueAfterMs: NOW_MS - HOUR,
      except: [NOW_MS - 30 * 60_000],
    });
    expect(result.due).toBeUndefined();
  });

  test('with a jitter is on the axis of due times, with the nominal ones beside them', async () => {
    const spec = { expressions: '@hourly', jitter: '50m' };
    const result = await planned({ input: input(spec), dueAfterMs: NOW_MS - 5 * HOUR });
    const { timesMs, nominalMs = [], due } = result;
    timesMs.forEach((dueMs, i) => {
      expect(dueMs - (nominalMs[i] ?? 0)).toBeGreaterThanOrEqual(0);
      expect(dueMs - (nominalMs[i] ?? 0)).toBeLessThan(50 * 60_000);
    });
    expect(new Set(nominalMs.map((ms) => ms % HOUR))).toEqual(new Set([0]));
    // A window that moves by whole hours holds one due time for each.
    expect(due?.count).toBe(5);
    expect(due?.nominal?.lastMs).toBe((nominalMs[0] ?? 0) - HOUR);
    expect(due?.nominal?.beforeLastMs).toBe((nominalMs[0] ?? 0) - 2 * HOUR);
    const stretch = {
      scheduleId: 'nightly',
      spec: definition(spec).spec,
      afterMs: due ? due.firstMs - 1 : 0,
      untilMs: NOW_MS,
    };
    const [newest] = await planner.newest(stretch, 1);
    expect(newest).toMatchObject({ dueMs: due?.lastMs, nominalMs: due?.nominal?.lastMs });
    expect(newest?.previousMs).toBe((newest?.nominalMs ?? 0) - HOUR);
    expect(await planner.oldest(stretch, 9)).toHaveLength(5);
    const asked = { scheduleId: 'nightly', definition: definition(spec), nominalMs: nominalMs[0] ?? 0 };
    expect(await planner.dueTimeOf(asked)).toBe(timesMs[0]);
    expect(await planner.dueTimeOf({ ...asked, nominalMs: NOW_MS })).toBeUndefined();
    expect(await planner.next(stretch, NOW_MS, 3)).toMatchObject({ timesMs, nominalMs });
  });
});

describe('a calendar', () => {
  const SPEC = { expressions: '@daily', exclude: { calendars: ['holidays'] } };

  test('leaves out its dates; the plan tells its revision, and the schedule is noted as its user', async () => {
    put('holidays', 4, ['2026-01-02', '2026-01-04']);
    const result = await planned({ input: input(SPEC) });
    expect(iso(result.timesMs)).toEqual(['01-03T00:00', '01-05T00:00', '01-06T00:00']);
    expect(result.calendars).toEqual({ holidays: 4 });
    expect(uses.get('nightly')).toEqual(['holidays']);
    await planned({ input: input('@daily') });
    expect(uses.get('nightly')).toEqual([]);
  });

  test('that is missing is refused with the field named, and empty for who was accepted with it', async () => {
    const request = { scheduleId: 'nightly', createdAtMs: 0, nowMs: NOW_MS, count: 1 };
    expect(await planner.plan({ ...request, input: input(SPEC) })).toEqual({
      kind: 'refused',
      message: expect.stringContaining(
        'spec.exclude.calendars[0]: there is no calendar "holidays"',
      ) as string,
    });
    const result = await planned({ definition: definition(SPEC) });
    expect(iso(result.timesMs)).toEqual(['01-02T00:00', '01-03T00:00', '01-04T00:00']);
    expect(result.notes).toEqual([expect.stringContaining('"holidays"')]);
  });

  test('that has changed is read anew by every plan, and by those who know of its revision', async () => {
    const subject = { scheduleId: 'nightly', spec: definition(SPEC).spec };
    put('holidays', 1, ['2026-01-02']);
    await planned({ input: input(SPEC) });
    put('holidays', 2, ['2026-01-03']);
    const before = await planner.next(subject, NOW_MS, 1);
    expect(iso(before.timesMs)).toEqual(['01-03T00:00']);
    const knowing = await planner.next({ ...subject, calendars: { holidays: 2 } }, NOW_MS, 1);
    expect(iso(knowing.timesMs)).toEqual(['01-02T00:00']);
    put('holidays', 3, ['2026-01-02']);
    expect(iso((await planned({ definition: definition(SPEC) })).timesMs)[0]).toBe('01-03T00:00');
  });

  test('is read once in a while, and known while the database is away', async () => {
    const subject = { scheduleId: 'nightly', spec: definition(SPEC).spec };
    put('holidays', 1, ['2026-01-02']);
    await planned({ input: input(SPEC) });
    const before = reads;
    for (let n = 0; n < 5; n += 1) await planner.next(subject, NOW_MS, 1);
    expect(reads).toBe(before);
    away = true;
    expect(iso((await planned({ definition: definition(SPEC) })).timesMs)[0]).toBe('01-03T00:00');
    const other = { ...subject, spec: definition({ ...SPEC, exclude: { calendars: ['other'] } }).spec };
    await expect(planner.next(other, NOW_MS, 1)).rejects.toThrow(UnavailableError);
  });

  test('is none of the database’s business where none is named', async () => {
    away = true;
    expect((await planned({ input: input('@daily') })).timesMs).toHaveLength(3);
    expect(reads).toBe(0);
  });
});
