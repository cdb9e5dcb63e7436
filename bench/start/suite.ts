/**
 * Suite `start`: from the start of the process of `escapement dev`, as built, to the first fire of a first schedule in the
 * ledger, on an empty state folder, the Temporal server being in the cache. Run by `main.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Scheduler } from '../../src/client/scheduler.ts';
import { readAddresses } from '../../src/config/local-state.ts';
import { findTemporal, TEMPORAL_WAYS } from '../../src/embedded/find-temporal.ts';
import { logTail, startOwnedProcess } from '../../src/embedded/owned-process.ts';
import { eventually } from '../ground.ts';
import { type Suite, type SuiteContext, toRow } from '../suite.ts';

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const START_MS_MAX = 60_000;
const SCHEDULE = 'first';

export const start: Suite = {
  summary: 'seconds from the start of `escapement dev` to the first fire',
  defaults: { repeats: 3 },
  lengthMs: ({ repeats }) => repeats * 15_000,
  async run({ repeats }, context) {
    const ways = TEMPORAL_WAYS.filter((way) => way !== 'address');
    const found = await findTemporal({ ways, onProgress: context.progress });
    if (found.kind !== 'binary') throw new Error('no Temporal CLI was found');
    const seconds: number[] = [];
    for (let repeat = 1; repeat <= repeats; repeat += 1) {
      seconds.push((await firstFireMs(context, found.path)) / 1_000);
      context.progress(`repeat ${repeat}: ${seconds.at(-1)?.toFixed(1)} s`);
    }
    return [toRow({ metric: 'start to first fire (s)', ours: seconds, goal: { ours: 10 } })];
  },
};

async function firstFireMs(context: SuiteContext, temporalCli: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'escapement-start-'));
  const state = join(folder, 'state');
  const logFile = join(folder, 'log');
  const { TEMPORAL_ADDRESS: _not, ...env } = process.env;
  const beganMs = performance.now();
  const dev = await startOwnedProcess({
    file: process.execPath,
    args: [CLI, 'dev', '--state', state],
    env: { ...env, ESCAPEMENT_TEMPORAL_CLI: temporalCli },
    logFile,
    stopTimeoutMs: 20_000,
  });
  try {
    await eventually(context, '`escapement dev`', START_MS_MAX, async () => readAddresses(state));
    await firstFire(context, state);
    return performance.now() - beganMs;
  } catch (error) {
    context.progress(await logTail(logFile));
    throw error;
  } finally {
    await dev.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function firstFire(context: SuiteContext, stateFolder: string): Promise<void> {
  const scheduler = await Scheduler.connect({ stateFolder });
  try {
    await scheduler.schedules.create(SCHEDULE, {
      spec: 'every 1s',
      target: { name: 'command', input: { command: ['true'] } },
    });
    await eventually(context, 'the first fire', START_MS_MAX, async () => {
      const { items } = await scheduler.gateway.listFires({ scheduleId: SCHEDULE, outcome: 'started' });
      return items[0];
    });
  } finally {
    await scheduler.close();
  }
}
