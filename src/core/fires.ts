/**
 * From due times to decisions to ledger rows: which of the times that are due start, which are only recorded,
 * and what the record says. Pure; used by the schedule workflow (which keeps unwritten rows) and by `advance`
 * (which writes them), so that both make the very same row.
 */
import { isoInstant } from '../contract/ids.ts';
import type { DueSummary, StartRequest, StartResult } from '../contract/activities.ts';
import type { LedgerRow, Outcome } from '../contract/ledger.ts';
import { UNSENT_ROWS_MAX } from './limits.ts';

/** Summary of a stretch of due times, oldest first; undefined where there are none. */
export function summarize(dueMs: readonly number[]): DueSummary | undefined {
  const firstMs = dueMs[0];
  const lastMs = dueMs.at(-1);
  if (firstMs === undefined || lastMs === undefined) return undefined;
  const beforeLastMs = dueMs.at(-2);
  return {
    count: dueMs.length,
    firstMs,
    lastMs,
    ...(beforeLastMs !== undefined && { beforeLastMs }),
  };
}

/** Catch-up `latest`: the newest due time starts, the older ones are one row of `superseded`. */
export interface CatchUpDecision {
  readonly startMs: number;
  readonly superseded?: { readonly fromMs: number; readonly toMs: number; readonly count: number };
}

export function catchUpLatest(due: DueSummary): CatchUpDecision {
  if (due.count < 2 || due.beforeLastMs === undefined) return { startMs: due.lastMs };
  return {
    startMs: due.lastMs,
    superseded: { fromMs: due.firstMs, toMs: due.beforeLastMs, count: due.count - 1 },
  };
}

interface Owner {
  readonly scheduleId: string;
  readonly creation: string;
}

/** The row of one start that was tried. */
export function startRow(owner: Owner, start: StartRequest, result: StartResult): LedgerRow {
  const reason = result.reason ?? start.reason;
  return {
    ...owner,
    key: start.key,
    kind: start.kind,
    outcome: result.outcome,
    fromMs: start.dueAtMs,
    toMs: start.dueAtMs,
    count: 1,
    decidedAtMs: result.atMs,
    ...(result.outcome === 'started' && { invocationId: start.invocationId }),
    ...(result.blockedBy !== undefined && { blockedBy: result.blockedBy }),
    ...(reason !== undefined && { reason }),
  };
}

/** The row of a stretch of due times of one outcome. */
export function spanRow(
  owner: Owner,
  outcome: Outcome,
  span: { readonly fromMs: number; readonly toMs: number; readonly count: number },
  decided: { readonly atMs: number; readonly reason?: string },
): LedgerRow {
  return {
    ...owner,
    key: `${outcome}/${isoInstant(span.fromMs)}`,
    kind: 'span',
    outcome,
    ...span,
    decidedAtMs: decided.atMs,
    ...(decided.reason !== undefined && { reason: decided.reason }),
  };
}

/**
 * Keeps unwritten rows within their bound. Past it the oldest ones become one span for each outcome; counts are
 * never lost. The first `pinned` rows may be in the database already (a reply was lost) and are left as they are:
 * joined, they would count twice.
 */
export function boundRows(
  rows: readonly LedgerRow[],
  pinned = 0,
  max = UNSENT_ROWS_MAX,
): readonly LedgerRow[] {
  if (rows.length <= max) return rows;
  // Half of the room that can be made is made at once, so that the work is not done again for every row.
  const cut = Math.max(pinned, rows.length - Math.floor(Math.max(0, max - pinned) / 2));
  const kept = rows.slice(0, pinned);
  const joined = new Map<string, LedgerRow>();
  for (const row of rows.slice(pinned, cut)) {
    const group = `${row.kind === 'manual' ? 'manual' : 'due'} ${row.outcome}`;
    const first = joined.get(group);
    joined.set(group, first === undefined ? row : join(first, row));
  }
  return [...kept, ...joined.values(), ...rows.slice(cut)];
}

/** It has the key of the first, which is written nowhere else. */
function join(a: LedgerRow, b: LedgerRow): LedgerRow {
  return {
    scheduleId: a.scheduleId,
    creation: a.creation,
    key: a.key,
    kind: a.kind === 'manual' ? 'manual' : 'span',
    outcome: a.outcome,
    fromMs: Math.min(a.fromMs, b.fromMs),
    toMs: Math.max(a.toMs, b.toMs),
    count: a.count + b.count,
    decidedAtMs: b.decidedAtMs,
    reason: 'the database was away; rows were joined to keep within their bound',
  };
}
