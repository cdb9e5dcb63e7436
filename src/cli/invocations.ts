/**
 * `escapement invocation list|describe|cancel`, and `job describe|cancel`. Temporal says what runs; what has ended is
 * told by the ledger, which keeps it longer.
 */
import type { InvocationStatus } from '../client/job-handle.ts';
import type { Scheduler } from '../client/scheduler.ts';
import { EscapementError, InvalidInputError, NotExistsError } from '../contract/errors.ts';
import { waitText } from '../contract/explanations.ts';
import { isoInstant, parseWorkflowId } from '../contract/ids.ts';
import type { RunRecord } from '../contract/ledger.ts';
import { resultText } from './invocation-end.ts';
import { card, print, section, shortInstant, shortLength, table, warn } from './output.ts';
import { type GlobalOptions, withScheduler } from './session.ts';

export type ListOptions = GlobalOptions & {
  readonly schedule?: string;
  readonly running?: boolean;
  readonly limit: number;
};

export async function listInvocations(options: ListOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const items: InvocationStatus[] = [];
    const filter = {
      ...(options.schedule !== undefined && { scheduleId: scheduler.schedules.get(options.schedule).id }),
      running: options.running === true,
    };
    for await (const item of scheduler.invocations.list(filter)) {
      items.push(item);
      if (items.length >= options.limit) break;
    }
    const rows = items.map((item) => [
      item.id,
      item.status.toLowerCase(),
      shortInstant(item.startedAtMs),
      item.closedAtMs && shortLength(item.closedAtMs - item.startedAtMs),
    ]);
    const head = ['invocation', 'status', 'begun (UTC)', 'open for'];
    print({ json: items, text: await table(head, rows, 'no invocations') }, options);
  });
}

/** Of Temporal, of the ledger, or of both. */
interface Known {
  readonly id: string;
  readonly temporal?: InvocationStatus;
  readonly run?: RunRecord;
}

export async function describeInvocation(id: string, options: GlobalOptions): Promise<void> {
  refuseOther(id);
  await withScheduler(options, async (scheduler) => print(await describeWhole(scheduler, id), options));
}

/** @throws as `lookUp` */
export async function describeWhole(scheduler: Scheduler, id: string) {
  const known = await lookUp(scheduler, id);
  const { temporal, run } = known;
  const json = { ...(temporal ?? { id, status: 'FORGOTTEN' }), ...(run !== undefined && { run }) };
  return { json, text: cardOf(known) };
}

/** @throws NotExistsError where neither knows it; UnavailableError where Temporal does not and the ledger is away */
async function lookUp(scheduler: Scheduler, id: string): Promise<Known> {
  const temporal = await orAbsent(scheduler.invocations.get(id).describe());
  if (temporal?.status === 'RUNNING') return { id, temporal };
  try {
    const run = await orAbsent(scheduler.gateway.getRun(id));
    if (temporal === undefined && run === undefined) {
      const message = `invocation "${id}" does not exist: neither Temporal nor the ledger knows it`;
      throw new NotExistsError('InvocationNotExists', message, { invocationId: id });
    }
    return { id, ...(temporal && { temporal }), ...(run && { run }) };
  } catch (error) {
    const courtesy =
      error instanceof EscapementError && (error.code === 'Unavailable' || error.code === 'Unauthorized');
    if (temporal === undefined || !courtesy) throw error;
    warn('note', [`its record is not shown: ${error.message}`]);
    return { id, temporal };
  }
}

async function orAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof NotExistsError) return undefined;
    throw error;
  }
}

export async function cancelInvocation(id: string, options: GlobalOptions): Promise<void> {
  refuseOther(id);
  await withScheduler(options, async (scheduler) => {
    await scheduler.invocations.get(id).cancel();
    print({ json: { id, cancelRequested: true }, text: `${id} is asked to stop` }, options);
  });
}

/** Schedules and pools are workflows too: cancelling one by mistake would delete it. */
export function refuseOther(id: string): void {
  const parsed = parseWorkflowId(id);
  if (parsed?.noun === 'job' || (parsed?.noun === 'schedule' && parsed.rest !== undefined)) return;
  const message = `"${id}" is none: write job/<id>, or schedule/<id>/<nominal time> as \`invocation list\` shows it`;
  throw new InvalidInputError('invocation id', [{ path: '', message }]);
}

function cardOf({ id, temporal, run }: Known): string {
  const head = `${id} ${run === undefined ? phaseText(temporal) : `has ended: ${run.status}`}\n`;
  const now = temporal?.now;
  const entries: (readonly [string, string | undefined])[] = [
    ['due', atText(now?.dueAtMs ?? run?.nominalAtMs)],
    [run === undefined ? 'asked' : 'begun', atText(run?.startedAtMs ?? temporal?.startedAtMs)],
    ['ended', atText(run?.endedAtMs ?? temporal?.closedAtMs)],
    ['attempt', now && String(now.attempt)],
    ['waits', now?.waiting && `at place ${now.waiting.position}: ${waitText(now.waiting.reason)}`],
    ['worker', run?.workerId ?? now?.alloc?.workerId],
    ['target', run && `${run.target} on pool ${run.poolId}`],
    ['why', run?.why],
    ['tries', run && `${run.attempts}${run.lost > 0 ? `, and ${run.lost} lost with their workers` : ''}`],
    ['error', run?.error && `${run.error.type}: ${run.error.message}`],
  ];
  const result = run?.result === undefined ? [] : resultText(run.result).split('\n');
  return `${head}\n${card(entries)}${section('result', result)}`;
}

const PHASES = {
  'due-later': 'waits for its time',
  allocating: 'asks for capacity',
  waiting: 'waits for capacity',
  running: 'runs',
  ended: 'has ended',
} as const;

function phaseText(temporal: InvocationStatus | undefined): string {
  if (temporal === undefined) return 'is forgotten';
  if (temporal.now !== undefined) return PHASES[temporal.now.phase];
  return temporal.status === 'RUNNING'
    ? 'is open (no worker answers)'
    : `has ended: ${temporal.status.toLowerCase()}`;
}

function atText(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : isoInstant(atMs);
}
