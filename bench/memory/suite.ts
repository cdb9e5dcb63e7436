/**
 * Suite `memory`: what an orchestration worker's process takes while it carries many invocations, on PostgreSQL, as
 * built. Each is triggered at its schedule, granted capacity, run on a pool worker and recorded. Once as many have run as it keeps
 * in its cache, its resident memory must stay what it is. Run by `main.ts`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import proto from '@temporalio/proto';
import { createNames, type Names } from '../../src/contract/ids.ts';
import { type OwnedProcess, startOwnedProcess } from '../../src/embedded/owned-process.ts';
import { eventually, type FreshGround, onFreshGround } from '../ground.ts';
import { onPostgres } from '../postgres-ground.ts';
import { runPool } from '../product.ts';
import { FULL_PATH_POOL, openFullPath } from '../queues/full-path.ts';
import { median } from '../statistics.ts';
import { type Row, type Settings, type Suite, toRow } from '../suite.ts';

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
/** Before the first look: more than the worker keeps in its cache (600 workflows), and its code is compiled. */
const WARM_UP = 1_000;
const READY_WITHIN_MS = 60_000;
/** Looks at its memory, at equal distances. */
const LOOKS = 20;
/** Triggered before the next are: what waits in the schedules stays small, however many there are between two looks. */
const PORTION = 1_000;

export const memory: Suite = {
  summary: 'resident memory of an orchestration worker over many invocations',
  defaults: { repeats: 1, count: 2_000 },
  counts: `invocations after the first ${WARM_UP}; the goal is meant for 100000`,
  countMax: 100_000,
  lengthMs: ({ repeats, count }) => repeats * (30_000 + (count + WARM_UP) * 45),
  async run(settings, context) {
    const runs: Run[] = [];
    for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
      runs.push(
        await onPostgres(context, ({ url, store }) =>
          onFreshGround(context, async (fresh) => {
            const ground = { ...fresh, store };
            const names = createNames();
            const worker = await startWorker(ground, names, url);
            await runPool(ground, names, FULL_PATH_POOL);
            const carry = await openFullPath(ground, names, store);
            return lookOn(ground, worker, carry, settings);
          }),
        ),
      );
    }
    return rowsOf(runs, settings);
  },
};

interface Run {
  /** Megabytes, of a quarter of all looks each. */
  readonly firstMb: number;
  readonly lastMb: number;
}

async function startWorker(ground: FreshGround, names: Names, databaseUrl: string): Promise<OwnedProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'escapement-memory-'));
  ground.atEnd(async () => rmSync(folder, { recursive: true, force: true }));
  const worker = await startOwnedProcess({
    file: process.execPath,
    args: [CLI, 'worker', '--address', ground.address, '--namespace', ground.namespace],
    env: { ...process.env, ESCAPEMENT_DATABASE_URL: databaseUrl },
    logFile: join(folder, 'log'),
    stopTimeoutMs: 20_000,
  });
  ground.atEnd(() => worker.stop());
  await eventually(ground, 'the orchestration worker', READY_WITHIN_MS, async () => {
    const { pollers = [] } = await ground.client.workflowService.describeTaskQueue({
      namespace: ground.namespace,
      taskQueue: { name: names.schedulesQueue },
      taskQueueType: proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    });
    return pollers?.[0];
  });
  return worker;
}

async function lookOn(
  ground: FreshGround,
  { pid }: OwnedProcess,
  carry: (count: number) => Promise<number>,
  { count }: Settings,
): Promise<Run> {
  await carry(WARM_UP);
  const looks: number[] = [];
  for (let look = 1; look <= LOOKS; look += 1) {
    ground.signal.throwIfAborted();
    const beganMs = performance.now();
    const between = Math.max(1, Math.round(count / LOOKS));
    for (let left = between; left > 0; left -= PORTION) await carry(Math.min(left, PORTION));
    const perSecond = (between * 1_000) / (performance.now() - beganMs);
    const mb = await residentMb(pid);
    looks.push(mb);
    ground.progress(
      `${Math.round((look * count) / LOOKS)} invocations, ${perSecond.toFixed(0)}/s: ${mb.toFixed(0)} MB`,
    );
  }
  const quarter = LOOKS / 4;
  return { firstMb: median(looks.slice(0, quarter)), lastMb: median(looks.slice(-quarter)) };
}

async function residentMb(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) / 1_024;
}

function rowsOf(runs: readonly Run[], { count }: Settings): readonly Row[] {
  return [
    toRow({
      metric: `resident memory (MB), last quarter of ${count} invocations; first`,
      ours: runs.map(({ lastMb }) => lastMb),
      peer: runs.map(({ firstMb }) => firstMb),
      goal: { ratio: 1.2 },
    }),
  ];
}
