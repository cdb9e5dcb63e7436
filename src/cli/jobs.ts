/** `escapement job at|in|describe|cancel|reschedule`. */
import type { JobHandle } from '../client/job-handle.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { createNames, isoInstant } from '../contract/ids.ts';
import type { RunInput } from '../contract/schedule.ts';
import { parseRun } from '../contract/run-schema.ts';
import { findZone, parseInstant } from '../core/cron/zone.ts';
import { loadConfig } from '../config/config.ts';
import { awaitEnd, endText } from './invocation-end.ts';
import { cancelInvocation, describeInvocation } from './invocations.ts';
import { heedOffers } from './offers.ts';
import { print } from './output.ts';
import { readRunFlags, type RunFlags } from './run-flags.ts';
import { type ActOptions, noteOf } from './schedule-acts.ts';
import { type GlobalOptions, withScheduler } from './session.ts';

export type JobOptions = GlobalOptions &
  RunFlags & {
    readonly id?: string;
    readonly timeZone?: string;
    readonly strict?: boolean;
    readonly wait?: boolean;
  };

export type RescheduleOptions = ActOptions;

/** @throws InvalidInputError where the text is neither an instant nor a wall time of the zone */
export async function startJobAt(at: string, options: JobOptions): Promise<void> {
  const { timeZone = 'UTC' } = options;
  const zone = findZone(timeZone);
  if (zone === undefined) {
    const message = `"${timeZone}" is no time zone: use an IANA name such as "Europe/Berlin"`;
    throw new InvalidInputError('job', [{ path: '--time-zone', message }]);
  }
  const atMs = parseInstant(at, zone);
  if (atMs === undefined) {
    const message = `"${at}" is no instant of 1970 to 2099: write ISO 8601, for example 2026-03-08T07:00:00Z`;
    throw new InvalidInputError('job', [{ path: 'instant', message }]);
  }
  await startJob(() => atMs, options);
}

export async function startJobIn(delayMs: number, options: JobOptions): Promise<void> {
  await startJob(() => Date.now() + delayMs, options);
}

async function startJob(dueAt: () => number, options: JobOptions): Promise<void> {
  const { id } = options;
  const subject = id === undefined ? 'job' : `job "${id}"`;
  const flags = readRunFlags(subject, options);
  if (flags.target === undefined) {
    const message = 'is missing: say what, such as --command "date" or --target NAME';
    throw new InvalidInputError(subject, [{ path: '--target', message }]);
  }
  const run: RunInput = { ...flags, target: flags.target };
  const policy = parseRun(subject, run);
  await withScheduler(options, async (scheduler) => {
    await heedOffers(scheduler.gateway, policy, options.strict === true);
    const dueAtMs = dueAt();
    const handle = await scheduler.at(dueAtMs, run, id === undefined ? {} : { id });
    await printStarted(handle, dueAtMs, options);
  });
}

async function printStarted(handle: JobHandle, dueAtMs: number, options: JobOptions): Promise<void> {
  const started = { id: handle.jobId, invocationId: handle.id, dueAtMs };
  const text = `job "${handle.jobId}" is due ${isoInstant(dueAtMs)}`;
  if (options.wait !== true) return print({ json: started, text }, options);
  // A person who waits should see what for; JSON is one document, at the end.
  if (options.json !== true) process.stdout.write(`${text}\n`);
  const end = await awaitEnd(handle);
  print({ json: { ...started, ...end }, text: endText(end) }, options);
}

export async function describeJob(id: string, options: GlobalOptions): Promise<void> {
  await describeInvocation(workflowIdOf(id, options), options);
}

export async function cancelJob(id: string, options: GlobalOptions): Promise<void> {
  await cancelInvocation(workflowIdOf(id, options), options);
}

export async function rescheduleJob(id: string, atMs: number, options: RescheduleOptions): Promise<void> {
  await withScheduler(options, async (scheduler) => {
    const handle = scheduler.jobs.get(id);
    await handle.reschedule(atMs, noteOf(options));
    const json = { id, invocationId: handle.id, dueAtMs: atMs };
    print({ json, text: `job "${id}" is asked to run at ${isoInstant(atMs)}` }, options);
  });
}

function workflowIdOf(id: string, options: GlobalOptions): string {
  return createNames(loadConfig(options).deployment).jobWorkflowId(id);
}
