/**
 * The file of a snapshot: all schedules of a deployment, and the calendars that they
 * name, as one JSON document with a version and a checksum. Written by
 * `snapshot`, read by `restore`. Promise: a file under its name is whole (it is written beside and renamed), and one that is
 * not, or that a newer program wrote, is an error that says so; a file that is missing is no snapshot.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { CalendarContent } from '../contract/calendars.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { issuesOf } from '../contract/fields.ts';
import { isRecord } from '../contract/message-shape.ts';
import type { ScheduleInput } from '../contract/schedule.ts';

const FORMAT = 'escapement-snapshot';
/** 2 has calendars and occurrences; 1 is still read. */
const VERSION = 2;

const instant = z.iso.datetime();
const suspension = z.object({
  since: instant,
  until: instant.optional(),
  reason: z.string().optional(),
  actor: z.string().optional(),
});

/** A nominal time that is not to run as planned. */
const occurrence = z.object({
  at: instant,
  act: z.enum(['skip', 'move', 'hold']),
  to: instant.optional(),
  reason: z.string().optional(),
  actor: z.string().optional(),
});

const entry = z.object({
  id: z.string(),
  /** As `create` takes it; checked there. */
  schedule: z.custom<ScheduleInput>((value) => typeof value === 'object' && value !== null),
  state: z.enum(['active', 'paused', 'disabled', 'finished', 'stuck']),
  revision: z.int(),
  createdAt: instant,
  /** When its present definition began. */
  changedAt: instant,
  /** When it was asked: what was due until then has its outcome. */
  seenAt: instant,
  /** The newest nominal time that had been decided on. */
  lastDueAt: instant.optional(),
  paused: suspension.optional(),
  disabled: suspension.optional(),
  occurrences: z.array(occurrence).optional(),
});

/** A named calendar that one of the schedules leaves out; checked where it is put. */
const calendar = z.object({
  id: z.string(),
  content: z.custom<CalendarContent>((value) => isRecord(value) && Array.isArray(value.dates)),
});

const content = z.object({
  takenAt: instant,
  deployment: z.string(),
  calendars: z.array(calendar).default([]),
  schedules: z.array(entry),
  /** Those that were there and gave no answer: they are missing from `schedules`. */
  unanswered: z.array(z.object({ id: z.string(), reason: z.string() })).optional(),
});

export type SnapshotEntry = z.infer<typeof entry>;
export type Snapshot = z.infer<typeof content>;

/** The document that a file holds. */
export function snapshotText(snapshot: Snapshot): string {
  const body = { format: FORMAT, version: VERSION, ...snapshot };
  return `${JSON.stringify({ ...body, checksum: checksumOf(JSON.parse(JSON.stringify(body))) }, null, 2)}\n`;
}

function checksumOf(body: unknown): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(body)).digest('hex')}`;
}

/** Atomic and durable: after it has returned the file survives a power cut, before it nothing has changed. */
export async function writeSnapshot(path: string, snapshot: Snapshot): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const file = await open(beside, 'w');
    try {
      await file.writeFile(snapshotText(snapshot));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}

/** Of a folder the newest. Undefined where there is none. @throws InvalidInputError where it is corrupt or newer */
export async function readSnapshot(
  path: string,
): Promise<{ readonly path: string; readonly snapshot: Snapshot } | undefined> {
  const file = (await isFolder(path)) ? await newestIn(path) : path;
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return { path: file, snapshot: parseSnapshot(file, text) };
}

/** @throws InvalidInputError where it is corrupt or newer */
export function parseSnapshot(path: string, text: string): Snapshot {
  const refuse = (field: string, message: string) => new InvalidInputError(path, [{ path: field, message }]);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw refuse('', 'is no JSON, so it is damaged or no snapshot: take an older one');
  }
  const head = z
    .object({ format: z.literal(FORMAT), version: z.int(), checksum: z.string() })
    .safeParse(document);
  if (!head.success) throw refuse('', 'is no snapshot of Escapement: format, version or checksum is missing');
  const { version, checksum } = head.data;
  if (version > VERSION) {
    throw refuse('version', `is ${version}, this program reads up to ${VERSION}: use the one that wrote it`);
  }
  const { checksum: _, ...body } = document as Record<string, unknown>;
  if (checksumOf(body) !== checksum) {
    throw refuse('checksum', 'does not fit the rest, so the file is damaged: take an older one');
  }
  const parsed = content.safeParse(body);
  if (!parsed.success) throw new InvalidInputError(path, issuesOf(parsed.error));
  return parsed.data;
}

export async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

const NAME = /^snapshot-[\dTZ.-]+\.json$/;

/** A name that sorts by its time. */
export function snapshotName(takenAt: string): string {
  return `snapshot-${new Date(takenAt).toISOString().replaceAll(':', '-')}.json`;
}

/** Oldest first. */
async function snapshotsIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => NAME.test(name)).sort();
}

async function newestIn(folder: string): Promise<string | undefined> {
  const name = (await snapshotsIn(folder)).at(-1);
  return name === undefined ? undefined : join(folder, name);
}

/**
 * Removes all but the newest; files of other names are left alone. Where none of those lacks nobody, the newest that does is
 * left too: what gives no answer for long must not be forgotten.
 */
export async function keepNewest(folder: string, keep: number): Promise<void> {
  const names = (await snapshotsIn(folder)).toReversed();
  const older = names.slice(keep);
  if (older.length === 0) return;
  const kept = await newestWhole(folder, names);
  for (const name of older) {
    if (name !== kept) await rm(join(folder, name), { force: true });
  }
}

/** Of the names, newest first, the first that lacks nobody. */
async function newestWhole(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    // A file that is damaged lacks everybody.
    const found = await readSnapshot(join(folder, name)).catch(() => undefined);
    if (found !== undefined && found.snapshot.unanswered === undefined) return name;
  }
  return undefined;
}
