/** `escapement schedule list`, `describe` and `fires`: what is there, what one schedule is up to, what became of its due times. */
import { InvalidInputError } from '../contract/errors.ts';
import { backwardsIssue, type Fire, type Outcome } from '../contract/ledger.ts';
import type { ScheduleDescription } from '../contract/messages.ts';
import { readCalendars } from '../client/definition.ts';
import { dueTimes } from '../core/cron/jitter.ts';
import { AFFECTED_AHEAD_MS, type CompiledSpec, compileSpec } from '../core/cron/spec.ts';
import { print, shortInstant, shortLength, table } from './output.ts';
import { cardOf } from './schedule-card.ts';
import { collect, type GlobalOptions, openGateway, withScheduler } from './session.ts';

const NEXT_SHOWN = 5;

export async function listSchedules(options: GlobalOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const items = [];
    for await (const item of scheduler.schedules.list()) items.push(item);
    items.sort((a, b) => (a.id < b.id ? -1 : 1));
    const rows = items.map((item) => [
      item.id,
      item.state ?? '?',
      item.target,
      item.pool,
      shortInstant(item.startedAtMs),
    ]);
    const head = ['schedule', 'state', 'target', 'pool', 'since (UTC)'];
    print({ json: items, text: await table(head, rows, 'no schedules') }, options);
  });
}

export async function describeSchedule(id: string, options: GlobalOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const description = await scheduler.schedules.get(id).describe();
    const nowMs = Date.now();
    const { spec: written } = description.definition;
    // Without them it would tell wrong times: then what the schedule itself has planned is shown alone.
    const calendars = await readCalendars(scheduler.gateway, written).catch(() => undefined);
    const compiled = compileSpec(written, {
      firesAfterMs: -Infinity,
      ...(calendars !== undefined && { calendars, missingCalendars: 'ignore' }),
    });
    const spec = compiled.ok ? compiled.compiled : undefined;
    const nextTimesMs = nextTimes(description, spec, nowMs);
    const affected = spec?.affectedDates(nowMs, nowMs + AFFECTED_AHEAD_MS) ?? [];
    const json = { ...description, nextTimesMs, affectedDates: affected };
    print({ json, text: cardOf({ description, spec, nextTimesMs, affected }) }, options);
  });
}

/** What will be due as things stand: nothing of what a pause, a switch or an occurrence holds back. */
function nextTimes(
  { id, state, timing, nextTimesMs, definition, occurrences, runsLeft = NEXT_SHOWN }: ScheduleDescription,
  spec: CompiledSpec | undefined,
  nowMs: number,
): readonly number[] {
  if (state === 'paused' || state === 'disabled' || state === 'finished') return [];
  if (timing.kind !== 'absolute' || spec === undefined) return nextTimesMs;
  const changed = new Set(occurrences.map(({ nominalMs }) => nominalMs));
  const planned = dueTimes(spec, id, definition.spec.jitterMs)
    .times(nowMs, Number.MAX_SAFE_INTEGER, NEXT_SHOWN + changed.size)
    .filter(({ nominalMs }) => !changed.has(nominalMs))
    .map(({ dueMs }) => dueMs);
  const moved = occurrences.flatMap(({ toMs }) => (toMs === undefined ? [] : [toMs]));
  return [...planned, ...moved].toSorted((a, b) => a - b).slice(0, Math.min(NEXT_SHOWN, runsLeft));
}

export type FiresOptions = GlobalOptions & {
  readonly from?: number;
  readonly until?: number;
  readonly outcome?: Outcome;
  readonly limit: number;
};

/** The ledger of one schedule, newest first as the gateway gives it. */
export async function listFires(id: string, options: FiresOptions): Promise<void> {
  const { from: fromMs, until: untilMs } = options;
  const issue = backwardsIssue({ fromMs, untilMs }, ['--from', '--until']);
  if (issue !== undefined) throw new InvalidInputError('schedule fires', [issue]);
  const gateway = await openGateway(options);
  const filter = { scheduleId: id, fromMs, untilMs, outcome: options.outcome };
  const fires = await collect((page) => gateway.listFires(filter, page), options.limit);
  const head = ['due (UTC)', 'outcome', 'late', 'run', 'took', 'worker', 'why'];
  print(
    { json: fires, text: await table(head, fires.map(fireRow), `nothing recorded for "${id}"`) },
    options,
  );
}

function fireRow(fire: Fire): readonly (string | undefined)[] {
  const { run } = fire;
  const due =
    fire.kind === 'span'
      ? `${fire.count}x, ${shortInstant(fire.fromMs)} to ${shortInstant(fire.toMs)}`
      : shortInstant(fire.toMs);
  return [
    due,
    fire.outcome,
    fire.outcome === 'started' ? shortLength(fire.decidedAtMs - fire.toMs) : undefined,
    run?.status,
    run && shortLength(run.endedAtMs - run.startedAtMs),
    run?.workerId,
    run?.error?.message ?? fire.reason,
  ];
}
