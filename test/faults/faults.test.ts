/**
 * Faults against a whole system of real processes, one seed of each scenario; `npm run faults -- --seeds 200` plays more. Two systems
 * share the work, as most of the time is spent waiting. A run that went wrong is played again by
 * `FAULTS_SEED=… npx vitest run test/faults/faults.test.ts -t '…'`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sharedProgram } from '../support/shared.ts';
import { temporalBinary } from '../support/temporal-binary.ts';
import { play } from './play.ts';
import { randomOf } from './random.ts';
import { SCENARIOS } from './scenarios.ts';
import { devServer, makeWhole, startSystem, type System } from './system.ts';

const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000);
const SYSTEMS = 2;

const systems: System[] = [];
const free: System[] = [];
const waiting: ((system: System) => void)[] = [];

beforeAll(async () => {
  const binary = await temporalBinary();
  const program = await sharedProgram();
  const starting = Array.from({ length: SYSTEMS }, async () => {
    systems.push(await startSystem({ startTemporal: devServer(binary), program }));
  });
  await Promise.allSettled(starting);
  await Promise.all(starting);
  free.push(...systems);
});
afterAll(async () => {
  await Promise.all(systems.map((system) => system.close()));
});

async function withSystem<T>(work: (system: System) => Promise<T>): Promise<T> {
  const system = free.pop() ?? (await new Promise<System>((take) => waiting.push(take)));
  try {
    await makeWhole(system);
    return await work(system);
  } finally {
    const next = waiting.shift();
    if (next === undefined) free.push(system);
    else next(system);
  }
}

// Each waits for its turn, too.
describe.concurrent(`with seed ${SEED}`, { timeout: 1_200_000 }, () => {
  for (const [n, scenario] of SCENARIOS.entries()) {
    test(scenario.name, async () => {
      const { wrong } = await withSystem((system) => play(system, scenario, randomOf(SEED + n), n));
      expect(wrong).toEqual([]);
    });
  }
});
