/**
 * The demo's end: what became of every due time and who did the work, as tables, and the invariants, checked against the
 * specs themselves: nothing here trusts the scheduler's own count.
 */
import Table from 'cli-table3';
import { collect } from '../cli/session.ts';
import type { Fire, RunRecord } from '../contract/ledger.ts';
import type { ScheduleDescription } from '../contract/messages.ts';
import type { ScheduleSpec } from '../contract/schedule.ts';
import { parseSchedule } from '../contract/schemas.ts';
import { compileSpec } from '../core/cron/spec.ts';
import type { Page, PageRequest, Store } from '../store/store.ts';
import type { Demo } from './demo.ts';
import type { DemoFeed } from './demo-feed.ts';

interface Account {
  readonly schedule: ScheduleDescription;
  readonly fires: readonly Fire[];
}

/** Prints all. Answers the exit code: 0 where every invariant held. */
export async function reportDemo(
  demo: Demo,
  feed: DemoFeed,
  firstFireMs: number | undefined,
  print: (line: string) => void,
): Promise<number> {
  const { store } = demo.system;
  const accounts = await Promise.all(
    Object.keys(demo.file.schedules).map(async (id): Promise<Account> => {
      const schedule = await demo.scheduler.schedules.get(id).describe();
      const fires = await all((page) => store.listFires({ scheduleId: id }, page));
      return { schedule, fires: fires.filter((fire) => fire.creation === schedule.creation) };
    }),
  );
  const runs = await all((page) => store.listRuns({}, page));
  print(`\n${scheduleTable(accounts)}`);
  print(workerTable(feed, runs));
  if (firstFireMs !== undefined) print(`first fire ${(firstFireMs / 1_000).toFixed(1)} s after the start`);

  const problems = [
    ...accounts.flatMap((account) => accountProblems(demo, account)),
    ...[...new Set(feed.overCapacity)].map((id) => `worker ${id} held more than its capacity`),
    ...(await leftProblems(store, demo.poolId)),
    ...jobProblems(demo, runs),
  ];
  const due = accounts.reduce((sum, { fires }) => sum + counted(fires), 0);
  print('');
  for (const line of [
    `${due} due times, each accounted for once`,
    'no worker over its capacity',
    'nothing left allocated',
  ]) {
    if (problems.length === 0) print(`ok  ${line}`);
  }
  for (const problem of problems) print(`NOT OK  ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

function scheduleTable(accounts: readonly Account[]): string {
  const head = ['schedule', 'spec', 'due', 'started', 'late p50', 'p99', 'skipped', 'paused/off', 'retried'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { schedule, fires } of accounts) {
    const of = (...outcomes: string[]) => counted(fires.filter((fire) => outcomes.includes(fire.outcome)));
    const late = fires
      .filter((fire) => fire.outcome === 'started' && fire.kind === 'fire')
      .map((fire) => fire.decidedAtMs - fire.toMs)
      .toSorted((a, b) => a - b);
    table.push([
      schedule.id,
      schedule.definition.spec.expressions.join(' | '),
      counted(fires),
      of('started'),
      percentile(late, 0.5),
      percentile(late, 0.99),
      of('skipped-overlap'),
      of('paused', 'disabled'),
      fires.filter((fire) => (fire.run?.attempts ?? 1) > 1).length,
    ]);
  }
  return table.toString();
}

function workerTable(feed: DemoFeed, runs: readonly RunRecord[]): string {
  const head = ['worker', 'capacity', 'peak used', 'runs', 'datasets'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const [id, worker] of feed.workers) {
    const done = runs.filter((run) => run.workerId === id).length;
    table.push([id, worker.capacity, worker.peakUsed, done, worker.datasets.join(', ') || '-']);
  }
  return table.toString();
}

function percentile(sorted: readonly number[], share: number): string {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return value === undefined ? '-' : `${value} ms`;
}

function counted(fires: readonly Fire[]): number {
  return fires.reduce((sum, fire) => sum + fire.count, 0);
}

/** The ledger against the schedule's own count, and against the spec. */
function accountProblems(demo: Demo, { schedule, fires }: Account): readonly string[] {
  const problems: string[] = [];
  const rows = counted(fires);
  const own = Object.values(schedule.counts).reduce((sum, count) => sum + count, 0);
  if (rows !== own) problems.push(`${schedule.id}: the ledger has ${rows} due times, the schedule ${own}`);
  const expected = expectedDue(demo, schedule);
  const automatic = counted(fires.filter((fire) => fire.kind !== 'manual'));
  if (expected !== undefined && expected !== automatic) {
    problems.push(`${schedule.id}: its spec was due ${expected} times, the ledger has ${automatic}`);
  }
  for (const fire of fires) {
    if (fire.outcome === 'started' && fire.run === undefined) {
      problems.push(`${schedule.id} ${fire.key}: started, but no record of its end`);
    }
  }
  return problems;
}

/** Due times by the specs, from creation over the change to the end; undefined where the spec cannot tell (relative). */
function expectedDue(demo: Demo, schedule: ScheduleDescription): number | undefined {
  const endMs = schedule.disabled?.sinceMs;
  if (schedule.timing.kind !== 'absolute' || endMs === undefined) return undefined;
  const first = parseSchedule(demo.file.schedules[schedule.id], schedule.createdAtMs);
  if (!first.ok) return undefined;
  return (
    countDue(first.definition.spec, schedule.createdAtMs, schedule.changedAtMs) +
    countDue(schedule.definition.spec, schedule.changedAtMs, endMs)
  );
}

function countDue(spec: ScheduleSpec, afterMs: number, untilMs: number): number {
  const result = compileSpec(spec, { firesAfterMs: Number.NEGATIVE_INFINITY });
  return result.ok ? result.compiled.count(afterMs, untilMs) : Number.NaN;
}

async function leftProblems(store: Store, poolId: string): Promise<readonly string[]> {
  const [allocs, waiting, workers] = await Promise.all([
    all((page) => store.listAllocs(poolId, page)),
    all((page) => store.listWaiting(poolId, page)),
    all((page) => store.listWorkers(poolId, page)),
  ]);
  return [
    ...allocs.map((alloc) => `${alloc.id} is still allocated on ${alloc.workerId}`),
    ...waiting.map((one) => `${one.id} still waits`),
    ...workers
      .filter(({ free, capacity }) => free !== capacity)
      .map(({ id, free, capacity }) => `worker ${id} has ${free} of ${capacity} free`),
  ];
}

function jobProblems(demo: Demo, runs: readonly RunRecord[]): readonly string[] {
  return Object.keys(demo.file.jobs)
    .filter((id) => !runs.some((run) => run.jobId === id && run.status === 'succeeded'))
    .map((id) => `job ${id} has not succeeded`);
}

/** Every page of a list. */
function all<T>(read: (page: PageRequest) => Promise<Page<T>>): Promise<readonly T[]> {
  return collect(read, Number.POSITIVE_INFINITY);
}
