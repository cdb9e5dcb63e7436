/** A trigger that comes while a run is going: the seven overlap rules, one by one, then what holds for any queue. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Overlap } from '../../../src/contract/schedule.ts';
import { PENDING_CHARS_MAX, PENDING_MAX } from '../../../src/core/limits.ts';
import { admit, needsQueue } from '../../../src/core/policy/overlap.ts';

const RULES = {
  skip: false,
  bufferOne: true,
  bufferNewest: true,
  bufferAll: true,
  cancelOther: false,
  terminateOther: false,
  allowAll: false,
} satisfies Record<Overlap, boolean>;
const rules = Object.keys(RULES) as Overlap[];

/** A trigger by its number. */
interface Numbered {
  readonly n: number;
  readonly input?: unknown;
}

/** In short: triggers are numbers here. */
function admitNumber(overlap: Overlap, pending: readonly number[], trigger: number) {
  const admission = admit<Numbered>(
    overlap,
    pending.map((n) => ({ n })),
    { n: trigger },
  );
  return {
    pending: admission.pending.map(({ n }) => n),
    settled: admission.settled.map((one) => ({ ...one, trigger: one.trigger.n })),
  };
}

/** Takes triggers one after the other, all while the same run goes. */
function admitAll(overlap: Overlap, triggers: readonly Numbered[]) {
  let pending: readonly Numbered[] = [];
  const settled = [];
  for (const trigger of triggers) {
    const admission = admit(overlap, pending, trigger);
    pending = admission.pending;
    settled.push(...admission.settled.map((one) => ({ ...one, trigger: one.trigger.n })));
  }
  return { pending: pending.map(({ n }) => n), settled };
}

test.each(Object.entries(RULES))('%s: its triggers wait for the end of the run: %s', (overlap, waits) => {
  expect(needsQueue(overlap as Overlap)).toBe(waits);
});

describe('three triggers come while one run goes', () => {
  const going = 'a run was still going';
  const waiting = 'a run was still going and another trigger waited for its end';
  const newer = 'a newer trigger came while it waited for the run to end';
  const skipped = (trigger: number, reason: string) => ({ trigger, outcome: 'skipped-overlap', reason });
  const superseded = (trigger: number) => ({ trigger, outcome: 'superseded', reason: newer });

  test.each<{ overlap: Overlap; pending: number[]; settled: object[] }>([
    { overlap: 'skip', pending: [], settled: [skipped(1, going), skipped(2, going), skipped(3, going)] },
    { overlap: 'bufferOne', pending: [1], settled: [skipped(2, waiting), skipped(3, waiting)] },
    { overlap: 'bufferNewest', pending: [3], settled: [superseded(1), superseded(2)] },
    { overlap: 'bufferAll', pending: [1, 2, 3], settled: [] },
    { overlap: 'cancelOther', pending: [3], settled: [superseded(1), superseded(2)] },
    { overlap: 'terminateOther', pending: [3], settled: [superseded(1), superseded(2)] },
    { overlap: 'allowAll', pending: [1, 2, 3], settled: [] },
  ])('$overlap', ({ overlap, pending, settled }) => {
    expect(admitAll(overlap, [{ n: 1 }, { n: 2 }, { n: 3 }])).toEqual({ pending, settled });
  });
});

describe('a rule that was changed while triggers wait', () => {
  test('to bufferNewest: the newest alone is left', () => {
    const { pending, settled } = admitNumber('bufferNewest', [1, 2, 3], 4);
    expect(pending).toEqual([4]);
    expect(settled.map(({ trigger, outcome }) => [trigger, outcome])).toEqual([
      [1, 'superseded'],
      [2, 'superseded'],
      [3, 'superseded'],
    ]);
  });

  test.each(['bufferOne', 'skip'] as const)('to %s: those that were let in wait on', (overlap) => {
    expect(admitNumber(overlap, [1, 2, 3], 4)).toMatchObject({
      pending: [1, 2, 3],
      settled: [{ trigger: 4, outcome: 'skipped-overlap' }],
    });
  });
});

describe('bufferAll keeps its bounds, drops the oldest and says so', () => {
  test('so many triggers', () => {
    const triggers = Array.from({ length: PENDING_MAX + 2 }, (_, n) => ({ n }));
    const reason = `${PENDING_MAX} newer triggers were pending, and no more can be`;
    const { pending, settled } = admitAll('bufferAll', triggers);
    expect(pending).toEqual(triggers.slice(2).map(({ n }) => n));
    expect(settled).toEqual([
      { trigger: 0, outcome: 'dropped', reason },
      { trigger: 1, outcome: 'dropped', reason },
    ]);
  });

  test('so much input', () => {
    const input = 'x'.repeat(PENDING_CHARS_MAX / 4 - 2);
    const triggers = [{ n: 0, input }, { n: 1 }, ...[2, 3, 4, 5].map((n) => ({ n, input }))];
    const reason = `newer triggers were pending, and their inputs together have at most ${PENDING_CHARS_MAX} characters`;
    const { pending, settled } = admitAll('bufferAll', triggers);
    expect(pending).toEqual([1, 2, 3, 4, 5]);
    expect(settled).toEqual([{ trigger: 0, outcome: 'dropped', reason }]);
  });

  test('a single trigger has its place, whatever its input', () => {
    const one = { n: 1, input: 'x'.repeat(PENDING_CHARS_MAX + 1) };
    expect(admitAll('bufferAll', [{ n: 0 }, one])).toMatchObject({
      pending: [1],
      settled: [{ trigger: 0, outcome: 'dropped' }],
    });
  });
});

test('whatever the rules in turn, each trigger waits or is settled, once; the order of those that wait is kept', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...rules), { maxLength: 60 }), (turns) => {
      let pending: readonly number[] = [];
      const settled: number[] = [];
      for (const [n, overlap] of turns.entries()) {
        const before = structuredClone(pending);
        const admission = admitNumber(overlap, pending, n);
        expect(pending).toEqual(before);
        pending = admission.pending;
        settled.push(...admission.settled.map(({ trigger }) => trigger));
        expect(pending).toEqual([...pending].sort((a, b) => a - b));
        expect([...pending, ...settled].sort((a, b) => a - b)).toEqual([...turns.keys()].slice(0, n + 1));
      }
    }),
  );
});
