/**
 * Plays scenarios on the server whose time skips, each once for every forced continue-as-new. Called once in a test file: time is
 * one for all that its world holds, so scenarios come one after the other.
 */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NotExistsError } from '../../src/contract/errors.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { parseDuration } from '../../src/core/duration.ts';
import { quietRuntime } from '../support/shared.ts';
import { createTimeSkippingEnvironment, inTime, stillSkips } from '../support/time-skipping.ts';
import {
  CONTINUE_AS_NEW_EVERY,
  expectAccount,
  ledgerOf,
  type Scenario,
  type Seen,
  settled,
  still,
  type Step,
} from './scenario.ts';
import { openScheduleWorld, type ScheduleWorld } from './schedule-world.ts';

/** Environments that may be lost to their server in one scenario. */
const TRIES_MAX = 3;
/** Of all its tries. */
const SCENARIO_MS_MAX = 240_000;
const PASS_MS_MAX = 40_000;
const REMOVE_MS_MAX = 5_000;

const HOUR = 3_600_000;
const MINUTE = 60_000;

export const minutes = (n: number): number => n * MINUTE;

/** A run of `ms` on every full minute. */
export const everyMinute = (ms = 0, more: Partial<ScheduleInput> = {}): ScheduleInput => ({
  spec: '* * * * *',
  target: 'x',
  input: { ms },
  ...more,
});

/** Its runs end where a scenario lets time pass. */
export const everyTenMinutesAfter: ScheduleInput = { ...everyMinute(MINUTE / 2), spec: 'with 10m interval' };

export function playScenarios(scenarios: readonly Scenario[]): void {
  let environment: TestWorkflowEnvironment;
  let world: ScheduleWorld;
  let created = 0;

  beforeAll(async () => {
    await quietRuntime();
    await open();
  });
  afterAll(close);

  describe.each(scenarios)('$title', (scenario) => {
    const title = `continued as new every ${CONTINUE_AS_NEW_EVERY.join(', ')} turns`;
    test(title, { timeout: SCENARIO_MS_MAX }, async () => {
      for (let tries = 1; ; tries++) {
        const all: Seen[] = [];
        try {
          return await play(scenario, all);
        } catch (error) {
          await inTime(environment, REMOVE_MS_MAX, () => Promise.allSettled(all.map(remove)));
          // What is lost to the server's lost count says nothing of the schedule.
          if (tries === TRIES_MAX || (await stillSkips(environment))) throw error;
          await close();
          await open();
        }
      }
    });
  });

  async function open(): Promise<void> {
    environment = await createTimeSkippingEnvironment();
    const { connection, nativeConnection, namespace = 'default' } = environment;
    const server = { connection, nativeConnection, namespace };
    world = await openScheduleWorld({ ...server, deployment: 'skips', skips: true });
  }

  async function close(): Promise<void> {
    await world?.close();
    await environment?.teardown();
  }

  async function play(scenario: Scenario, all: Seen[]): Promise<void> {
    const beganMs = await alignedMs();
    all.push(...(await Promise.all(CONTINUE_AS_NEW_EVERY.map((every) => begin(scenario, every, beganMs)))));
    await still(all, () => environment.sleep(2));
    for (const step of scenario.steps) await take(step, all);
    for (const seen of all) {
      const fires = await seen.fires();
      const rows = fires.map(({ key, outcome, reason }) => `${key} ${outcome}: ${reason}`).join('\n');
      expect(ledgerOf(fires), rows).toEqual(scenario.ledger);
      await expectAccount(seen);
      await scenario.then?.(seen);
    }
    await Promise.all(all.map(remove));
  }

  async function pass(ms: number): Promise<void> {
    const passed = await inTime(environment, PASS_MS_MAX, () => environment.sleep(ms));
    if (!passed) throw new Error(`${ms} ms did not pass within ${PASS_MS_MAX} ms of ours`);
  }

  /** Half past the first minute of an hour to come, so that no minute is about to begin. */
  async function alignedMs(): Promise<number> {
    const nowMs = await environment.currentTimeMs();
    const beganMs = Math.ceil(nowMs / HOUR) * HOUR + 30_000;
    await pass(beganMs - nowMs);
    return beganMs;
  }

  async function begin({ input }: Scenario, every: number, beganMs: number): Promise<Seen> {
    const id = `s${++created}-every-${every}`;
    const handle = await world.create(id, typeof input === 'function' ? input(beganMs) : input, every);
    return { world, handle, beganMs, describe: () => world.describe(id), fires: () => world.fires(id) };
  }

  async function take(step: Step, all: readonly Seen[]): Promise<void> {
    if ('pass' in step) {
      const length = parseDuration(step.pass);
      if (!length.ok) throw new Error(length.message);
      await pass(length.ms);
    } else {
      await Promise.all(all.map((seen) => step.act(seen)));
    }
    const nowMs = await environment.currentTimeMs();
    // Timers of a few ms, too, ring here only where time is let pass.
    await still(all, () => environment.sleep(2));
    for (const seen of all) await settled(seen, nowMs);
  }
}

async function remove({ handle }: Seen): Promise<void> {
  try {
    await handle.delete();
  } catch (error) {
    // The scenario has deleted it.
    if (!(error instanceof NotExistsError)) throw error;
  }
}
