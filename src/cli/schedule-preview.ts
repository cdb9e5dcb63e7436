/** What `schedule create --dry-run` prints: how a schedule is read, when it would be due, and what clock changes do to it. */
import { isoInstant } from '../contract/ids.ts';
import type { SchedulePreview } from '../client/preview.ts';
import { clockChangeLines } from './clock-changes.ts';
import { card, print, section } from './output.ts';
import type { GlobalOptions } from './session.ts';
import { exceptText, jitterText, whatText, whenText } from './spec-text.ts';

export function printPreview(id: string, preview: SchedulePreview, options: GlobalOptions): void {
  const { definition, next, affectedDates, firesPerDay, timeZone } = preview;
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['when', whenText(definition.spec)],
    ['except', exceptText(definition.spec)],
    ['jitter', jitterText(definition.spec)],
    ['what', whatText(definition.run)],
    ['fires', firesPerDay === undefined ? undefined : `${Number(firesPerDay.toFixed(2))} a day`],
  ];
  const lines = next.map(({ dueAtMs, local }) =>
    timeZone === 'UTC' ? isoInstant(dueAtMs) : `${local}   ${isoInstant(dueAtMs)}`,
  );
  const none = preview.timing.kind === 'triggered' ? 'nothing comes by itself, trigger it' : 'none';
  const text = [
    `schedule "${id}" would be made; nothing was\n\n${card(entries)}`,
    section('next times', lines.length === 0 ? [none] : lines),
    section('clock changes of the next two years', clockChangeLines(affectedDates)),
  ].join('');
  print({ json: { id, dryRun: true, ...preview }, text }, options);
}
