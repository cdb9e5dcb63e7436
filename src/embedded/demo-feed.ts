/** What the demo shows while it runs: each due time and each run's end as a line, and a sample of the pool's use. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isoInstant } from '../contract/ids.ts';
import type { Fire, RunRecord } from '../contract/ledger.ts';
import type { PoolWorker } from '../contract/pools.ts';
import type { Demo } from './demo.ts';

const PERIOD_MS = 300;

export interface WorkerSeen {
  readonly capacity: number;
  readonly peakUsed: number;
  readonly datasets: readonly string[];
}

export interface DemoFeed {
  /** By the process's monotonic clock. */
  readonly firstFireAt: number | undefined;
  /** Every worker that was ever there, with the most it had in use. */
  readonly workers: ReadonlyMap<string, WorkerSeen>;
  /** Samples in which a worker held more than its capacity. */
  readonly overCapacity: readonly string[];
  /** Shows what is left, then ends. */
  stop(): Promise<void>;
}

export function watchDemo(demo: Demo): DemoFeed {
  const shown = new Set<string>();
  const workers = new Map<string, WorkerSeen>();
  const overCapacity: string[] = [];
  const feed = { firstFireAt: undefined as number | undefined, workers, overCapacity, stop };
  const stopping = new AbortController();
  const ended = loop();

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look();
      await sleep(PERIOD_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
    await look();
  }

  async function look(): Promise<void> {
    const { store } = demo.system;
    const { items: fires } = await store.listFires({});
    for (const fire of fires.toReversed()) showFire(fire);
    const { items: jobs } = await store.listRuns({});
    for (const run of jobs)
      if (run.jobId !== undefined) show(`job ${run.jobId}`, runText(run), run.invocationId);
    const { items } = await store.listWorkers(demo.poolId);
    for (const worker of items) sample(worker);
  }

  function showFire(fire: Fire): void {
    const key = `${fire.scheduleId} ${fire.key}`;
    if (fire.outcome === 'started') feed.firstFireAt ??= performance.now();
    if (fire.outcome === 'started' && fire.run === undefined) return;
    const late = fire.kind === 'fire' ? `, ${fire.decidedAtMs - fire.toMs} ms late` : '';
    const what =
      fire.run === undefined ? `${fire.outcome}${countText(fire)}: ${fire.reason ?? ''}` : runText(fire.run);
    show(fire.scheduleId, `${isoInstant(fire.toMs).slice(11)}${late}: ${what}`, key);
  }

  function show(who: string, what: string, key: string): void {
    if (shown.has(key)) return;
    shown.add(key);
    demo.say(`${who.padEnd(14)} ${what}`);
  }

  function sample(worker: PoolWorker): void {
    const seen = workers.get(worker.id);
    const peakUsed = Math.max(worker.peakUsed, seen?.peakUsed ?? 0);
    workers.set(worker.id, { capacity: worker.capacity, datasets: worker.datasets, peakUsed });
    if (worker.free < 0 || peakUsed > worker.capacity) overCapacity.push(worker.id);
  }

  async function stop(): Promise<void> {
    stopping.abort();
    await ended;
  }

  return feed;
}

function runText(run: RunRecord): string {
  const again = run.attempts > 1 ? `, ${run.attempts} tries` : '';
  const lost = run.lost > 0 ? `, ${run.lost} worker lost` : '';
  const end = run.error === undefined ? JSON.stringify(run.result) : run.error.message;
  const worker = run.workerId === undefined ? '' : ` on ${run.workerId}`;
  return `${run.status}${worker} after ${run.endedAtMs - run.startedAtMs} ms${again}${lost}: ${brief(end ?? '')}`;
}

function brief(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 70 ? `${line.slice(0, 69)}…` : line;
}

function countText(fire: Fire): string {
  return fire.kind === 'span' ? ` (${fire.count} due times)` : '';
}
