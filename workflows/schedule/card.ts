/** The schedule as a card for the Temporal Web UI (current details, Markdown): what a person asks first. */
import { isoInstant } from '../../src/contract/ids.ts';
import { nextTickMs, type ScheduleState, stateName } from './state.ts';

export function cardOf(id: string, state: ScheduleState): string {
  const { definition, paused, disabled, last, problems } = state;
  const tickMs = nextTickMs(state);
  const due = Object.values(state.counts).reduce((sum, count) => sum + count, 0);
  const counts = Object.entries(state.counts)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`);
  const suspended = disabled ?? paused;
  const lines = [
    `**${id}** is **${stateName(state)}**, revision ${state.revision}`,
    `- when: \`${definition.spec.expressions.join('`, `')}\` (${definition.spec.timeZone})`,
    `- what: \`${definition.run.target.name}\` on pool \`${definition.run.pool}\`, size ${definition.run.size}`,
    tickMs === undefined ? '- next: nothing comes by itself' : `- next: ${isoInstant(tickMs)}`,
    last && `- last: ${isoInstant(last.dueAtMs)} ${last.outcome}`,
    state.waitingFor !== undefined && `- waits for the end of \`${state.waitingFor}\``,
    state.pending.length > 0 && `- triggers that wait for a run to end: ${state.pending.length}`,
    state.runsLeft !== undefined && `- automatic runs left: ${state.runsLeft}`,
    ...state.backlogs.map(({ id, left, done }) => `- \`${id}\`: ${done} done, ${left} left`),
    ...state.occurrences.map(({ nominalMs, act }) => `- ${isoInstant(nominalMs)}: ${act}`),
    suspended &&
      `- since ${isoInstant(suspended.sinceMs)}${suspended.actor ? ` by ${suspended.actor}` : ''}${suspended.reason ? `: ${suspended.reason}` : ''}`,
    `- due times: ${due}${counts.length > 0 ? ` (${counts.join(', ')})` : ''}`,
    state.unsent.length > 0 && `- ledger rows that wait for the database: ${state.unsent.length}`,
    ...problems.slice(-3).map((problem) => `- problem ${isoInstant(problem.atMs)}: ${problem.message}`),
  ];
  return lines.filter((line) => typeof line === 'string').join('\n');
}
