/**
 * From due times to decisions to ledger rows: which of the times that are due start, which are only recorded,
 * and what the record says. Pure; used by the schedule workflow (which keeps unwritten rows) and by `advance`
 * (which writes them), so that both make the very same row.
 */
import { isoInstant } from '../contract/ids.ts';
import type { DueSummary, StartResult, Trigger } from '../contract/activities.ts';
import type { LedgerRow, Outcome } from '../contract/ledger.ts';
import { UNSENT_ROWS_MAX } from './limits.ts';

/**
 * Summary of a stretch of due times, oldest first; undefined where there are none.
 * @param nominalMs the nominal time of each, where it is another
 */
export function summarize(
  dueMs: readonly number[],
  nominalMs?: ReadonlyMap<number, number>,
): DueSummary | undefined {
  const firstMs = dueMs[0];
  const lastMs = dueMs.at(-1);
  if (firstMs === undefined || lastMs === undefined) return undefined;
  const beforeLastMs = dueMs.at(-2);
  const nominal = nominalMs && {
    firstMs: nominalMs.get(firstMs) ?? firstMs,
    lastMs: nominalMs.get(lastMs) ?? lastMs,
  };
  return {
    count: dueMs.length,
    firstMs,
    lastMs,
    ...(beforeLastMs !== undefined && { beforeLastMs }),
    ...(nominal !== undefined && { nominal }),
  };
}

interface Owner {
  readonly scheduleId: string;
  readonly creation: string;
}

/** The rows of one start that was tried: one for each trigger that it was for, none while it waits. */
export function startRows(
  { scheduleId, creation }: Owner,
  start: Trigger & { readonly others?: readonly Trigger[] },
  result: StartResult,
): readonly LedgerRow[] {
  const { outcome, atMs, reason, blockedBy } = result;
  if (outcome === 'waiting') return [];
  const { invocationId } = start;
  const settled = {
    atMs,
    ...(reason !== undefined && { reason }),
    ...(blockedBy !== undefined && { blockedBy }),
    ...(outcome === 'started' && { invocationId }),
  };
  const together = { ...settled, reason: reason ?? `in one run, ${start.invocationId}` };
  return [
    ...(start.others ?? []).map((other) => triggerRow({ scheduleId, creation }, other, outcome, together)),
    triggerRow({ scheduleId, creation }, start, outcome, settled),
  ];
}

/** The row of one trigger. What ran at a time that its nominal time was moved to is `moved`. */
export function triggerRow(
  owner: Owner,
  trigger: Trigger,
  outcome: Outcome,
  settled: {
    readonly atMs: number;
    readonly reason?: string;
    readonly blockedBy?: string;
    readonly invocationId?: string;
  },
): LedgerRow {
  const { atMs, reason = trigger.reason, ...more } = settled;
  const namedMs = trigger.nominalAtMs ?? trigger.dueAtMs;
  return {
    ...owner,
    key: trigger.key,
    kind: trigger.kind,
    outcome: trigger.moved === true && outcome === 'started' ? 'moved' : outcome,
    fromMs: namedMs,
    toMs: namedMs,
    count: 1,
    decidedAtMs: atMs,
    ...more,
    ...(reason !== undefined && { reason }),
  };
}

const RUNS_INSTANTS: ReadonlySet<LedgerRow['kind']> = new Set(['fire', 'backfill']);

/** Whether a row says that its nominal time has run, by itself or by a backfill. */
export function hasRun<T extends LedgerRow>(row: T): row is T & { readonly invocationId: string } {
  return RUNS_INSTANTS.has(row.kind) && row.invocationId !== undefined;
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
    // What is held is written over when it is restored, so it keeps its row.
    if (row.outcome === 'held') {
      kept.push(row);
      continue;
    }
    const group = `${row.kind === 'span' ? 'fire' : row.kind} ${row.outcome}`;
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
    kind: a.kind === 'fire' ? 'span' : a.kind,
    outcome: a.outcome,
    fromMs: Math.min(a.fromMs, b.fromMs),
    toMs: Math.max(a.toMs, b.toMs),
    count: a.count + b.count,
    decidedAtMs: b.decidedAtMs,
    reason: 'the database was away; rows were joined to keep within their bound',
  };
}
