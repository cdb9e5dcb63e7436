/**
 * Faults against a whole system of real processes, one seed of each scenario; `npm run faults -- --seeds 200` plays more. A run that
 * went wrong is played again by `FAULTS_SEED=… npx vitest run test/faults/faults.test.ts -t '…'`.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporalBinary } from '../support/temporal-binary.ts';
import { play } from './play.ts';
import { randomOf } from './random.ts';
import { SCENARIOS } from './scenarios.ts';
import { devServer, makeWhole, startSystem, type System } from './system.ts';

const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000);

let system: System;

beforeAll(async () => {
  const binary = await temporalBinary();
  system = await startSystem({ startTemporal: devServer(binary) });
});
afterAll(async () => {
  await system.close();
});

for (const [n, scenario] of SCENARIOS.entries()) {
  test(`${scenario.name} (seed ${SEED})`, { timeout: 300_000 }, async () => {
    await makeWhole(system);
    const { wrong } = await play(system, scenario, randomOf(SEED + n), n);
    expect(wrong).toEqual([]);
  });
}
