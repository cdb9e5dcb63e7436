/**
 * Scenarios of a schedule as data, and what is checked after every one of them. A scenario is played by five schedules side by
 * side, one for each forced continue-as-new, and must come to the same end in all of them.
 */
import { expect } from 'vitest';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import type { Fire } from '../../src/contract/ledger.ts';
import type { ScheduleDescription } from '../../src/contract/messages.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { compileSpec } from '../../src/core/cron/spec.ts';
import { eventually } from './eventually.ts';
import type { ScheduleWorld } from './schedule-world.ts';

/** Turns after which the schedule continues as new. */
export const CONTINUE_AS_NEW_EVERY = [1, 2, 3, 5, 7] as const;

export interface Scenario {
  readonly title: string;
  readonly input: ScheduleInput;
  readonly steps: readonly Step[];
  /** Ledger rows in order: `started`, `paused x4`, `manual started`, … */
  readonly ledger: readonly string[];
  readonly then?: (seen: Seen) => void | Promise<void>;
}

/** Time that passes, or something done to each of the schedules. */
export type Step = { readonly pass: string } | { readonly act: (seen: Seen) => Promise<unknown> };

/** One of the five schedules. */
export interface Seen {
  readonly world: ScheduleWorld;
  readonly handle: ScheduleHandle;
  /** When its scenario began; a full hour and half a minute. */
  readonly beganMs: number;
  describe(): Promise<ScheduleDescription>;
  fires(): Promise<readonly Fire[]>;
}

export const pass = (duration: string): Step => ({ pass: duration });
export const act = (what: (seen: Seen) => Promise<unknown>): Step => ({ act: what });

/** One line for each row: what became of how many. */
export function ledgerOf(fires: readonly Fire[]): readonly string[] {
  return fires.map(({ kind, outcome, count }) =>
    kind === 'span' ? `${outcome} x${count}` : kind === 'manual' ? `manual ${outcome}` : outcome,
  );
}

/** What is decided is in the ledger, and nothing that is due by `nowMs` is undecided. */
export async function settled(seen: Seen, nowMs: number): Promise<ScheduleDescription> {
  return await eventually(
    () => seen.describe(),
    ({ unsentRows, nextTimesMs }) => unsentRows === 0 && (nextTimesMs[0] ?? Infinity) > nowMs,
  );
}

const STILL_FOR = 4;

/**
 * Their histories grow no more. A question to a schedule that is about to continue as new makes the time-skipping server
 * lose count of its tasks, and its time never skips again; so nothing is asked before all is still.
 */
export async function still(all: readonly Seen[], letTimePass: () => Promise<void>): Promise<void> {
  let before = '';
  let same = 0;
  await eventually(
    async () => {
      await letTimePass();
      const now = (await Promise.all(all.map(lengthOf))).join();
      same = now === before ? same + 1 : 0;
      before = now;
      return same;
    },
    (times) => times >= STILL_FOR,
  );
}

async function lengthOf({ world, handle }: Seen): Promise<string> {
  const { runId, historyLength } = await world.client.workflow.getHandle(handle.workflowId).describe();
  return `${runId} ${historyLength}`;
}

/**
 * Due times that have passed = those counted = those in the ledger, each invocation once. Where the definition was
 * changed, or a pause lasts (it is counted when it ends), only the counts are compared.
 */
export async function expectAccount(seen: Seen): Promise<void> {
  const { counts, createdAtMs, nextTimesMs, definition, timing, revision, disabled, paused } =
    await seen.describe();
  const fires = await seen.fires();
  const counted = sum(Object.values(counts));
  const rows = fires.map(
    ({ key, outcome, count, decidedAtMs }) => `${key} ${outcome} x${count} ${decidedAtMs}`,
  );
  expect(sum(fires.map(({ count }) => count)), `counted ${JSON.stringify(counts)}\n${rows.join('\n')}`).toBe(
    counted,
  );
  expect(counts).toEqual(byOutcome(fires));
  const started = fires.flatMap(({ invocationId }) => invocationId ?? []);
  expect(new Set(started).size).toBe(started.length);
  if (timing.kind !== 'absolute' || revision > 1 || disabled !== undefined || paused !== undefined) return;
  const compiled = compileSpec(definition.spec);
  if (!compiled.ok) throw new Error('its spec is not understood');
  const nextMs = nextTimesMs[0] ?? definition.spec.endAtMs ?? createdAtMs;
  const manual = fires.filter(({ kind }) => kind === 'manual').length;
  const due = compiled.compiled.count(createdAtMs, nextTimesMs.length > 0 ? nextMs - 1 : nextMs);
  expect(counted - manual).toBe(due);
}

function byOutcome(fires: readonly Fire[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, count } of fires) counts[outcome] = (counts[outcome] ?? 0) + count;
  return counts;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
