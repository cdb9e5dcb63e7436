/**
 * Plays one scenario: work goes on, a fault strikes, the system must go on by itself; then all becomes quiet and the invariants
 * are checked. Called by the tests with one seed, by `npm run faults` with many.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ScheduleHandle } from '../../src/client/schedule-handle.ts';
import type { RunInput, ScheduleInput } from '../../src/contract/schedule.ts';
import { forgetChanges, readChanges, type Change } from './changes.ts';
import { type Seen, violations } from './invariants.ts';
import { executionsOf, observe, readJournal, readWorkers, rowsOf } from './observe.ts';
import type { Random } from './random.ts';
import { POOL } from './parts.ts';
import type { System } from './system.ts';
import type { JournalLine, WorkInput } from './targets.ts';

export interface Stage {
  readonly system: System;
  readonly random: Random;
  /** Ids of this scenario begin so. */
  readonly prefix: string;
  /** Starts a job now; answers the id of its invocation. */
  job(work: Partial<Omit<WorkInput, 'journal'>>, name?: string): Promise<string>;
  /** The schedule that is due every second. */
  readonly everySecond: string;
  /** Names an invocation whose end is to be another than success. */
  mayEnd(invocationId: string, status: string): void;
  /** Something that is not as it should be. */
  wrong(what: string): void;
  journal(): Promise<readonly JournalLine[]>;
  changes(): Promise<readonly Change[]>;
  /** Asks until it holds. @throws Error that says what was waited for */
  until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T>;
}

export interface Scenario {
  readonly name: string;
  /** Answers when the fault is over and everything that somebody has to start again has been started. */
  readonly fault: (stage: Stage) => Promise<void>;
  /** What else must be so once all is quiet; it answers what is wrong. */
  readonly then?: (seen: Seen, stage: Stage) => readonly string[];
}

export interface Played {
  /** From the end of the fault until work that was asked for then was done, by a schedule and by a job. */
  readonly recoveredMs: number;
  /** From the end of the fault until everything that was under way had ended. */
  readonly settledMs: number;
  readonly fires: number;
  readonly wrong: readonly string[];
}

/** Longer than anything may take on a machine three times slower. */
export const WAIT_MS_MAX = 120_000;
const AGAIN_MS = 50;

export async function play(system: System, scenario: Scenario, random: Random, nth: number): Promise<Played> {
  const begun = await begin(system, random, nth);
  const { stage, schedules, asked, allowed, complaints, workersBefore } = begun;
  await stage.until('two runs begun', async () => (await stage.journal()).length >= 2);
  await sleep(random.whole(0, 1_000));

  await scenario.fault(stage);
  const overAtMs = Date.now();
  const underWay = (await executionsOf(system.client, stage.prefix, system.names.deployment))
    .filter(({ open }) => open)
    .map(({ invocationId }) => invocationId);
  const since = (promise: Promise<unknown>) => promise.then(() => Date.now() - overAtMs);
  const [recoveredMs, settledMs] = await Promise.all([
    since(Promise.all([jobDone(stage), fireDone(stage, overAtMs)])),
    since(allEnded(stage, underWay)),
  ]);

  const quiet = await becomeQuiet(stage, schedules, asked);
  const seen = await observe(system, { prefix: stage.prefix, schedules: quiet, asked, workersBefore });
  await Promise.all(schedules.map(({ handle }) => handle.delete()));
  const unexpected = seen.results
    .filter(({ invocationId, status }) => status !== (allowed.get(invocationId) ?? 'succeeded'))
    .map(({ invocationId, status }) => `${invocationId} ended as ${status}`);
  return {
    recoveredMs,
    settledMs,
    fires: seen.schedules.reduce((sum, { rows }) => sum + rows.length, 0),
    wrong: [...complaints, ...violations(seen), ...unexpected, ...(scenario.then?.(seen, stage) ?? [])],
  };
}

/** Detected soon: the target's worker is silent, or does not take the call up. */
const RUN: Pick<RunInput, 'pool' | 'timeouts'> = {
  pool: POOL,
  timeouts: { heartbeat: '2s', scheduleToStart: '3s' },
};

interface Kept {
  readonly id: string;
  readonly everyMs: number;
  readonly input: ScheduleInput;
  readonly handle: ScheduleHandle;
}

async function begin(system: System, random: Random, nth: number) {
  const prefix = `n${nth}-`;
  const asked: string[] = [];
  const allowed = new Map<string, string>();
  const complaints: string[] = [];
  await untilAllIsFree(system);
  await forgetChanges(system.sql);
  const workersBefore = await readWorkers(system);
  const work = (given: Partial<Omit<WorkInput, 'journal'>>): RunInput => {
    const { size = 1, ms = random.whole(100, 500) } = given;
    return { ...RUN, size, target: 'work', input: { ...given, ms, size, journal: system.journal } };
  };
  const stage: Stage = {
    ...{ system, random, prefix, everySecond: `${prefix}second` },
    async job(given, name = String(asked.length)) {
      const id = `${prefix}${name}`;
      asked.push(system.names.jobWorkflowId(id));
      return (await system.scheduler.in(0, work(given), { id })).id;
    },
    wrong: (what) => void complaints.push(what),
    mayEnd: (invocationId, status) => void allowed.set(invocationId, status),
    journal: () => readJournal(system.journal, prefix),
    changes: () => readChanges(system.sql),
    until,
  };
  const keep = async (
    id: string,
    everyMs: number,
    more: Pick<ScheduleInput, 'overlap' | 'catchUp'> = {},
  ): Promise<Kept> => {
    const input: ScheduleInput = { spec: `every ${everyMs}ms`, ...work({}), overlap: 'allowAll', ...more };
    return { id, everyMs, input, handle: await system.scheduler.schedules.create(id, input) };
  };
  const schedules = [
    await keep(stage.everySecond, 1_000),
    await keep(`${prefix}all`, 2_000, { catchUp: { mode: 'all' } }),
    await keep(`${prefix}skip`, 1_000, { overlap: 'skip' }),
  ];
  for (let n = 0; n < 3; n += 1) await stage.job({ ms: random.whole(500, 3_000), size: random.whole(1, 2) });
  await stage.job({ ms: 200, fails: true });
  return { stage, schedules, asked, allowed, complaints, workersBefore };
}

async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const giveUpAtMs = Date.now() + WAIT_MS_MAX;
  for (;;) {
    // What is asked may be away itself.
    const answer = await ask().catch((error: unknown) => {
      if (Date.now() > giveUpAtMs) throw error;
      return undefined;
    });
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > giveUpAtMs) throw new Error(`waited ${WAIT_MS_MAX} ms in vain for ${what}`);
    await sleep(AGAIN_MS);
  }
}

async function jobDone(stage: Stage): Promise<void> {
  const id = await stage.until('a new job to be taken', () => stage.job({ ms: 100 }));
  await allEnded(stage, [id]);
}

/** A time that falls due from now on has its run, and that has ended. */
async function fireDone(stage: Stage, sinceMs: number): Promise<void> {
  const { invocationId } = await stage.until('a schedule to fire', async () => {
    const rows = await rowsOf(stage.system, stage.everySecond);
    return rows.find(({ outcome, toMs }) => outcome === 'started' && toMs > sinceMs);
  });
  await allEnded(stage, invocationId === undefined ? [] : [invocationId]);
}

async function allEnded({ system, until }: Stage, invocationIds: readonly string[]): Promise<void> {
  await until(`the ends of ${invocationIds.join(', ')}`, async () => {
    const { rows } = await system.sql.query<{ n: string }>(
      `SELECT count(*) AS n FROM ${system.names.schema}.runs WHERE invocation_id = ANY ($1)`,
      [invocationIds],
    );
    return Number(rows[0]?.n) === new Set(invocationIds).size;
  });
}

/** Nothing falls due any more, what was due has ended, and all of it is on record. */
async function becomeQuiet(stage: Stage, schedules: readonly Kept[], asked: readonly string[]) {
  const quiet = await Promise.all(schedules.map((kept) => comeToEnd(stage, kept)));
  const rows = await Promise.all(schedules.map(({ id }) => rowsOf(stage.system, id)));
  const started = rows.flat().flatMap((row) => (row.outcome === 'started' ? (row.invocationId ?? []) : []));
  await allEnded(stage, [...started, ...asked]);
  await closed(stage, [...started, ...asked]);
  await untilAllIsFree(stage.system);
  return quiet;
}

/** What has just been started is listed later than it is there. */
async function closed({ system, prefix, until }: Stage, invocationIds: readonly string[]): Promise<void> {
  await until('all to end', async () => {
    const all = await executionsOf(system.client, prefix, system.names.deployment);
    const listed = new Set(all.map(({ invocationId }) => invocationId));
    const open = all.filter((one) => one.open).map(({ invocationId }) => invocationId);
    const left = [...open, ...invocationIds.filter((id) => !listed.has(id))];
    if (left.length > 0) throw new Error(`these have not ended: ${left.join(', ')}`);
    return true;
  });
}

function untilAllIsFree({ sql, names: { schema } }: System): Promise<boolean> {
  return until('all capacity to come back', async () => {
    const { rows } = await sql.query<{ n: string }>(
      `SELECT (SELECT count(*) FROM ${schema}.allocs) + (SELECT count(*) FROM ${schema}.evals)
        + (SELECT count(*) FROM ${schema}.workers WHERE used > 0) AS n`,
    );
    return Number(rows[0]?.n) === 0;
  });
}

/** Ends a schedule by its spec, which goes on naming the times that were due, for those that are still to be caught up with. */
async function comeToEnd({ until }: Stage, { id, everyMs, input, handle }: Kept) {
  const endAtMs = await until(`${id} to take its end`, async () => {
    const { revision, definition } = await handle.describe();
    // Told before, though its answer was lost.
    if (definition.spec.endAtMs !== undefined) return definition.spec.endAtMs;
    const atMs = Date.now() + END_IN_MS;
    const spec = { expressions: `every ${everyMs}ms`, endAt: new Date(atMs).toISOString() };
    await handle.change({ ...input, spec }, { revision });
    return atMs;
  });
  const { createdAtMs, changedAtMs } = await until(`${id} to end`, async () => {
    const said = await handle.describe();
    return said.state === 'finished' && said.unsentRows === 0 && said.backlogs.length === 0 && said;
  });
  return { id, everyMs, createdAtMs, untilMs: Math.max(endAtMs, changedAtMs) };
}

/** Long enough for the schedule to hear of it in time, as a rule; what falls due before it does is due all the same. */
const END_IN_MS = 1_500;
