/** Which stretch a run answers for, and that successful runs leave no gap whatever became of the others. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SchedulePast } from '../../src/contract/invocation.ts';
import { movesWindowTo, windowOf } from '../../src/core/window.ts';

const fire = (nominalAtMs: number) => ({
  why: 'automatic' as const,
  scheduleId: 's',
  requestedAtMs: nominalAtMs + 5,
  nominalAtMs,
  windowFromMs: 10,
});
const byHand = { why: 'manual' as const, scheduleId: 's', requestedAtMs: 250, windowFromMs: 10 };

describe('the window of a run', () => {
  test('begins at the creation until a run has succeeded, and then where that one ended', () => {
    expect(windowOf(fire(100))).toEqual({ fromMs: 10, toMs: 100 });
    expect(windowOf(fire(300), { windowToMs: 100 })).toEqual({ fromMs: 100, toMs: 300 });
  });

  test('of one by hand ends when it was asked for, and moves nothing', () => {
    expect(windowOf(byHand, { windowToMs: 100 })).toEqual({ fromMs: 100, toMs: 250 });
    expect(movesWindowTo(byHand)).toBeUndefined();
  });

  test('of one upstream ends when it was asked for, and moves the next', () => {
    const upstream = { ...byHand, why: 'upstream' as const };
    expect(windowOf(upstream)).toEqual({ fromMs: 10, toMs: 250 });
    expect(movesWindowTo(upstream)).toBe(250);
  });

  test('of a backfill is the one it was given, and moves nothing', () => {
    const backfill = { ...fire(100), why: 'backfill' as const, window: { fromMs: 90, toMs: 100 } };
    expect(windowOf(backfill, { windowToMs: 500 })).toEqual({ fromMs: 90, toMs: 100 });
    expect(movesWindowTo(backfill)).toBeUndefined();
  });

  test('is empty for a nominal time that a later one has covered', () => {
    expect(windowOf(fire(100), { windowToMs: 500 })).toEqual({ fromMs: 100, toMs: 100 });
  });

  test('a job has none, nor has a run of which nobody knows where the first begins', () => {
    const { scheduleId: _none, ...job } = { ...fire(100), why: 'automatic' as const };
    expect(windowOf(job)).toBeUndefined();
    const { windowFromMs: _unknown, ...old } = fire(100);
    expect(windowOf(old)).toBeUndefined();
  });

  test('whatever fails, is skipped or is caught up on later: the windows of successes join without gap or overlap', () => {
    const runs = fc.array(fc.record({ atMs: fc.integer({ min: 11, max: 10_000 }), succeeds: fc.boolean() }), {
      minLength: 1,
      maxLength: 50,
    });
    fc.assert(
      fc.property(runs, (ended) => {
        let past: SchedulePast = {};
        let coveredToMs = 10;
        for (const { atMs, succeeds } of ended) {
          const run = fire(atMs);
          const window = windowOf(run, past) ?? { fromMs: Number.NaN, toMs: Number.NaN };
          expect(window.toMs).toBe(atMs);
          // What is not empty begins exactly where the successes before it ended.
          if (window.fromMs < window.toMs) expect(window.fromMs).toBe(coveredToMs);
          if (!succeeds) continue;
          coveredToMs = Math.max(coveredToMs, window.toMs);
          past = { windowToMs: Math.max(past.windowToMs ?? 0, movesWindowTo(run) ?? 0) };
        }
      }),
    );
  });
});
