/**
 * Stretches of due times that are run behind the live fires: what was missed (catch-up `all`), and backfills. Each is a cursor
 * with a pace and a bound on its runs; one look starts some of it, and live fires go first.
 */
import { CancellationScope } from '@temporalio/workflow';
import type { DueSummary } from '../../src/contract/activities.ts';
import { idProblem, isoInstant } from '../../src/contract/ids.ts';
import { parseInstant } from '../../src/contract/message-shape.ts';
import type { BackfillRequest, BacklogResult, CatchUpRequest } from '../../src/contract/messages.ts';
import type { CatchUp } from '../../src/contract/schedule.ts';
import { spanRow, startRows } from '../../src/core/fires.ts';
import {
  BACKFILL_INSTANTS_MAX,
  BACKFILLS_KEPT_MAX,
  BACKLOGS_MAX,
  OCCURRENCES_MAX,
  CATCH_UP_PER_SECOND_DEFAULT,
  CATCH_UP_PER_SECOND_MAX,
  MAX_CONCURRENT_MAX,
} from '../../src/core/limits.ts';
import { advanceBacklog, createBacklog, isFinished, quota } from '../../src/core/policy/backlog.ts';
import { type LateSplit, type RecordedStretch, splitLate } from '../../src/core/policy/catch-up.ts';
import { local } from '../local-activities.ts';
import { finishTask, type Host, nowOf, owner, summaryOf } from './host.ts';
import { known, recordLate } from './late.ts';
import { spendRun } from './queue.ts';
import { refuse } from './refusal.ts';
import { awaitEnd, needsEnds } from './runs.ts';
import { type AskedStretch, book, type KeptBacklog, type OverBackfill } from './state.ts';

/** What the schedule itself has missed, by its rule `all`. */
export function addCatchUp(host: Host, due: DueSummary): void {
  const { state } = host;
  const { overlap, triggering, catchUp } = state.definition;
  add(host, {
    id: `catch-up ${isoInstant(due.firstMs)}`,
    kind: 'catch-up',
    order: 'oldest',
    concurrency: triggering?.maxConcurrent ?? (overlap === 'allowAll' ? 0 : 1),
    perSecond: paceOf(catchUp),
    due,
  });
}

/** Only `all` has one of its own; what others run is one due time. */
function paceOf(rule: CatchUp): number {
  return 'perSecond' in rule ? rule.perSecond : CATCH_UP_PER_SECOND_DEFAULT;
}

/** @throws Refusal where the stretch or its settings cannot be used */
export async function backfill(host: Host, request: BackfillRequest, token: string): Promise<BacklogResult> {
  const { state } = host;
  const { order = 'oldest', concurrency = 1, perSecond = CATCH_UP_PER_SECOND_DEFAULT } = request;
  if (!Number.isInteger(concurrency) || concurrency < 0 || concurrency > MAX_CONCURRENT_MAX) {
    refuse('backfill', 'concurrency', `${concurrency} is not 0 (no limit) to ${MAX_CONCURRENT_MAX}`);
  }
  if (!(perSecond > 0 && perSecond <= CATCH_UP_PER_SECOND_MAX)) {
    refuse('backfill', 'perSecond', `${perSecond} is not above 0 and at most ${CATCH_UP_PER_SECOND_MAX}`);
  }
  const keyProblem = request.key === undefined ? undefined : idProblem('backfill key', request.key);
  if (keyProblem !== undefined) refuse('backfill', 'key', keyProblem);
  const id = request.key ?? token;
  const asked = { fromMs: parseInstant(request.from) ?? 0, toMs: parseInstant(request.to) ?? 0 };
  const same = ofKey(host, id);
  if (same !== undefined) {
    refuseOther(id, asked, same.asked);
    return { id, instants: same.instants };
  }
  const due = await stretchOf(host, 'backfill', ['from', request.from], ['to', request.to]);
  if (due === undefined) return { id, instants: 0 };
  refuseTooMany('backfill', 'from', due.count);
  if (request.rerun === true) state.reruns += 1;
  add(host, {
    ...{ id, kind: 'backfill', order, concurrency, perSecond, due, asked },
    ...(request.rerun === true && { rerun: state.reruns }),
  });
  return { id, instants: due.count };
}

/** The backfill of a key, going or over. */
function ofKey({ state }: Host, key: string): OverBackfill | undefined {
  const going = state.backlogs.find(({ id }) => id === key);
  return going === undefined ? state.backfilled?.find(({ id }) => id === key) : summed(going);
}

function summed({ id, left, done, asked }: KeptBacklog): OverBackfill {
  return { id, instants: left + done, ...(asked !== undefined && { asked }) };
}

/** Its rows would have the keys of the other stretch. Of one that an earlier version began the stretch is not known. */
function refuseOther(key: string, asked: AskedStretch, kept: AskedStretch | undefined): void {
  if (kept === undefined || (kept.fromMs === asked.fromMs && kept.toMs === asked.toMs)) return;
  const stretch = `${isoInstant(kept.fromMs)} to ${isoInstant(kept.toMs)}`;
  refuse('backfill', 'key', `"${key}" is the key of another stretch, ${stretch}: give this one its own key`);
}

/** By the schedule's own rule, for a stretch that somebody names. @throws Refusal where it cannot be used */
export async function catchUp(host: Host, request: CatchUpRequest, token: string): Promise<BacklogResult> {
  host.leftOut = readExcept(request);
  try {
    return await catchUpOn(host, request, token);
  } finally {
    delete host.leftOut;
  }
}

function readExcept({ except = [] }: CatchUpRequest): readonly number[] {
  if (except.length > OCCURRENCES_MAX) {
    refuse('catchUp', 'except', `has ${except.length} instants, at most ${OCCURRENCES_MAX} can be left out`);
  }
  return except.map((text) => {
    const atMs = parseInstant(text);
    return (
      atMs ??
      refuse('catchUp', 'except', `${JSON.stringify(text)} is not an ISO 8601 instant with its offset`)
    );
  });
}

async function catchUpOn(host: Host, request: CatchUpRequest, token: string): Promise<BacklogResult> {
  const { state } = host;
  // What is due since its creation the schedule has accounted for itself.
  const isBefore = (parseInstant(request.since) ?? 0) < state.createdAtMs;
  const until = request.until ?? isoInstant(isBefore ? state.createdAtMs : nowOf(host));
  const due = await stretchOf(host, 'catchUp', ['since', request.since], ['until', until]);
  if (due === undefined) return { id: token, instants: 0 };
  const { catchUp: rule, overlap } = state.definition;
  const split = splitLate(rule, due, nowOf(host));
  const older = split.backlog && (await known(host, split.backlog));
  const instants = (older?.count ?? 0) + (split.startMs === undefined ? 0 : 1);
  refuseTooMany('catchUp', 'since', instants);
  await recordBefore(host, split, due.firstMs);
  const first = older?.firstMs ?? split.startMs;
  if (first === undefined) return { id: token, instants: 0 };
  const last = split.startMs ?? older?.lastMs ?? first;
  add(host, {
    ...{ id: token, kind: 'backfill', order: 'oldest', perSecond: paceOf(rule) },
    concurrency: overlap === 'allowAll' ? 0 : 1,
    due: { count: instants, firstMs: first, lastMs: last },
  });
  return { id: token, instants };
}

/** Records what this creation of the schedule has never accounted for: it was created after that. Once, however often it is asked. */
async function recordBefore(host: Host, split: LateSplit, fromMs: number): Promise<void> {
  const { state } = host;
  const untilMs = state.accountedFromMs ?? state.createdAtMs;
  if (fromMs > untilMs) return;
  const missed = upTo(split.missed, untilMs);
  const superseded = upTo(split.superseded, untilMs);
  await recordLate(host, { ...(missed && { missed }), ...(superseded && { superseded }) });
  state.accountedFromMs = Math.min(untilMs, fromMs - 1);
  host.uncertain = true;
}

/** What of a stretch is due up to an instant. */
function upTo(stretch: RecordedStretch | undefined, untilMs: number): RecordedStretch | undefined {
  if (stretch === undefined || stretch.untilMs <= untilMs) return stretch;
  if (stretch.afterMs >= untilMs) return undefined;
  return { afterMs: stretch.afterMs, untilMs, reason: stretch.reason };
}

type Named = readonly [field: string, instant: string];

async function stretchOf(
  host: Host,
  message: string,
  [fromField, from]: Named,
  [toField, to]: Named,
): Promise<DueSummary | undefined> {
  const { state } = host;
  const afterMs = parseInstant(from) ?? 0;
  const untilMs = parseInstant(to) ?? 0;
  if (state.timing.kind !== 'absolute') {
    refuse(message, fromField, 'this schedule has no fixed nominal times: trigger it instead');
  }
  if (untilMs <= afterMs) refuse(message, toField, `${to} is not after ${from}`);
  if (untilMs > nowOf(host)) refuse(message, toField, `${to} is still to come: live fires run that`);
  if (state.backlogs.length >= BACKLOGS_MAX) {
    refuse(message, fromField, `${BACKLOGS_MAX} backlogs are going already: wait for one, or stop one`);
  }
  return await summaryOf(host, afterMs, untilMs);
}

function refuseTooMany(message: string, field: string, instants: number): void {
  if (instants <= BACKFILL_INSTANTS_MAX) return;
  const problem = `it would be ${instants} instants, at most ${BACKFILL_INSTANTS_MAX} are run at a time: name a shorter stretch`;
  refuse(message, field, problem);
}

function add(
  host: Host,
  input: Omit<Parameters<typeof createBacklog>[0], 'nowMs'> & Pick<KeptBacklog, 'rerun' | 'asked'>,
): void {
  const { rerun, asked, ...settings } = input;
  const backlog = createBacklog({ ...settings, nowMs: host.nowMs });
  // As they are not counted among what is due.
  const except = host.state.occurrences
    .filter(({ dueMs }) => dueMs > backlog.afterMs && dueMs <= backlog.untilMs)
    .map(({ nominalMs }) => nominalMs)
    .concat(host.leftOut ?? []);
  const kept: KeptBacklog = {
    ...backlog,
    ...(rerun !== undefined && { rerun }),
    ...(asked !== undefined && { asked }),
    ...(except.length > 0 && { except }),
  };
  host.state.backlogs = [...host.state.backlogs, kept];
}

/** Ends a backlog; what is left of a catch-up is recorded. @throws Refusal where there is none of that id */
export function stopBacklog(host: Host, id: string): void {
  const backlog = host.state.backlogs.find((one) => one.id === id);
  if (backlog === undefined) {
    const known = host.state.backlogs.map((one) => `"${one.id}"`).join(', ') || 'none';
    refuse('stopBacklog', 'id', `"${id}" is no backlog of this schedule: going are ${known}`);
  }
  drop(host, backlog, 'dropped', 'the catch-up was stopped');
}

/** What is left when the schedule is deleted. */
export function deleteBacklogs(host: Host): void {
  for (const backlog of host.state.backlogs) {
    drop(host, backlog, 'deleted', 'the schedule was deleted before it was caught up');
  }
}

/** Asked for again by its key it is not another: its rows would have the same keys. */
function remember({ state }: Host, backlog: KeptBacklog): void {
  if (backlog.kind !== 'backfill') return;
  state.backfilled = [...(state.backfilled ?? []), summed(backlog)].slice(-BACKFILLS_KEPT_MAX);
}

function drop(host: Host, backlog: KeptBacklog, outcome: 'dropped' | 'deleted', reason: string): void {
  const { state } = host;
  state.backlogs = state.backlogs.filter((one) => one !== backlog);
  remember(host, backlog);
  if (backlog.kind !== 'catch-up' || isFinished(backlog)) return;
  const span = { fromMs: backlog.afterMs + 1, toMs: backlog.untilMs, count: backlog.left };
  book(state, spanRow(owner(host), outcome, span, { atMs: host.nowMs, reason }));
}

/** Starts what the pace and the bounds allow. What it starts is booked here, and written with the next `advance`. */
export async function runBacklogs(host: Host): Promise<void> {
  if (host.uncertain === true) await finishTask(host);
  for (const { id } of host.state.backlogs) {
    // Not cancelled with the schedule: what has been started must be booked.
    await CancellationScope.nonCancellable(() => runSome(host, id));
  }
}

async function runSome(host: Host, id: string): Promise<void> {
  const { state } = host;
  const backlog = state.backlogs.find((one) => one.id === id);
  if (backlog === undefined) return;
  const isLimited = backlog.kind === 'catch-up' && state.runsLeft !== undefined;
  if (isLimited && state.runsLeft === 0) {
    drop(host, backlog, 'dropped', 'the limited runs are used up');
    return;
  }
  const allowed = quotaOf(host, backlog).starts;
  const starts = isLimited ? Math.min(allowed, state.runsLeft ?? 0) : allowed;
  if (starts > 0) await startSome(host, backlog, starts);
}

async function startSome(host: Host, backlog: KeptBacklog, starts: number): Promise<void> {
  const { state } = host;
  const notify = backlog.concurrency > 0 || needsEnds(state);
  const { id, kind, order, afterMs, untilMs, rerun, except, spec } = backlog;
  const result = await local.runBacklog({
    ...owner(host),
    createdAtMs: state.createdAtMs,
    definition: { ...state.definition, ...(spec !== undefined && { spec }) },
    ...{ id, kind, order, afterMs, untilMs, notify },
    count: starts,
    ...(rerun !== undefined && { rerun }),
    ...(except !== undefined && { except }),
  });
  for (const { trigger, result: one } of result.starts) {
    for (const row of startRows(owner(host), trigger, one)) book(state, row);
    if (one.outcome !== 'started') continue;
    if (kind === 'catch-up') spendRun(host);
    if (notify) awaitEnd(host, trigger.invocationId, one.atMs, { backlog: id });
  }
  const timesMs = result.starts.map(({ trigger }) => trigger.dueAtMs);
  const next = advanceBacklog(backlog, { timesMs, nowMs: host.nowMs, exhausted: result.exhausted });
  if (isFinished(next)) remember(host, next);
  state.backlogs = state.backlogs.flatMap((one) => (one.id !== id ? [one] : isFinished(next) ? [] : [next]));
}

function quotaOf({ state, nowMs }: Host, backlog: KeptBacklog) {
  const running = state.active.filter((run) => run.backlog === backlog.id).length;
  return quota(backlog, { running, nowMs });
}

/** When some backlog may start more by the passing of time alone. */
export function nextBacklogAtMs(host: Host): number | undefined {
  const times = host.state.backlogs.flatMap((backlog) => {
    const { starts, lookAgainAtMs } = quotaOf(host, backlog);
    return starts > 0 ? [host.nowMs] : (lookAgainAtMs ?? []);
  });
  return times.length === 0 ? undefined : Math.min(...times);
}
