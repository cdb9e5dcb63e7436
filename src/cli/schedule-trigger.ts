/** `escapement schedule trigger`: one run by hand, or with `--file` many triggers in one message. */
import { InvalidInputError } from '../contract/errors.ts';
import { checkScheduleMessage } from '../contract/message-shape.ts';
import type { TriggerRequest, TriggerResult } from '../contract/messages.ts';
import type { Overlap } from '../contract/schedule.ts';
import { PENDING_MAX } from '../core/limits.ts';
import { awaitEnd, endText } from './invocation-end.ts';
import { print, table } from './output.ts';
import { defined, parseJson } from './run-flags.ts';
import { type ActOptions, noteOf } from './schedule-acts.ts';
import { withScheduler } from './session.ts';
import { readDocument } from './system-file.ts';

export type TriggerOptions = ActOptions & {
  readonly key?: string;
  readonly input?: string;
  readonly overlap?: Overlap;
  readonly file?: string;
  readonly wait?: boolean;
};

export async function triggerSchedule(id: string, options: TriggerOptions): Promise<void> {
  if (options.file !== undefined) return await triggerMany(id, options, options.file);
  const subject = `schedule "${id}"`;
  const { key, overlap } = options;
  const input = options.input === undefined ? undefined : parseJson(subject, '--input', options.input);
  await withScheduler(options, async (scheduler) => {
    const request: TriggerRequest = { ...noteOf(options), ...defined({ key, overlap, input }) };
    const result = await scheduler.schedules.get(id).trigger(request);
    // A second asking with the same key names the run of the first: its end is waited for all the same.
    const ran = result.outcome === 'started' || result.outcome === 'duplicate';
    if (options.wait !== true || !ran) {
      print({ json: result, text: triggerText(result) }, options);
      if (options.wait === true) process.exitCode = 1;
      return;
    }
    const end = await awaitEnd(scheduler.invocations.get(result.invocationId));
    print({ json: { ...result, ...end }, text: `${triggerText(result)}\n${endText(end)}` }, options);
  });
}

function triggerText(result: TriggerResult): string {
  const why = whyOf(result);
  return `${result.outcome} ${result.invocationId}${why === '' ? '' : ` (${why})`}`;
}

function whyOf({ reason, blockedBy }: TriggerResult): string {
  return [reason, blockedBy !== undefined && `blocked by ${blockedBy}`].filter(Boolean).join(', ');
}

async function triggerMany(id: string, options: TriggerOptions, path: string): Promise<void> {
  const triggers = readTriggers(id, options, path);
  await withScheduler(options, async (scheduler) => {
    const results = await scheduler.schedules.get(id).triggerMany(triggers);
    const rows = results.map((result) => [result.outcome, result.invocationId, whyOf(result)]);
    const text = await table(['outcome', 'run', 'why'], rows, 'no triggers');
    print({ json: results, text }, options);
  });
}

/** @throws InvalidInputError naming the entry at fault: the schedule takes all of them or none */
function readTriggers(id: string, options: TriggerOptions, path: string): readonly TriggerRequest[] {
  const beside = (['key', 'input', 'overlap', 'wait'] as const).filter((name) => options[name] !== undefined);
  if (beside.length > 0) {
    const message = `says it for each trigger, so ${beside.map((name) => `--${name}`).join(', ')} cannot be given too: write it into the file`;
    throw new InvalidInputError(`schedule "${id}"`, [{ path: '--file', message }]);
  }
  const document = readDocument(path);
  if (!Array.isArray(document) || document.length === 0) {
    const message = 'must hold a list of triggers, such as [{ "key": "a", "input": { "n": 1 } }]';
    throw new InvalidInputError(path, [{ path: '', message }]);
  }
  if (document.length > PENDING_MAX) {
    const message = `holds ${document.length} triggers, at most ${PENDING_MAX} are taken at a time: split it`;
    throw new InvalidInputError(path, [{ path: '', message }]);
  }
  const issues = document.flatMap((entry: unknown, index) => {
    const checked = checkScheduleMessage('trigger', entry);
    return 'problem' in checked ? [{ path: `[${index}]`, message: checked.problem }] : [];
  });
  if (issues.length > 0) throw new InvalidInputError(path, issues);
  return document.map((entry: TriggerRequest) => ({ ...noteOf(options), ...entry }));
}
