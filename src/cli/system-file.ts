/**
 * A file of pools, schedules and jobs (YAML or JSON), read and checked: for `schedule create --file` and for the demo.
 * Promise: everything wrong in it is told at once, each with its entry and field; what is returned passes the door
 * of the SDK. Nothing is created here.
 */
import { readFileSync, statSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { checkSchedule } from '../client/definition.ts';
import { type InputIssue, InvalidInputError } from '../contract/errors.ts';
import { idProblem } from '../contract/ids.ts';
import { isRecord } from '../contract/message-shape.ts';
import type { PoolSettings } from '../contract/pools.ts';
import type { RunInput, ScheduleInput } from '../contract/schedule.ts';
import { durationSchema, instantSchema, issuesOf } from '../contract/fields.ts';
import { parseRun } from '../contract/run-schema.ts';
import { TTL_MS_MIN } from '../core/limits.ts';

/** A job of a file: what it runs, and when, as ms since the epoch or ms from its start. */
type JobEntry = { readonly run: RunInput } & ({ readonly inMs: number } | { readonly atMs: number });

export interface SystemFile {
  readonly pools: Readonly<Record<string, Partial<PoolSettings>>>;
  readonly schedules: Readonly<Record<string, ScheduleInput>>;
  readonly jobs: Readonly<Record<string, JobEntry>>;
}

/** A file of 10,000 schedules takes about this much; more is not what somebody wrote. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Lengths such as `3s`; the gateway's schema checks them again as milliseconds. */
const poolSettingsSchema = z
  .strictObject({
    workerTtl: durationSchema(TTL_MS_MIN).optional(),
    replicaTtl: durationSchema(TTL_MS_MIN).optional(),
    allocTtl: durationSchema(TTL_MS_MIN).optional(),
    reserveAfter: durationSchema().optional(),
    retryMax: z.int().min(0).max(1_000).optional(),
  })
  .transform(
    (given): Partial<PoolSettings> => ({
      ...(given.workerTtl !== undefined && { workerTtlMs: given.workerTtl }),
      ...(given.replicaTtl !== undefined && { replicaTtlMs: given.replicaTtl }),
      ...(given.allocTtl !== undefined && { allocTtlMs: given.allocTtl }),
      ...(given.reserveAfter !== undefined && { reserveAfterMs: given.reserveAfter }),
      ...(given.retryMax !== undefined && { retryMax: given.retryMax }),
    }),
  );

const SECTIONS = ['pools', 'schedules', 'jobs'] as const;

/**
 * Reads a file with the sections `pools`, `schedules` and `jobs`, each a map from id to entry and each optional.
 * @throws InvalidInputError with an issue for every field at fault, such as `schedules.nightly.size`
 */
export function readSystemFile(path: string, nowMs = Date.now()): SystemFile {
  return checkSystem(path, readDocument(path), nowMs);
}

/** The same for what has been read already. @throws InvalidInputError */
export function checkSystem(path: string, document: unknown, nowMs = Date.now()): SystemFile {
  const issues: InputIssue[] = [];
  const given = isRecord(document) ? document : {};
  if (!isRecord(document)) issues.push({ path: '', message: `must hold ${SECTIONS.join(', ')}` });
  for (const name of Object.keys(given)) {
    if (SECTIONS.some((known) => known === name)) continue;
    issues.push({ path: name, message: `is no section: known are ${SECTIONS.join(', ')}` });
  }
  const read = <T>(section: (typeof SECTIONS)[number], check: (value: unknown) => T) =>
    entriesOf(section, given[section], check, issues);
  const system = {
    pools: read('pools', checkPool),
    schedules: read('schedules', (value) => checkScheduleEntry(value, nowMs)),
    jobs: read('jobs', checkJob),
  };
  if (issues.length > 0) throw new InvalidInputError(path, issues);
  return system;
}

/** YAML or JSON, which is YAML too. @throws InvalidInputError where it cannot be read */
export function readDocument(path: string): unknown {
  const refused = (message: string, cause?: unknown) =>
    new InvalidInputError(path, [{ path: '', message }], { cause });
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX)
      throw refused(`has ${size} bytes, at most ${FILE_BYTES_MAX} are read: split it`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    throw refused(`cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw refused(`is no YAML or JSON: ${problem.message.split('\n')[0]}`, problem);
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Aliases that unfold to more than a file could hold.
    throw refused(`is no YAML or JSON: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function entriesOf<T>(
  section: string,
  value: unknown,
  check: (value: unknown) => T,
  issues: InputIssue[],
): Readonly<Record<string, T>> {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) {
    issues.push({ path: section, message: 'must be a map from ids to entries' });
    return {};
  }
  const entries: [string, T][] = [];
  for (const [id, entry] of Object.entries(value)) {
    const problem = idProblem(section.slice(0, -1), id);
    if (problem !== undefined) issues.push({ path: section, message: problem });
    try {
      entries.push([id, check(entry)]);
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      for (const issue of error.issues) {
        issues.push({ ...issue, path: [section, id, issue.path].filter(Boolean).join('.') });
      }
    }
  }
  return Object.fromEntries(entries);
}

function checkPool(value: unknown): Partial<PoolSettings> {
  const parsed = poolSettingsSchema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  throw new InvalidInputError('pool', issuesOf(parsed.error));
}

function checkScheduleEntry(value: unknown, nowMs: number): ScheduleInput {
  checkSchedule('schedule', value, nowMs);
  return value as ScheduleInput;
}

const jobTimeSchema = z.union([
  z.strictObject({ in: durationSchema() }).transform((given) => ({ inMs: given.in })),
  z.strictObject({ at: instantSchema }).transform((given) => ({ atMs: given.at })),
]);

function checkJob(value: unknown): JobEntry {
  if (!isRecord(value)) throw new InvalidInputError('job', [{ path: '', message: 'must be an object' }]);
  const { in: delay, at, ...run } = value;
  const issues: InputIssue[] = [];
  const time = jobTimeSchema.safeParse({
    ...(delay !== undefined && { in: delay }),
    ...(at !== undefined && { at }),
  });
  if ((delay === undefined) === (at === undefined)) {
    issues.push({ path: '', message: 'needs either "in" (a length such as 5s) or "at" (an instant)' });
  } else if (!time.success) issues.push(...issuesOf(time.error));
  try {
    parseRun('job', run);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    issues.push(...error.issues);
  }
  if (!time.success || issues.length > 0) throw new InvalidInputError('job', issues);
  return { run: run as unknown as RunInput, ...time.data };
}
