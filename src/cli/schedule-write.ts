/** `escapement schedule create` and `schedule change`: from flags or a file to the SDK, with what a person should know. */
import { checkWithCalendars } from '../client/definition.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import { isRecord } from '../contract/message-shape.ts';
import type { ScheduleDefinition, ScheduleInput } from '../contract/schedule.ts';
import type { CompiledSpec } from '../core/cron/spec.ts';
import { previewOf } from '../client/preview.ts';
import { heedOffers } from './offers.ts';
import { print, warn } from './output.ts';
import { inputOf, readScheduleFlags, refuseFlagsBesideFile, type ScheduleFlags } from './schedule-flags.ts';
import { stateLine } from './schedule-card.ts';
import { defaultActor, type GlobalOptions, openGateway, withScheduler } from './session.ts';
import { defined } from './run-flags.ts';
import { printPreview } from './schedule-preview.ts';
import { unset } from './schedule-unset.ts';
import { readDocument } from './system-file.ts';

export type CreateOptions = GlobalOptions &
  ScheduleFlags & {
    readonly disabled?: boolean;
    readonly strict?: boolean;
    readonly dryRun?: boolean;
    readonly count?: number;
  };

export type ChangeOptions = GlobalOptions &
  ScheduleFlags & {
    readonly strict?: boolean;
    readonly unset?: readonly string[];
    readonly revision?: number;
    readonly reason?: string;
    readonly actor?: string;
  };

/** Next times shown once a schedule has been made or changed. */
const NEXT_SHOWN = 3;

export async function createSchedule(id: string, options: CreateOptions): Promise<void> {
  const subject = `schedule "${id}"`;
  const read = options.file === undefined ? readScheduleFlags(subject, options) : readFile(id, options);
  const schedule: ScheduleInput = options.disabled === true ? { ...read, enabled: false } : read;
  const gateway = await openGateway(options);
  const checked = await checkWithCalendars(gateway, options.file ?? subject, schedule, Date.now());
  const { definition, spec } = checked;
  warn('note', spec.notes);
  await heedOffers(gateway, definition.run, options.strict === true);
  if (options.dryRun === true) {
    const wanted = { id, ...defined({ count: options.count }) };
    // Whether those that it triggers lead back to it, Temporal alone knows.
    const preview =
      definition.triggers === undefined
        ? previewOf(checked, Date.now(), wanted)
        : await withScheduler(options, ({ schedules }) => schedules.preview(schedule, wanted));
    printPreview(id, preview, options);
    return;
  }
  const workflowId = await withScheduler(options, async (scheduler) => {
    return (await scheduler.schedules.create(id, schedule)).workflowId;
  });
  const enabled = schedule.enabled !== false;
  const count = Math.min(NEXT_SHOWN, definition.limitedRuns ?? NEXT_SHOWN);
  const { next } = previewOf(checked, Date.now(), { id, count });
  const nextTimes = enabled ? next.map(({ dueAtMs }) => dueAtMs) : [];
  print(
    {
      json: { id, workflowId, enabled, nextTimesMs: nextTimes, notes: spec.notes },
      text: [`schedule "${id}" created${enabled ? '' : ', disabled'}`, ...nextLines(spec, nextTimes)].join(
        '\n',
      ),
    },
    options,
  );
}

export async function changeSchedule(id: string, options: ChangeOptions): Promise<void> {
  const subject = `schedule "${id}"`;
  const { reason, actor = defaultActor() } = options;
  await withScheduler(options, async (scheduler) => {
    const handle = scheduler.schedules.get(id);
    const { schedule, revision } =
      options.file === undefined
        ? await overPresent(subject, options, () => handle.describe())
        : { schedule: readFile(id, options), revision: options.revision };
    const asked = options.file ?? subject;
    const { definition, spec } = await checkWithCalendars(scheduler.gateway, asked, schedule, Date.now());
    warn('note', spec.notes);
    await heedOffers(scheduler.gateway, definition.run, options.strict === true);
    const description = await handle.change(schedule, {
      ...(reason !== undefined && { reason }),
      ...(actor !== undefined && { actor }),
      ...(revision !== undefined && { revision }),
    });
    const times = description.nextTimesMs.slice(0, NEXT_SHOWN);
    print(
      { json: description, text: [stateLine(description), ...nextLines(spec, times)].join('\n') },
      options,
    );
  });
}

/** Flags change what they name; a change made by another meanwhile is refused rather than undone. */
async function overPresent(
  subject: string,
  options: ChangeOptions,
  describe: () => Promise<{ readonly definition: ScheduleDefinition; readonly revision: number }>,
): Promise<{ readonly schedule: ScheduleInput; readonly revision: number }> {
  const present = await describe();
  const schedule = readScheduleFlags(
    subject,
    options,
    unset(inputOf(present.definition), options.unset ?? []),
  );
  return { schedule, revision: options.revision ?? present.revision };
}

/** A file of one schedule, or a system file with one entry under `schedules`. */
function readFile(id: string, options: ScheduleFlags & { readonly file?: string }): ScheduleInput {
  const path = options.file ?? '';
  refuseFlagsBesideFile(`schedule "${id}"`, options);
  const document = readDocument(path);
  if (!isRecord(document)) {
    throw new InvalidInputError(path, [{ path: '', message: 'must hold a schedule: spec, target, …' }]);
  }
  if (!('schedules' in document)) return document as unknown as ScheduleInput;
  const entries = isRecord(document['schedules']) ? Object.entries(document['schedules']) : [];
  const named = entries.find(([name]) => name === id);
  if (named !== undefined) return named[1] as ScheduleInput;
  const known = entries.map(([name]) => `"${name}"`).join(', ');
  const message = `has no entry "${id}": ${known === '' ? 'it is empty' : `there are ${known}`}`;
  throw new InvalidInputError(path, [{ path: 'schedules', message }]);
}

function nextLines(spec: CompiledSpec, timesMs: readonly number[]): readonly string[] {
  if (spec.timing.kind === 'triggered') return ['next: nothing comes by itself, trigger it'];
  const shown = spec.timeZone === 'UTC' ? isoInstant : (atMs: number) => spec.local(atMs);
  return timesMs.map((atMs, index) => `${index === 0 ? 'next:' : '     '} ${shown(atMs)}`);
}
