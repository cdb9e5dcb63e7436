/** From due times to decisions to rows: catch-up, the rows themselves, and the bound on those that wait for the database. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LedgerRow } from '../../src/contract/ledger.ts';
import { boundRows, spanRow, startRows, summarize } from '../../src/core/fires.ts';

const owner = { scheduleId: 's', creation: 'c' };
const MINUTE = 60_000;

/** The n-th minute's row. */
function row(n: number, more: Partial<LedgerRow> = {}): LedgerRow {
  const atMs = n * MINUTE;
  return {
    ...owner,
    key: new Date(atMs).toISOString(),
    kind: 'fire',
    outcome: 'started',
    fromMs: atMs,
    toMs: atMs,
    count: 1,
    decidedAtMs: atMs,
    ...more,
  };
}

/** Of outcomes, by hand and not, in the property below. */
const KINDS = 6;
const counted = (rows: readonly LedgerRow[]) => rows.reduce((sum, { count }) => sum + count, 0);

describe('summaries', () => {
  test('nothing due is no summary', () => {
    expect(summarize([])).toBeUndefined();
  });

  test('one is its own first and last; of many the one before the last is known too', () => {
    expect(summarize([MINUTE])).toEqual({ count: 1, firstMs: MINUTE, lastMs: MINUTE });
    expect(summarize([1, 2, 3, 4])).toEqual({ count: 4, firstMs: 1, lastMs: 4, beforeLastMs: 3 });
  });

  test('with a jitter the nominal times are told beside the due ones', () => {
    expect(
      summarize(
        [5, 9],
        new Map([
          [5, 1],
          [9, 8],
        ]),
      )?.nominal,
    ).toEqual({ firstMs: 1, lastMs: 8 });
  });
});

describe('rows', () => {
  const start = {
    kind: 'fire',
    key: '1970-01-01T00:01:00Z',
    invocationId: 'i',
    createdAtMs: MINUTE,
    dueAtMs: MINUTE,
  } as const;

  test('a start that happened names its invocation', () => {
    expect(startRows(owner, start, { outcome: 'started', atMs: MINUTE + 5 })).toEqual([
      {
        ...owner,
        key: '1970-01-01T00:01:00Z',
        kind: 'fire',
        outcome: 'started',
        fromMs: MINUTE,
        toMs: MINUTE,
        count: 1,
        decidedAtMs: MINUTE + 5,
        invocationId: 'i',
      },
    ]);
  });

  test('one that did not says by what and why', () => {
    const result = { outcome: 'skipped-overlap', atMs: MINUTE, blockedBy: 'b', reason: 'it goes' } as const;
    const [made] = startRows(owner, start, result);
    expect(made).toMatchObject({ outcome: 'skipped-overlap', blockedBy: 'b', reason: 'it goes' });
    expect(made?.invocationId).toBeUndefined();
  });

  test('one that waits has no row yet', () => {
    expect(startRows(owner, start, { outcome: 'waiting', atMs: MINUTE, blockedBy: 'b' })).toEqual([]);
  });

  test('each trigger of a run has its row, and all name the run', () => {
    const other = { ...start, kind: 'manual', key: 'manual/x', invocationId: 'other', dueAtMs: 7 } as const;
    const rows = startRows(owner, { ...start, others: [other] }, { outcome: 'started', atMs: MINUTE });
    expect(rows.map(({ key, toMs, invocationId }) => [key, toMs, invocationId])).toEqual([
      ['manual/x', 7, 'i'],
      [start.key, MINUTE, 'i'],
    ]);
  });

  test('what was moved and has run is moved, under its nominal time', () => {
    const moved = { ...start, nominalAtMs: 5, moved: true } as const;
    expect(startRows(owner, moved, { outcome: 'started', atMs: MINUTE })).toMatchObject([
      { outcome: 'moved', fromMs: 5, toMs: 5, invocationId: 'i' },
    ]);
    expect(startRows(owner, moved, { outcome: 'refused', atMs: MINUTE })).toMatchObject([
      { outcome: 'refused', toMs: 5 },
    ]);
  });

  test('a stretch is known by its outcome and its beginning', () => {
    const span = { fromMs: MINUTE, toMs: 3 * MINUTE, count: 3 };
    expect(spanRow(owner, 'paused', span, { atMs: 4 * MINUTE, reason: 'release' })).toEqual({
      ...owner,
      key: 'paused/1970-01-01T00:01:00Z',
      kind: 'span',
      outcome: 'paused',
      ...span,
      decidedAtMs: 4 * MINUTE,
      reason: 'release',
    });
  });
});

describe('the bound on rows that wait for the database', () => {
  test('within it nothing changes', () => {
    const rows = [1, 2, 3].map((n) => row(n));
    expect(boundRows(rows, 0, 3)).toBe(rows);
  });

  test('past it the oldest become one stretch for each outcome, and the newest stay', () => {
    const rows = [1, 2, 3, 4, 5].map((n) => row(n, n % 2 === 0 ? { outcome: 'skipped-overlap' } : {}));
    const bound = boundRows(rows, 0, 4);
    expect(bound.map(({ kind, outcome, count }) => [kind, outcome, count])).toEqual([
      ['span', 'started', 2],
      ['fire', 'skipped-overlap', 1],
      ['fire', 'skipped-overlap', 1],
      ['fire', 'started', 1],
    ]);
    expect(bound[0]).toMatchObject({ fromMs: MINUTE, toMs: 3 * MINUTE });
  });

  test('however long the database is away, and though some rows are in doubt, they stay within it', () => {
    let rows: readonly LedgerRow[] = Array.from({ length: 150 }, (_, n) => row(n));
    for (let n = 150; n < 2_000; n += 1) {
      rows = boundRows([...rows, row(n)], 150, 200);
      expect(rows.length).toBeLessThanOrEqual(200);
      expect(counted(rows)).toBe(n + 1);
    }
  });

  test('counts are never lost, pinned rows stay as they are, and triggers by hand are counted apart', () => {
    const anyRow = fc.record({
      kind: fc.constantFrom('fire' as const, 'manual' as const),
      outcome: fc.constantFrom('started' as const, 'skipped-overlap' as const, 'superseded' as const),
      count: fc.integer({ min: 1, max: 1_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyRow, { maxLength: 60 }),
        fc.nat({ max: 30 }),
        fc.integer({ min: 2, max: 40 }),
        (made, pinned, max) => {
          const rows = made.map((more, n) => row(n, more));
          const bound = boundRows(rows, Math.min(pinned, rows.length), max);
          expect(counted(bound)).toBe(counted(rows));
          expect(bound.slice(0, Math.min(pinned, rows.length))).toEqual(rows.slice(0, pinned));
          const kept = Math.min(pinned, rows.length);
          const room = Math.floor(Math.max(0, max - kept) / 2);
          expect(bound.length).toBeLessThanOrEqual(Math.max(max, kept + KINDS + room));
          const manual = (of: readonly LedgerRow[]) => counted(of.filter(({ kind }) => kind === 'manual'));
          expect(manual(bound)).toBe(manual(rows));
          expect(new Set(bound.map(({ key }) => key)).size).toBe(bound.length);
        },
      ),
    );
  });
});
