/**
 * What is wrong with a spec beside its expressions: settings that are no instant or length, and combinations that mean
 * nothing. Called by spec.ts. Pure; issues name the field as a person writes it, such as `startAt`.
 */
import type { InputIssue } from '../../contract/errors.ts';
import type { ScheduleSpec } from '../../contract/schedule.ts';
import type { Recurrence } from './recurrence.ts';
import { HORIZON_MS } from './zone.ts';

/** Expressions of one spec: each is looked at for every next time. */
export const EXPRESSIONS_MAX = 50;

/** What is wrong with the settings by themselves. */
export function settingIssues(spec: ScheduleSpec): InputIssue[] {
  const issues: InputIssue[] = [];
  const add = (path: string, message: string) => issues.push({ path, message });
  const { expressions, phaseMs, anchorMs, startAtMs, endAtMs, jitterMs } = spec;
  if (expressions.length === 0) {
    add('expressions', 'there is none: give at least one, for example "every 15m", or "triggered"');
  }
  if (expressions.length > EXPRESSIONS_MAX) {
    add(
      'expressions',
      `there are ${expressions.length}, at most ${EXPRESSIONS_MAX}: use lists and ranges within them`,
    );
  }
  if (phaseMs !== undefined && (!Number.isSafeInteger(phaseMs) || phaseMs < 0)) {
    add('phase', `${phaseMs} is no whole number of milliseconds of 0 or more: give a length such as "5m"`);
  }
  if (phaseMs !== undefined && anchorMs !== undefined) {
    add('phase', 'phase and anchor both say where the grid begins: give one of them');
  }
  if (jitterMs !== undefined && (!Number.isSafeInteger(jitterMs) || jitterMs < 0)) {
    add('jitter', `${jitterMs} is no whole number of milliseconds of 0 or more: give a length such as "30s"`);
  }
  for (const [path, atMs] of Object.entries({ anchor: anchorMs, startAt: startAtMs, endAt: endAtMs })) {
    if (atMs !== undefined && !(Number.isInteger(atMs) && atMs >= 0 && atMs < HORIZON_MS)) {
      add(path, `${atMs} is no instant of 1970 to 2099: give one such as "2030-01-31T09:00:00Z"`);
    }
  }
  if (startAtMs !== undefined && endAtMs !== undefined && endAtMs < startAtMs) {
    add('endAt', 'endAt lies before startAt, which leaves no time between them: exchange or move them');
  }
  return issues;
}

/** What cannot stand beside each other. */
export function combinationIssues(spec: ScheduleSpec, recurrences: readonly Recurrence[]): InputIssue[] {
  const lone = recurrences.findIndex((r) => r.kind !== 'absolute');
  if (lone >= 0 && recurrences.length === 1) return withoutTimes(spec);
  if (lone >= 0 && recurrences.length > 1) {
    const what =
      recurrences[lone]?.kind === 'triggered' ? 'never due by itself' : 'due after the end of the last run';
    return [
      {
        path: `expressions[${lone}]`,
        message: `"${spec.expressions[lone]}" is ${what}, so it cannot be combined with other expressions: give it a schedule of its own`,
      },
    ];
  }
  if (recurrences.some((r) => r.kind === 'absolute' && r.aligned)) return [];
  return gridOnly(spec);
}

function gridOnly(spec: ScheduleSpec): InputIssue[] {
  return (['phase', 'anchor'] as const)
    .filter((path) => spec[`${path}Ms`] !== undefined)
    .map((path) => ({ path, message: 'applies to "every <duration>" only, which is not here: remove it' }));
}

/** What a relative or triggered schedule cannot have: it names no times that could be moved or left out. */
function withoutTimes(spec: ScheduleSpec): InputIssue[] {
  const { expressions, exclude, jitterMs } = spec;
  const given = [
    { path: 'jitter', is: jitterMs !== undefined && jitterMs > 0 },
    {
      path: 'exclude',
      is: exclude !== undefined && exclude.expressions.length + exclude.calendars.length > 0,
    },
  ].filter(({ is }) => is);
  const message = `applies to schedules with times of their own; "${expressions[0]}" has none: remove it`;
  return [...gridOnly(spec), ...given.map(({ path }) => ({ path, message }))];
}
