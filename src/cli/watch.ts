/**
 * `escapement watch`: names every schedule with a fire that is late or without outcome, and those that ended without having
 * been deleted. Once, with an exit code; or again and again as a process that stays, apart from the scheduler.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Scheduler } from '../client/scheduler.ts';
import { type Finding, Watcher, type WatchReport } from '../client/watch.ts';
import { isoInstant } from '../contract/ids.ts';
import { formatDuration } from '../core/duration.ts';
import { type HealthReport, serveHealth } from '../worker/health.ts';
import { counted, print, shortInstant, shortLength, table } from './output.ts';
import { live, type Life, whenUp } from './process-life.ts';
import { createLog } from './process-log.ts';
import { type GlobalOptions, withScheduler } from './session.ts';

export type WatchCommandOptions = GlobalOptions & {
  readonly once?: boolean;
  readonly every: number;
  readonly grace: number;
  readonly back: number;
  readonly healthPort?: number;
};

/** One look. The process ends with exit code 1 where something is wrong. */
export async function watchOnce(options: WatchCommandOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const report = await new Watcher(scheduler, { graceMs: options.grace, backMs: options.back }).look();
    print({ json: report, text: await reportText(report) }, options);
    if (report.findings.length > 0) process.exitCode = 1;
  });
}

async function reportText({ schedules, findings }: WatchReport): Promise<string> {
  const rows = findings.map((finding) => [finding.scheduleId, finding.kind, findingText(finding)]);
  const all = `${counted(schedules, 'schedule')}, each due time with its outcome`;
  const found = await table(['schedule', 'what', 'more'], rows, all);
  return findings.length === 0 ? found : `${found}\n\n${counted(schedules, 'schedule')} looked at`;
}

/** What is known of a finding besides its kind, for a person. */
function findingText(finding: Finding): string {
  switch (finding.kind) {
    case 'without-outcome': {
      const unsent =
        finding.unsentRows === 0 ? '' : `; unsent: ${counted(finding.unsentRows, 'row')} for the database`;
      return `${dueText(finding)}${unsent}`;
    }
    case 'late':
      return `${dueText(finding)}, by up to ${shortLength(finding.worstMs)}`;
    case 'ended':
      return `${finding.status} ${shortInstant(finding.closedAtMs)} and not deleted: create it again, or restore it`;
    case 'no-answer':
    case 'unreadable':
      return finding.message;
  }
}

function dueText(due: {
  readonly count: number;
  readonly firstDueAtMs: number;
  readonly lastDueAtMs: number;
}) {
  const first = isoInstant(due.firstDueAtMs);
  return due.count === 1 ? `due ${first}` : `${due.count} due ${first} to ${isoInstant(due.lastDueAtMs)}`;
}

interface Watch {
  last?: WatchReport;
  failure?: string;
}

/** Runs until SIGTERM or SIGINT; what is found is told once, and once more when it is over. Answers the exit code. */
export function runWatch(options: WatchCommandOptions): Promise<number> {
  const log = createLog();
  return live(async ({ stop, closing }) => {
    const watch: Watch = {};
    const health = await serveHealth({ port: options.healthPort ?? 0, report: () => healthOf(watch) });
    closing(() => health.close());
    const scheduler = await whenUp(() => Scheduler.connect(options), { stop, log });
    closing(() => scheduler.close());
    const watcher = new Watcher(scheduler, { graceMs: options.grace, backMs: options.back });
    print(
      {
        json: { role: 'watch', everyMs: options.every, graceMs: options.grace, healthUrl: health.url },
        text: `watch is up: looks every ${formatDuration(options.every)}\nhealth: ${health.url}`,
      },
      options,
    );
    await lookAgainAndAgain({ watcher, watch, everyMs: options.every, stop, log });
    log.info('watch has stopped');
  });
}

async function lookAgainAndAgain(loop: {
  readonly watcher: Watcher;
  readonly watch: Watch;
  readonly everyMs: number;
  readonly stop: Life['stop'];
  readonly log: ReturnType<typeof createLog>;
}): Promise<void> {
  const { watcher, watch, everyMs, stop, log } = loop;
  let told = new Map<string, Finding>();
  while (!stop.aborted) {
    try {
      const report = await watcher.look();
      if (watch.failure !== undefined) log.info('looking is possible again');
      delete watch.failure;
      watch.last = report;
      told = tell(log, told, report.findings);
    } catch (error) {
      // Not to see is no reason to stop looking.
      const failure = error instanceof Error ? error.message : String(error);
      if (watch.failure !== failure) log.error('could not look at the schedules', { error });
      watch.failure = failure;
    }
    await sleep(everyMs, undefined, { signal: stop }).catch(() => undefined);
  }
}

/** One line for what is new, one for what is over. */
function tell(
  log: ReturnType<typeof createLog>,
  before: ReadonlyMap<string, Finding>,
  findings: readonly Finding[],
): Map<string, Finding> {
  const now = new Map(findings.map((finding) => [`${finding.scheduleId}/${finding.kind}`, finding]));
  for (const [key, finding] of now) {
    if (before.has(key)) continue;
    log.warn(`schedule "${finding.scheduleId}": ${finding.kind}, ${findingText(finding)}`, { ...finding });
  }
  for (const [key, { scheduleId, kind }] of before) {
    if (!now.has(key)) log.info(`schedule "${scheduleId}": no longer ${kind}`, { scheduleId, kind });
  }
  return now;
}

/** Healthy while it can see: what it sees is in the body, and no reason to restart the watcher. */
function healthOf({ last, failure }: Watch): HealthReport {
  return {
    healthy: last !== undefined && failure === undefined,
    body: {
      role: 'watch',
      ...(last !== undefined && { lookedAt: isoInstant(last.atMs), schedules: last.schedules }),
      ...(failure !== undefined && { failure }),
      findings: last?.findings ?? [],
    },
  };
}
