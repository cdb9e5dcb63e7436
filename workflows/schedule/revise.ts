/** Changing what a schedule is: a new definition, an older one again, a calendar that has changed. Acts from now on. */
import type { PlanRequest, PlanResult } from '../../src/contract/activities.ts';
import { isoInstant } from '../../src/contract/ids.ts';
import type { ChangeNote, ChangeRequest, Revision, RevertRequest } from '../../src/contract/messages.ts';
import type { ScheduleDefinition } from '../../src/contract/schedule.ts';
import { PLAN_AHEAD, REVISIONS_BYTES_MAX, REVISIONS_KEPT_MAX } from '../../src/core/limits.ts';
import { local } from '../local-activities.ts';
import { carryOut } from './carry-out.ts';
import { fireDue } from './fire-due.ts';
import { feed, type Host, nowOf, planFrom, replan } from './host.ts';
import { describeAct } from './occurrences.ts';
import { Refusal, refuse } from './refusal.ts';
import { awaitEnd, needsEnds } from './runs.ts';
import { type KeptOccurrence, noteProblem, type ScheduleState } from './state.ts';
import { closeSpans } from './suspend.ts';

/** Single times named in one problem. */
const GONE_SHOWN_MAX = 5;

/** @throws Refusal where it was made for another revision, or cannot be used */
export async function change(host: Host, request: ChangeRequest): Promise<void> {
  checkRevision(host, 'changeSchedule', request.revision);
  await revise(host, 'changeSchedule', { input: request.schedule }, request);
}

/** @throws Refusal where that revision is not kept */
export async function revert(host: Host, request: RevertRequest): Promise<void> {
  checkRevision(host, 'revert', request.revision);
  const { state } = host;
  const kept = state.revisions.find(({ revision }) => revision === request.to);
  if (kept === undefined) {
    const known = state.revisions.map(({ revision }) => revision).join(', ') || 'none';
    const problem = `revision ${request.to} is not kept: those before ${state.revision} that are, are ${known}`;
    refuse('revert', 'to', problem);
  }
  const { actor, reason = `back to revision ${request.to}` } = request;
  const note = { reason, ...(actor !== undefined && { actor }) };
  await revise(host, 'revert', { definition: kept.definition, fresh: true }, note);
}

function checkRevision({ state }: Host, message: string, revision: number | undefined): void {
  if (revision === undefined || revision === state.revision) return;
  throw new Refusal(
    'RevisionConflict',
    `${message}: made for revision ${revision}, but the schedule is at ${state.revision}: read it again and repeat the change`,
    { revision: state.revision },
  );
}

async function revise(
  host: Host,
  message: string,
  wanted: Pick<PlanRequest, 'input' | 'definition' | 'fresh'>,
  { actor, reason }: ChangeNote,
): Promise<void> {
  const { state } = host;
  const planNow = (nowMs: number) => planOf(host, message, wanted, nowMs);
  let nowMs = nowOf(host);
  let planned = await planNow(nowMs);
  if (JSON.stringify(planned.definition) === JSON.stringify(state.definition)) return;

  // What fell due before belongs to the old definition, and so does what falls due while that is carried out.
  while (host.starts.length > 0) {
    await carryOut(host);
    await fireDue(host);
  }
  if (nowOf(host) > nowMs) {
    nowMs = nowOf(host);
    planned = await planNow(nowMs);
  }
  const { definition } = planned;
  // As the stretches until now do.
  await closeSpans(host, nowMs);
  const occurrences = await stillNamed(host, definition, nowMs);
  const before = { revision: state.revision, atMs: state.changedAtMs, ...state.changed };
  state.revisions = keep([...state.revisions, { ...before, definition: state.definition }]);
  keepSpecOfBacklogs(state, definition);
  const { limitedRuns } = definition;
  if (limitedRuns !== state.definition.limitedRuns) setRunsLeft(state, limitedRuns);
  state.definition = definition;
  state.timing = planned.timing;
  state.notes = planned.notes;
  state.revision += 1;
  state.changedAtMs = nowMs;
  state.changed = { ...(actor !== undefined && { actor }), ...(reason !== undefined && { reason }) };
  state.plan = planFrom(planned, nowMs);
  noteGone(state, nowMs, message, occurrences);
  state.occurrences = occurrences;
  if (planned.timing.kind !== 'relative') delete state.waitingFor;
  // A run that was started when nobody had to know its end.
  if (needsEnds(state) && state.running !== undefined) {
    awaitEnd(host, state.running, nowMs, { lookUpAtMs: nowMs });
  }
  feed(host, { kind: 'scheduleChanged' }, nowMs);
  // A relative schedule without a tick waits for the end of a run; one that waits for none begins now.
  if (planned.timing.kind === 'relative' && state.waitingFor === undefined) {
    feed(host, { kind: 'rewind' }, nowMs);
  }
}

type Planned = Extract<PlanResult, { readonly kind: 'planned' }>;

/** @throws Refusal where that cannot be used */
async function planOf(
  { id, state }: Host,
  message: string,
  wanted: Pick<PlanRequest, 'input' | 'definition' | 'fresh'>,
  nowMs: number,
): Promise<Planned> {
  const { createdAtMs } = state;
  const planned = await local.plan({ scheduleId: id, ...wanted, createdAtMs, nowMs, count: PLAN_AHEAD });
  if (planned.kind === 'refused') throw new Refusal('InvalidInput', `${message}: ${planned.message}`);
  return planned;
}

/** What is still to be caught up with, or was asked for, fell due by the spec as it was. */
function keepSpecOfBacklogs(state: ScheduleState, { spec: next }: ScheduleDefinition): void {
  const { spec } = state.definition;
  if (JSON.stringify(next) === JSON.stringify(spec)) return;
  state.backlogs = state.backlogs.map((backlog) => ({ spec, ...backlog }));
}

/**
 * What was said of single nominal times holds for those that the new spec names too. What has left its time already stays: it
 * is owed, or it has run and must not run again.
 */
async function stillNamed(
  { id, state }: Host,
  definition: ScheduleDefinition,
  nowMs: number,
): Promise<readonly KeptOccurrence[]> {
  const named: KeptOccurrence[] = [];
  for (const occurrence of state.occurrences) {
    const { nominalMs, ran } = occurrence;
    if (occurrence.dueMs <= nowMs) {
      named.push(occurrence);
      continue;
    }
    const dueMs = await local.dueTimeOf({ scheduleId: id, definition, nominalMs });
    if (dueMs !== undefined) named.push({ ...occurrence, dueMs });
    else if (ran === true) named.push(occurrence);
  }
  return named;
}

/** Says which single times are forgotten: a run that somebody has moved will not come. */
function noteGone(
  state: ScheduleState,
  nowMs: number,
  message: string,
  left: readonly KeptOccurrence[],
): void {
  const kept = new Set(left.map(({ nominalMs }) => nominalMs));
  const gone = state.occurrences.filter(({ nominalMs }) => !kept.has(nominalMs));
  if (gone.length === 0) return;
  const shown = gone
    .slice(0, GONE_SHOWN_MAX)
    .map((one) => `${isoInstant(one.nominalMs)} (${describeAct(one)})`);
  const more = gone.length > GONE_SHOWN_MAX ? ` and ${gone.length - GONE_SHOWN_MAX} more` : '';
  noteProblem(state, nowMs, `${message}: no time of the new spec any more: ${shown.join(', ')}${more}`);
}

function setRunsLeft(state: ScheduleState, limitedRuns: ScheduleDefinition['limitedRuns']): void {
  if (limitedRuns === undefined) delete state.runsLeft;
  else state.runsLeft = limitedRuns;
}

/** The newest, within their number and their bytes. */
function keep(revisions: readonly Revision[]): readonly Revision[] {
  let kept = revisions.slice(-REVISIONS_KEPT_MAX);
  while (kept.length > 1 && JSON.stringify(kept).length > REVISIONS_BYTES_MAX) kept = kept.slice(1);
  return kept;
}

/** Plans anew, if the spec leaves out what is in that calendar. */
export async function calendarChanged(host: Host, calendarId: string): Promise<void> {
  const { state } = host;
  if (state.definition.spec.exclude?.calendars.includes(calendarId) !== true) return;
  const nowMs = nowOf(host);
  await replan(host, nowMs);
  feed(host, { kind: 'scheduleChanged' }, nowMs);
}
