/** The settings of catch-up and triggering: those of the kind that is chosen are filled in, those of others refused. */
import { describe, expect, test } from 'vitest';
import { inputOf } from '../../src/cli/schedule-flags.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { parseSchedule } from '../../src/contract/schemas.ts';

const DAY_MS = 86_400_000;

function read(policy: object) {
  return parseSchedule({ spec: '* * * * *', target: 'command', ...policy }, 0);
}

describe('a definition', () => {
  test.each([
    ['catchUp', 'none', { mode: 'none' }],
    ['catchUp', undefined, { mode: 'latest', windowMs: DAY_MS }],
    ['catchUp', { mode: 'latest', window: '1h' }, { mode: 'latest', windowMs: 3_600_000 }],
    ['catchUp', 'all', { mode: 'all', windowMs: DAY_MS, perSecond: 10 }],
    ['catchUp', { mode: 'all', perSecond: 3 }, { mode: 'all', windowMs: DAY_MS, perSecond: 3 }],
    ['triggering', 'greedy', { kind: 'greedy', maxConcurrent: 1, maxBatch: 1_000 }],
    ['triggering', 'logarithmic', { kind: 'logarithmic', maxConcurrent: 1, maxBatch: 1_000, base: 2 }],
    ['triggering', 'newestFirst', { kind: 'newestFirst', maxConcurrent: 1, pendingTimeoutMs: 7 * DAY_MS }],
    [
      'triggering',
      { kind: 'newestFirst', maxConcurrent: 2, pendingTimeout: '1h' },
      { kind: 'newestFirst', maxConcurrent: 2, pendingTimeoutMs: 3_600_000 },
    ],
  ])('holds of %s %j what that uses, and reads back the same', (field, given, kept) => {
    const parsed = read({ [field]: given });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
    expect(parsed.definition).toHaveProperty(field, kept);
    expect(parseSchedule(inputOf(parsed.definition), 0)).toEqual(parsed);
  });

  test('that was kept with the settings of other kinds too is read back without them', () => {
    const parsed = read({});
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
    const catchUp = { mode: 'latest', windowMs: DAY_MS, perSecond: 10 } as const;
    const greedy = { kind: 'greedy', maxConcurrent: 1, maxBatch: 1_000 } as const;
    const triggering = { ...greedy, base: 2, pendingTimeoutMs: 7 * DAY_MS };
    const { overlap: _, ...input } = inputOf({ ...parsed.definition, catchUp, triggering });
    expect(input.catchUp).toEqual({ mode: 'latest', window: DAY_MS });
    expect(input.triggering).toEqual(greedy);
  });
});

describe('a setting', () => {
  test.each<[ScheduleInput['triggering'] & object, string, RegExp]>([
    [{ kind: 'greedy', base: 3 }, 'triggering.base', /is for "logarithmic", not for "greedy"/],
    [{ kind: 'newestFirst', base: 3 }, 'triggering.base', /is for "logarithmic", not for "newestFirst"/],
    [{ kind: 'greedy', pendingTimeout: '1h' }, 'triggering.pendingTimeout', /is for "newestFirst"/],
    [{ kind: 'logarithmic', pendingTimeout: '1h' }, 'triggering.pendingTimeout', /is for "newestFirst"/],
    [{ kind: 'newestFirst', maxBatch: 9 }, 'triggering.maxBatch', /is for "greedy" and "logarithmic"/],
  ])('of another triggering policy is refused: %j', (triggering, path, message) => {
    expect(read({ triggering })).toEqual({
      ok: false,
      issues: [{ path, message: expect.stringMatching(message) as string }],
    });
  });

  test.each<[ScheduleInput['catchUp'] & object, string, RegExp]>([
    [{ mode: 'none', window: '1h' }, 'catchUp.window', /is for "latest" and "all", not for "none"/],
    [{ mode: 'none', perSecond: 1 }, 'catchUp.perSecond', /is for "all", not for "none"/],
    [{ mode: 'latest', perSecond: 1 }, 'catchUp.perSecond', /is for "all", not for "latest"/],
    [{ perSecond: 1 }, 'catchUp.perSecond', /is for "all", not for "latest"/],
  ])('of another catch-up is refused: %j', (catchUp, path, message) => {
    expect(read({ catchUp })).toEqual({
      ok: false,
      issues: [{ path, message: expect.stringMatching(message) as string }],
    });
  });

  test('of another kind is told with all the others that are', () => {
    const parsed = read({ triggering: { kind: 'newestFirst', base: 3, maxBatch: 2 } });
    const paths = parsed.ok ? [] : parsed.issues.map(({ path }) => path);
    expect(paths).toEqual(['triggering.maxBatch', 'triggering.base']);
  });
});
