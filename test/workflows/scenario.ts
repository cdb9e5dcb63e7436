/**
 * Scenarios of a schedule as data, and what is checked after every one of them. A scenario is played by five schedules side by
 * side, one for each forced continue-as-new, and must come to the same end in all of them.
 */
import { expect } from 'vitest';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import { isoInstant } from '../../src/contract/ids.ts';
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
  /** As it begins then; a full hour and half a minute. */
  readonly input: ScheduleInput | ((beganMs: number) => ScheduleInput);
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
  /** When its scenario began. */
  readonly beganMs: number;
  describe(): Promise<ScheduleDescription>;
  fires(): Promise<readonly Fire[]>;
}

/** An instant of a scenario, ISO 8601. */
export const at = ({ beganMs }: Pick<Seen, 'beganMs'>, offsetMs: number): string =>
  isoInstant(beganMs + offsetMs);

export const pass = (duration: string): Step => ({ pass: duration });
export const act = (what: (seen: Seen) => Promise<unknown>): Step => ({ act: what });

/** One line for each row: what became of how many. */
export function ledgerOf(fires: readonly Fire[]): readonly string[] {
  return fires.map(({ kind, outcome, count }) =>
    kind === 'span' ? `${outcome} x${count}` : kind === 'fire' ? outcome : `${kind} ${outcome}`,
  );
}

export const repeat = <T>(n: number, what: T): readonly T[] => Array.from({ length: n }, () => what);

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
 * Due times that have passed = those counted = those in the ledger, or still waiting for their turn; each invocation once, but
 * for the triggers of one batch. Where the definition was changed, or a pause lasts (it is counted when it ends), only the
 * counts are compared.
 */
export async function expectAccount(seen: Seen): Promise<void> {
  const said = await seen.describe();
  const fires = await seen.fires();
  const counted = sum(Object.values(said.counts));
  const rows = fires.map(
    ({ key, outcome, count, decidedAtMs, reason }) => `${key} ${outcome} x${count} ${decidedAtMs} ${reason}`,
  );
  const seenRows = `counted ${JSON.stringify(said.counts)}\n${rows.join('\n')}`;
  expect(sum(fires.map(({ count }) => count)), seenRows).toBe(counted);
  expect(said.counts).toEqual(byOutcome(fires));
  expectEachOnce(fires);
  const { timing, revision, disabled, paused } = said;
  if (timing.kind !== 'absolute' || revision > 1 || disabled !== undefined || paused !== undefined) return;
  const untilMs = accountedUntilMs(said, fires);
  const isDue = ({ kind, fromMs }: Fire) => (kind === 'fire' || kind === 'span') && fromMs <= untilMs;
  const decided = sum(fires.filter(isDue).map(({ count }) => count));
  expect(decided + waiting(said, untilMs), seenRows).toBe(dueBy(said, untilMs));
}

/** Rows of a batch name its leader, the trigger that the run was started for. */
function expectEachOnce(fires: readonly Fire[]): void {
  const leaders = fires
    .filter(({ invocationId }) => invocationId !== undefined)
    .filter((fire) => !isLed(fire));
  const started = leaders.map(({ invocationId }) => invocationId);
  expect(new Set(started).size).toBe(started.length);
  for (const fire of fires.filter(isLed)) {
    const leader = leaders.find(({ invocationId }) => invocationId === fire.invocationId);
    expect(fire.reason).toBe(`in one run, ${leader?.invocationId}`);
  }
}

const isLed = ({ reason }: Fire) => reason?.startsWith('in one run, ') === true;

/** The last instant that is accounted for. */
function accountedUntilMs(
  { nextTimesMs, definition, runsLeft }: ScheduleDescription,
  fires: readonly Fire[],
) {
  const [nextMs] = nextTimesMs;
  if (nextMs !== undefined) return nextMs - 1;
  if (runsLeft !== 0 && definition.spec.endAtMs !== undefined) return definition.spec.endAtMs;
  return Math.max(0, ...fires.filter(({ kind }) => kind === 'fire').map(({ toMs }) => toMs));
}

/** Due times that are known and have no row yet: moved to later, in the queue, or to be caught up. */
function waiting({ occurrences, pending, backlogs }: ScheduleDescription, untilMs: number): number {
  const moved = occurrences.filter(({ act, nominalMs }) => act === 'move' && nominalMs <= untilMs);
  const queued = pending.filter(({ kind }) => kind === 'fire');
  const late = backlogs.filter(({ kind }) => kind === 'catch-up').map(({ left }) => left);
  return moved.length + queued.length + sum(late);
}

function dueBy({ definition, createdAtMs }: ScheduleDescription, untilMs: number): number {
  const compiled = compileSpec(definition.spec);
  if (!compiled.ok) throw new Error('its spec is not understood');
  return compiled.compiled.count(createdAtMs, untilMs);
}

function byOutcome(fires: readonly Fire[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, count } of fires) counts[outcome] = (counts[outcome] ?? 0) + count;
  return counts;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
