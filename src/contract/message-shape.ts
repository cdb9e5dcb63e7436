/**
 * Plain shape checks of what is sent to a schedule: which fields there are, of which types and sizes. Used by the schedule
 * workflow and by clients before they send; what needs a cron or a zone is checked by the `plan` activity.
 */
import { INPUT_CHARS_MAX, MESSAGE_CHARS_MAX, TEXT_CHARS_MAX } from '../core/limits.ts';
import type {
  BackfillRequest,
  CalendarChanged,
  CatchUpRequest,
  ChangeNote,
  ChangeRequest,
  DeleteRequest,
  InvocationEnded,
  OccurrenceRequest,
  RevertRequest,
  StopBacklogRequest,
  TriggerManyRequest,
  TriggerRequest,
} from './messages.ts';
import type { Overlap } from './schedule.ts';
import { charsOf, inputTooLarge, shown } from './size.ts';

/** Kinds of messages that a person or program sends to a schedule. */
export type ScheduleMessage =
  | { readonly kind: 'enable' | 'resume'; readonly request: ChangeNote }
  | { readonly kind: 'disable' | 'pause'; readonly request: ChangeNote & { readonly untilMs?: number } }
  | { readonly kind: 'changeSchedule'; readonly request: ChangeRequest }
  | { readonly kind: 'trigger'; readonly request: TriggerRequest }
  | { readonly kind: 'triggerMany'; readonly request: TriggerManyRequest }
  | { readonly kind: 'revert'; readonly request: RevertRequest }
  | { readonly kind: 'changeOccurrence'; readonly request: OccurrenceRequest }
  | { readonly kind: 'backfill'; readonly request: BackfillRequest }
  | { readonly kind: 'catchUp'; readonly request: CatchUpRequest }
  | { readonly kind: 'stopBacklog'; readonly request: StopBacklogRequest }
  | { readonly kind: 'calendarChanged'; readonly request: CalendarChanged }
  | { readonly kind: 'delete'; readonly request: DeleteRequest }
  | { readonly kind: 'invocationEnded'; readonly request: InvocationEnded };

export type ScheduleMessageKind = ScheduleMessage['kind'];

/** The message, or one sentence that says what is wrong with it. */
export type Checked =
  | { readonly message: ScheduleMessage }
  | {
      readonly problem: string;
      /** The field at fault, where it is one. */
      readonly field?: string;
    };

/** What a payload becomes when it cannot be decoded: the workflow then records it and lives on. */
export const UNDECODABLE = 'escapement/undecodable';

export function isUndecodable(value: unknown): value is { readonly [UNDECODABLE]: string } {
  return isRecord(value) && typeof value[UNDECODABLE] === 'string';
}

/** Checks the shape of a schedule message. Extra fields are wrong: a misspelt `untill` must not pass silently. */
export function checkScheduleMessage(kind: ScheduleMessageKind, payload: unknown): Checked {
  if (isUndecodable(payload))
    return { problem: `${kind}: payload cannot be decoded (${payload[UNDECODABLE]})` };
  const given = payload ?? {};
  if (!isRecord(given)) return { problem: `${kind}: expected an object, got ${shown(payload)}` };
  const wrong = fieldProblem(given, FIELDS[kind]) ?? sizeProblem(given);
  if (wrong !== undefined) return { problem: `${kind}: ${wrong.problem}`, field: wrong.field };
  return { message: { kind, request: withUntil(kind, given) } as unknown as ScheduleMessage };
}

/** A list of texts: one of them. */
type Field = 'string' | 'boolean' | 'number' | 'instant' | 'object' | 'list' | 'any' | readonly string[];
type Fields = Readonly<Record<string, { readonly type: Field; readonly required?: true }>>;

/** All rules of overlap, as people write them. */
export const OVERLAPS = [
  'skip',
  'bufferOne',
  'bufferNewest',
  'bufferAll',
  'cancelOther',
  'terminateOther',
  'allowAll',
] as const satisfies readonly Overlap[];

const NOTE: Fields = { reason: { type: 'string' }, actor: { type: 'string' } };
const TRIGGER: Fields = {
  ...NOTE,
  key: { type: 'string' },
  input: { type: 'any' },
  overlap: { type: OVERLAPS },
  upstream: { type: 'string' },
};
const FIELDS: Readonly<Record<ScheduleMessageKind, Fields>> = {
  enable: NOTE,
  resume: NOTE,
  disable: { ...NOTE, until: { type: 'instant' } },
  pause: { ...NOTE, until: { type: 'instant' } },
  changeSchedule: { ...NOTE, schedule: { type: 'object', required: true }, revision: { type: 'number' } },
  trigger: TRIGGER,
  triggerMany: { triggers: { type: 'list', required: true } },
  revert: { ...NOTE, to: { type: 'number', required: true }, revision: { type: 'number' } },
  changeOccurrence: {
    ...NOTE,
    at: { type: 'instant', required: true },
    act: { type: ['skip', 'move', 'hold', 'restore'], required: true },
    to: { type: 'instant' },
  },
  backfill: {
    ...NOTE,
    from: { type: 'instant', required: true },
    to: { type: 'instant', required: true },
    order: { type: ['oldest', 'newest'] },
    concurrency: { type: 'number' },
    perSecond: { type: 'number' },
    rerun: { type: 'boolean' },
    key: { type: 'string' },
  },
  catchUp: {
    ...NOTE,
    since: { type: 'instant', required: true },
    until: { type: 'instant' },
    except: { type: 'list' },
  },
  stopBacklog: { ...NOTE, id: { type: 'string', required: true } },
  calendarChanged: {
    calendarId: { type: 'string', required: true },
    revision: { type: 'number', required: true },
  },
  delete: { ...NOTE, cancelRunning: { type: 'boolean' } },
  invocationEnded: {
    invocationId: { type: 'string', required: true },
    status: { type: 'string', required: true },
    endedAtMs: { type: 'number', required: true },
  },
};

interface FieldProblem {
  readonly field: string;
  readonly problem: string;
}

function fieldProblem(given: Readonly<Record<string, unknown>>, fields: Fields): FieldProblem | undefined {
  for (const field of Object.keys(given)) {
    if (fields[field] === undefined) {
      const known = Object.keys(fields).join(', ');
      return { field, problem: `unknown field ${shown(field)}: known are ${known}` };
    }
  }
  for (const [field, { type, required }] of Object.entries(fields)) {
    const value = given[field];
    if (value === undefined || value === null) {
      if (required === true) return { field, problem: `field "${field}" is missing` };
    } else if (!fits(value, type)) {
      return { field, problem: `field "${field}" must be ${wanted(type)}, got ${shown(value)}` };
    } else if (type === 'string' && typeof value === 'string' && value.length > TEXT_CHARS_MAX) {
      const problem = `field "${field}" has ${value.length} characters, at most ${TEXT_CHARS_MAX} are allowed`;
      return { field, problem };
    }
  }
  return undefined;
}

/** Names the largest field of a message that is too large. */
function sizeProblem(given: Readonly<Record<string, unknown>>): FieldProblem | undefined {
  const sizes = Object.entries(given).map(([field, value]) => ({ field, ...charsOf(value) }));
  for (const { field, chars, wrong } of sizes) {
    if (wrong !== undefined)
      return { field, problem: `field "${field}" cannot be written as JSON: ${wrong}` };
    if (field === 'input' && chars > INPUT_CHARS_MAX)
      return { field, problem: `field "input" ${inputTooLarge(chars)}` };
  }
  const all = sizes.reduce((sum, { chars }) => sum + chars, 0);
  if (all <= MESSAGE_CHARS_MAX) return undefined;
  const { field = '', chars = 0 } = sizes.toSorted((a, b) => b.chars - a.chars)[0] ?? {};
  const problem = `field "${field}" has ${chars} characters as JSON, and all together at most ${MESSAGE_CHARS_MAX} are allowed: send less at once`;
  return { field, problem };
}

function wanted(type: Field): string {
  return typeof type === 'string' ? WANTED[type] : `one of ${type.join(', ')}`;
}

const WANTED: Readonly<Record<Extract<Field, string>, string>> = {
  string: 'a string',
  boolean: 'true or false',
  number: 'a number',
  instant: 'an ISO 8601 instant with its offset, such as "2026-01-31T09:00:00Z"',
  object: 'an object',
  list: 'a list',
  any: 'anything',
};

function fits(value: unknown, type: Field): boolean {
  if (typeof type !== 'string') return typeof value === 'string' && type.includes(value);
  switch (type) {
    case 'any':
      return true;
    case 'object':
      return isRecord(value);
    case 'list':
      return Array.isArray(value);
    case 'instant':
      return parseInstant(value) !== undefined;
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

function withUntil(kind: ScheduleMessageKind, given: Readonly<Record<string, unknown>>): unknown {
  if (kind !== 'disable' && kind !== 'pause') return given;
  const { until, ...rest } = given;
  const untilMs = parseInstant(until);
  return untilMs === undefined ? rest : { ...rest, untilMs };
}

const INSTANT =
  /^(\d{4})-(\d{2})-(\d{2})T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-][01]\d:[0-5]\d)$/;

/** ms since the epoch of an ISO 8601 instant with offset; undefined for anything else, dates that do not exist included. */
export function parseInstant(value: unknown): number | undefined {
  const parts = typeof value === 'string' ? INSTANT.exec(value) : null;
  if (parts === null) return undefined;
  const [text, year, month, day] = parts;
  // `Date.parse` would roll February 30 over to March.
  const midnight = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (midnight.getUTCDate() !== Number(day) || midnight.getUTCMonth() !== Number(month) - 1) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : atMs;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
