/**
 * The account of a schedule that was late, due time by due time, and what its catch-up rule says of each: computed from the spec and
 * from when the ledger says that it was decided, so that it holds however long anything has taken. Used by the
 * catch-up tests.
 */
import { expect } from 'vitest';
import type { Fire, Outcome } from '../../src/contract/ledger.ts';
import type { CatchUp } from '../../src/contract/schedule.ts';
import { compileSpec } from '../../src/core/cron/spec.ts';
import type { Seen } from './scenario.ts';

/** Older than this is late, whatever the rule. */
export const LATE_AFTER_MS = 10_000;

export const MISSED = 'it was late, and the schedule does not catch up';
export const SUPERSEDED = 'a newer fire was due when it could run';
const OUT_OF_WINDOW = 'it was later than the catch-up window of 10 s';

/** One due time with its row; a span's row stands for many. */
export interface Accounted {
  readonly dueMs: number;
  readonly fire: Fire;
  /** By Temporal's clock, where it has a run. */
  readonly startedAtMs?: number;
}

/** Every due time in (its creation, untilMs], each with the one row that accounts for it. */
export async function accountUntil(seen: Seen, untilMs: number): Promise<readonly Accounted[]> {
  const { definition, createdAtMs } = await seen.describe();
  const read = compileSpec(definition.spec);
  if (!read.ok) throw new Error('its spec is not understood');
  const timesOf = (afterMs: number, toMs: number) => read.compiled.times(afterMs, toMs, 1_000);
  const rows = (await seen.fires()).filter(({ kind }) => kind === 'fire' || kind === 'span');
  const told = rows.map(({ key, outcome, count }) => `${key} ${outcome} x${count}`).join('\n');
  const own = new Set(rows.filter(({ kind }) => kind === 'fire').map(({ toMs }) => toMs));
  const accounted = await Promise.all(
    rows.map(async (fire) => {
      const among = timesOf(fire.fromMs - 1, fire.toMs);
      // What was skipped, held or moved within a span has a row of its own.
      const dueMs = fire.kind === 'fire' ? among : among.filter((ms) => !own.has(ms));
      expect(dueMs.length, `${fire.key}, in\n${told}`).toBe(fire.count);
      const started = await startOf(seen, fire);
      return dueMs.map((ms) => ({ dueMs: ms, fire, ...started }));
    }),
  );
  const all = accounted.flat().sort((a, b) => a.dueMs - b.dueMs);
  expect(
    all.map(({ dueMs }) => dueMs),
    told,
  ).toEqual(timesOf(createdAtMs, untilMs));
  return all;
}

async function startOf({ world }: Seen, { invocationId }: Fire): Promise<{ startedAtMs?: number }> {
  if (invocationId === undefined) return {};
  const { startTime } = await world.client.workflow.getHandle(invocationId).describe();
  return { startedAtMs: startTime.getTime() };
}

/** Those that were started at or after an instant, the oldest due time first. */
export function startedSince(all: readonly Accounted[], sinceMs: number): readonly Accounted[] {
  return all.filter(({ startedAtMs = -Infinity }) => startedAtMs >= sinceMs);
}

/** In the order of their due times, by the server's clock. */
export function expectInOrder(all: readonly Accounted[]): void {
  const startedAtMs = all.map((one) => one.startedAtMs ?? 0);
  expect(startedAtMs, toldFrom(all, all[0]?.dueMs ?? 0)).toEqual(startedAtMs.toSorted((a, b) => a - b));
}

/** For a person: each due time with what became of it, in seconds from an instant. */
export function toldFrom(all: readonly Accounted[], zeroMs: number): string {
  const seconds = (ms = NaN) => ((ms - zeroMs) / 1_000).toFixed(3);
  const lines = all.map(({ dueMs, fire: { outcome, decidedAtMs }, startedAtMs }) =>
    [seconds(dueMs), outcome, 'decided', seconds(decidedAtMs), 'started', seconds(startedAtMs)].join(' '),
  );
  return lines.join('\n');
}

/** A fire is decided on so much before it is due. */
const WAKE_EARLY_MS = 200;

/** What the rule makes of a due time when it is decided on at `nowMs`, with `newestMs` the newest due time by then. */
function verdict(
  rule: CatchUp,
  { dueMs, newestMs, nowMs }: { dueMs: number; newestMs: number; nowMs: number },
): readonly [Outcome, reason?: string] {
  const { mode } = rule;
  const isWithin = mode !== 'none' && dueMs > nowMs - rule.windowMs;
  const isOnTime = nowMs - newestMs <= LATE_AFTER_MS;
  if (dueMs === newestMs && (isOnTime || (mode === 'latest' && isWithin))) return ['started'];
  if (mode === 'none') return ['missed', MISSED];
  if (!isWithin) return ['missed', OUT_OF_WINDOW];
  return mode === 'latest' ? ['superseded', SUPERSEDED] : ['started'];
}

/**
 * What was only recorded after a downtime, and all that was due by when it was decided, is as the rule wants it, and
 * nothing that was due before it had been left over. Answers how many such decisions there were.
 */
export function expectRule(rule: CatchUp, all: readonly Accounted[], stoppedAtMs: number): number {
  const isRecorded = ({ fire }: Accounted) => fire.outcome === 'missed' || fire.outcome === 'superseded';
  const decidedAtMs = new Set(all.filter(isRecorded).map(({ fire }) => fire.decidedAtMs));
  for (const nowMs of decidedAtMs) {
    const first = all.findIndex((one) => isRecorded(one) && one.fire.decidedAtMs === nowMs);
    const due = all.slice(first).filter(({ dueMs }) => dueMs <= nowMs);
    const newestMs = due.at(-1)?.dueMs ?? 0;
    for (const { dueMs, fire } of due) {
      const [outcome, reason] = verdict(rule, { dueMs, newestMs, nowMs });
      expect([fire.outcome, fire.reason], `due ${dueMs}, decided on ${nowMs}`).toEqual([outcome, reason]);
    }
    const before = all[first - 1];
    if (nowMs !== Math.min(...decidedAtMs) || before === undefined) continue;
    expect(before.fire.outcome).toBe('started');
    // Decided on while somebody was awake, and started later where the task was cut short.
    expect(before.dueMs, toldFrom(all, stoppedAtMs)).toBeLessThanOrEqual(stoppedAtMs + WAKE_EARLY_MS);
  }
  return decidedAtMs.size;
}
