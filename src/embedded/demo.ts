/**
 * `npm run demo`: the main job before one's eyes. Starts the whole system with two pool workers as processes, applies
 * `examples/demo.yaml`, meddles with it for about 40 s (pause, disable, change, SIGKILL of a worker in a run), then says what
 * became of every due time and checks the invariants. Everything lives in a temporary folder and is gone afterwards.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createLog, installRuntime } from '../cli/process-log.ts';
import { readSystemFile, type SystemFile } from '../cli/system-file.ts';
import { Scheduler } from '../client/scheduler.ts';
import { watchDemo } from './demo-feed.ts';
import { reportDemo } from './demo-report.ts';
import { stopSignal } from './dev.ts';
import type { OwnedProcess } from './owned-process.ts';
import { poolProcessJoined, type PoolProcessOptions, startPoolProcess } from './pool-process.ts';
import { startSystem, type System } from './system.ts';

export interface DemoOptions {
  /** How long the schedules run. Default 40 s. */
  readonly lengthMs?: number;
  readonly print?: (line: string) => void;
}

/** What the parts of the demo share. */
export interface Demo {
  readonly system: System;
  readonly scheduler: Scheduler;
  readonly file: SystemFile;
  readonly poolId: string;
  readonly workers: Map<string, { process: OwnedProcess; readonly options: PoolProcessOptions }>;
  readonly signal: AbortSignal;
  /** Prints a line with the seconds since the schedules began. */
  say(line: string): void;
}

const POOL = 'files';
const QUIET_MS_MAX = 30_000;
const INTERRUPTED = 130;

/** Answers the exit code: 0 only where every invariant held. */
export async function runDemo(options: DemoOptions = {}): Promise<number> {
  const print = options.print ?? ((line: string) => console.log(line));
  const stop = stopSignal();
  const folder = mkdtempSync(join(tmpdir(), 'escapement-demo-'));
  installRuntime(createLog(join(folder, 'escapement.log')));
  const closers: (() => Promise<unknown>)[] = [];
  const code = await play(folder, options.lengthMs ?? 40_000, print, stop.signal, closers)
    .catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
      return INTERRUPTED;
    })
    .finally(async () => {
      for (const close of closers.toReversed()) await close();
      rmSync(folder, { recursive: true, force: true });
    });
  // The last word: what is still being told while everything closes comes before it.
  if (code === INTERRUPTED) print('stopped; nothing is left running');
  return code;
}

async function play(
  folder: string,
  lengthMs: number,
  print: (line: string) => void,
  signal: AbortSignal,
  closers: (() => Promise<unknown>)[],
): Promise<number> {
  const startedMs = performance.now();
  const root = packageRoot();
  const file = readSystemFile(join(root, 'examples/demo.yaml'));
  // A name of its own: on a Temporal server that is somebody's it meets nobody.
  const deployment = `demo-${randomBytes(4).toString('hex')}`;
  const system = await startSystem({ stateFolder: folder, deployment, onProgress: print, signal });
  closers.push(() => system.close());
  print(`Web UI   ${system.webUiUrl ?? 'at your Temporal server'}`);
  print(`Gateway  ${system.gateway.url}`);

  const scheduler = await Scheduler.connect({
    address: system.temporalAddress,
    namespace: system.namespace,
    deployment,
    connection: system.connection,
    gatewayUrl: system.gateway.url,
    gatewayKey: system.gateway.key,
  });
  const workers = await startWorkers(system, file, root, folder);
  closers.push(() => Promise.all([...workers.values()].map(({ process }) => process.stop())));
  let beganMs = performance.now();
  const seconds = () => ((performance.now() - beganMs) / 1_000).toFixed(1).padStart(5);
  const say = (line: string): void => print(`${seconds()}s  ${line}`);
  const demo: Demo = { system, scheduler, file, poolId: POOL, workers, signal, say };
  await workersReady(demo);
  beganMs = performance.now();

  // On a server that is somebody's our schedules would outlive us.
  if (system.webUiUrl === undefined) closers.push(() => deleteAll(demo));

  const feed = watchDemo(demo);
  closers.push(() => feed.stop());
  await Promise.race([meddle(demo, lengthMs), system.failed]);
  await wind(demo);
  await feed.stop();
  const firstFireMs = feed.firstFireAt === undefined ? undefined : feed.firstFireAt - startedMs;
  return await reportDemo(demo, feed, firstFireMs, print);
}

/** Two workers of different capacity; only one holds the dataset. */
async function startWorkers(
  system: System,
  file: SystemFile,
  root: string,
  folder: string,
): Promise<Demo['workers']> {
  for (const [id, settings] of Object.entries(file.pools)) await system.store.createPool(id, settings);
  const shared = { pool: POOL, targets: join(root, 'examples/targets.ts'), logFolder: folder };
  const all: readonly PoolProcessOptions[] = [
    { ...shared, name: 'small', capacity: 2 },
    { ...shared, name: 'large', capacity: 4, datasets: { sources: join(root, 'src') } },
  ];
  const started = all.map(async (options) => {
    return [options.name, { process: await startPoolProcess(system, options), options }] as const;
  });
  return new Map(await Promise.all(started));
}

async function workersReady({ system, workers, signal }: Demo): Promise<void> {
  for (const { process, options } of workers.values()) {
    await poolProcessJoined(system.store, options, process, signal);
  }
}

/** The schedules run; meanwhile all is done to them that an operator may do, and a worker dies. */
async function meddle(demo: Demo, lengthMs: number): Promise<void> {
  const { scheduler, file, signal, say } = demo;
  const { schedules } = scheduler;
  for (const [id, schedule] of Object.entries(file.schedules)) await schedules.create(id, schedule);
  for (const [id, job] of Object.entries(file.jobs)) {
    await scheduler.at('atMs' in job ? job.atMs : Date.now() + job.inMs, job.run, { id });
  }
  say(`created ${Object.keys(file.schedules).length} schedules and ${Object.keys(file.jobs).length} job`);

  const by = { actor: 'demo' };
  const at = (share: number, what: () => Promise<unknown>) =>
    sleep(share * lengthMs, undefined, { signal }).then(what);
  await Promise.all([
    at(0.05, async () => {
      const { outcome } = await schedules.get('on-demand').trigger({ key: 'demo', ...by });
      say(`>> triggered on-demand by hand: ${outcome}`);
    }),
    at(0.2, () => schedules.get('hash-sources').pause({ reason: 'lunch', ...by })),
    at(0.2, async () => say('>> paused hash-sources')),
    at(0.35, () => schedules.get('hash-sources').resume(by)),
    at(0.35, async () => say('>> resumed hash-sources')),
    at(0.25, () => schedules.get('count-files').disable({ reason: 'maintenance', ...by })),
    at(0.25, async () => say('>> disabled count-files')),
    at(0.4, () => schedules.get('count-files').enable(by)),
    at(0.4, async () => say('>> enabled count-files')),
    at(0.3, () => killInRun(demo)),
    at(0.6, async () => {
      const before = file.schedules['count-lines'];
      if (before === undefined) return;
      const { revision } = await schedules.get('count-lines').change({ ...before, spec: 'every 4s' }, by);
      say(`>> changed count-lines to every 4s: revision ${revision}`);
    }),
    at(1, async () => {}),
  ]);
}

/** Kills the process that runs `long-haul`, sees another take the run over, and starts the dead one anew. */
async function killInRun({ scheduler, workers, system, signal, say }: Demo): Promise<void> {
  const { invocationId } = await scheduler.schedules.get('long-haul').trigger({ key: 'demo', actor: 'demo' });
  const running = scheduler.invocations.get(invocationId);
  const workerOf = async (not?: string): Promise<string | undefined> => {
    for (;;) {
      const { status, now } = await running.describe();
      const worker = now?.phase === 'running' ? now.alloc?.workerId : undefined;
      if (worker !== undefined && worker !== not) return worker;
      if (status !== 'RUNNING') return undefined;
      await sleep(200, undefined, { signal });
    }
  };
  const victim = await workerOf();
  const worker = victim === undefined ? undefined : workers.get(victim);
  if (victim === undefined || worker === undefined) return;
  // Into the run, not just to its beginning.
  await sleep(1_000, undefined, { signal });
  worker.process.kill('SIGKILL');
  say(`>> killed worker ${victim} (SIGKILL) while it ran long-haul`);
  const heir = await workerOf(victim);
  say(`>> ${heir ?? 'nobody'} took long-haul over`);
  worker.process = await startPoolProcess(system, worker.options);
  say(`>> started worker ${victim} anew`);
}

/** Switches everything off and waits until nothing runs. */
async function wind({ scheduler, system, file, poolId, signal, say }: Demo): Promise<void> {
  say('switching off; what runs may finish');
  const reason = { actor: 'demo', reason: 'the demo is over' };
  await Promise.all(Object.keys(file.schedules).map((id) => scheduler.schedules.get(id).disable(reason)));
  const giveUpMs = performance.now() + QUIET_MS_MAX;
  for (;;) {
    const running = await Promise.all(
      Object.keys(file.schedules).map(async (id) => {
        const { running: last } = await scheduler.schedules.get(id).describe();
        return last !== undefined && (await scheduler.invocations.isRunning(last));
      }),
    );
    const { items } = await system.store.listAllocs(poolId);
    if ((items.length === 0 && !running.includes(true)) || performance.now() > giveUpMs) return;
    await sleep(250, undefined, { signal });
  }
}

async function deleteAll({ scheduler, file }: Demo): Promise<void> {
  const ids = Object.keys(file.schedules);
  await Promise.allSettled(ids.map((id) => scheduler.schedules.delete(id, { cancelRunning: true })));
}

/** The folder of package.json, from the sources as from the build. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
