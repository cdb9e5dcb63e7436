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
const TRIES_MAX = 5;
/** Of all its tries. */
const SCENARIO_MS_MAX = 480_000;
const PASS_MS_MAX = 30_000;
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

/** A server whose time skips, and what is hosted on it. */
interface Ground {
  readonly environment: TestWorkflowEnvironment;
  readonly world: ScheduleWorld;
}

export function playScenarios(scenarios: readonly Scenario[]): void {
  let ground: Ground | undefined;
  let created = 0;

  beforeAll(async () => {
    await quietRuntime();
    ground = await openGround();
  });
  afterAll(() => closeGround());

  describe.each(scenarios)('$title', (scenario) => {
    const title = `continued as new every ${CONTINUE_AS_NEW_EVERY.join(', ')} turns`;
    test(title, { timeout: SCENARIO_MS_MAX }, async () => {
      for (let tries = 1; ; tries++) {
        const all: Seen[] = [];
        ground ??= await openGround();
        try {
          return await play(ground, scenario, all);
        } catch (error) {
          const { environment } = ground;
          await inTime(environment, REMOVE_MS_MAX, () => Promise.allSettled(all.map(remove)));
          // What is lost to the server's lost count says nothing of the schedule.
          if (await stillSkips(environment)) throw error;
          await closeGround();
          if (tries === TRIES_MAX) throw error;
        }
      }
    });
  });

  async function closeGround(): Promise<void> {
    const open = ground;
    ground = undefined;
    await open?.world.close();
    await open?.environment.teardown();
  }

  async function play(on: Ground, scenario: Scenario, all: Seen[]): Promise<void> {
    const beganMs = await alignedMs(on);
    all.push(
      ...(await Promise.all(CONTINUE_AS_NEW_EVERY.map((every) => begin(on, scenario, every, beganMs)))),
    );
    await settle(on, all);
    for (const step of scenario.steps) await take(on, step, all);
    for (const seen of all) {
      const fires = await seen.fires();
      const rows = fires.map(({ key, outcome, reason }) => `${key} ${outcome}: ${reason}`).join('\n');
      expect(ledgerOf(fires), rows).toEqual(scenario.ledger);
      await expectAccount(seen);
      await scenario.then?.(seen);
    }
    await Promise.all(all.map(remove));
  }

  async function begin(
    { world }: Ground,
    { input }: Scenario,
    every: number,
    beganMs: number,
  ): Promise<Seen> {
    const id = `s${++created}-every-${every}`;
    const handle = await world.create(id, typeof input === 'function' ? input(beganMs) : input, every);
    return { world, handle, beganMs, describe: () => world.describe(id), fires: () => world.fires(id) };
  }
}

async function openGround(): Promise<Ground> {
  const environment = await createTimeSkippingEnvironment();
  const { connection, nativeConnection, namespace = 'default' } = environment;
  const server = { connection, nativeConnection, namespace };
  return { environment, world: await openScheduleWorld({ ...server, deployment: 'skips', skips: true }) };
}

async function take(on: Ground, step: Step, all: readonly Seen[]): Promise<void> {
  if ('pass' in step) {
    const length = parseDuration(step.pass);
    if (!length.ok) throw new Error(length.message);
    await letPass(on, length.ms);
  } else {
    await Promise.all(all.map((seen) => step.act(seen)));
  }
  const nowMs = await on.environment.currentTimeMs();
  await settle(on, all);
  for (const seen of all) await settled(seen, nowMs);
}

/** Timers of a few ms, too, ring here only where time is let pass. */
async function settle({ environment }: Ground, all: readonly Seen[]): Promise<void> {
  await still(all, () => environment.sleep(2));
}

async function letPass({ environment }: Ground, ms: number): Promise<void> {
  const passed = await inTime(environment, PASS_MS_MAX, () => environment.sleep(ms));
  if (!passed) throw new Error(`${ms} ms did not pass within ${PASS_MS_MAX} ms of ours`);
}

/** Half past the first minute of an hour to come, so that no minute is about to begin. */
async function alignedMs(on: Ground): Promise<number> {
  const nowMs = await on.environment.currentTimeMs();
  const beganMs = Math.ceil(nowMs / HOUR) * HOUR + 30_000;
  await letPass(on, beganMs - nowMs);
  return beganMs;
}

async function remove({ handle }: Seen): Promise<void> {
  try {
    await handle.delete();
  } catch (error) {
    // The scenario has deleted it.
    if (!(error instanceof NotExistsError)) throw error;
  }
}
