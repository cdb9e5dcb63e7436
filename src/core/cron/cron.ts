/**
 * Cron expressions: five, six or seven fields and the `@` aliases become fields; field problems become issues.
 * Called by recurrence.ts. Pure; what an expression means is said in notes where readers of other crons could err.
 */
import { type FieldName, type WeekdayNumbering, parseField } from './fields.ts';
import type { Field } from './fields.ts';
import type { CronFields } from './wall-times.ts';

export type CronResult =
  | { readonly ok: true; readonly fields: CronFields; readonly notes: readonly string[] }
  | { readonly ok: false; readonly messages: readonly string[] };

const ALIASES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const DATE_FIELDS = ['minute', 'hour', 'day of month', 'month', 'day of week'] as const;

const FORMS: Readonly<Record<number, readonly FieldName[]>> = {
  5: DATE_FIELDS,
  6: [...DATE_FIELDS, 'year'],
  7: ['second', ...DATE_FIELDS, 'year'],
};

/** Reads `0 9 * * mon-fri`, `@daily` and the like, given in lower case with single spaces. */
export function parseCron(text: string): CronResult {
  const expression = Object.hasOwn(ALIASES, text) ? (ALIASES[text] ?? text) : text;
  if (expression.startsWith('@')) {
    return refuse(
      `"${expression}" is no known alias: use ${Object.keys(ALIASES).join(' ')} or "@every <duration>"`,
    );
  }
  const parts = expression.split(' ');
  const form = FORMS[parts.length];
  if (form === undefined) {
    return refuse(
      `"${text}" has ${parts.length} field${parts.length === 1 ? '' : 's'}, a cron expression has 5 (minute hour day-of-month month day-of-week), 6 (and the year) or 7 (seconds first, year last): write for example "0 9 * * mon-fri", or "every 15m"`,
    );
  }
  const result = readFields(form, parts, 'cron');
  if (!result.ok) return parts.length === 6 ? withSixFieldAdvice(result, parts) : result;
  return parts.length === 6 ? { ...result, notes: [sixFieldNote(parts), ...result.notes] } : result;
}

/** Reads the inside of EventBridge's `cron(...)`: six fields, the sixth the year, days of the week 1-7 from Sunday. */
export function parseEventBridgeCron(inside: string): CronResult {
  const parts = inside.split(' ');
  if (parts.length !== 6) {
    return refuse(
      `cron(${inside}) has ${parts.length} fields, it takes 6: minute hour day-of-month month day-of-week year, for example cron(0 9 ? * MON-FRI *)`,
    );
  }
  const result = readFields(FORMS[6] ?? [], parts, 'eventbridge');
  if (!result.ok) return result;
  if (!result.fields.dayOfMonth.any && !result.fields.dayOfWeek.any) {
    return refuse(
      `cron(${inside}) restricts both day-of-month and day-of-week, which EventBridge does not take: put ? in one of them`,
    );
  }
  return result;
}

function readFields(
  form: readonly FieldName[],
  parts: readonly string[],
  numbering: WeekdayNumbering,
): CronResult {
  const fields = new Map<FieldName, Field>();
  const messages: string[] = [];
  form.forEach((name, index) => {
    const result = parseField(name, parts[index] ?? '', numbering);
    if (result.ok) fields.set(name, result.field);
    else messages.push(result.message);
  });
  if (messages.length > 0) return { ok: false, messages };
  const field = (name: FieldName, missing: string) => fields.get(name) ?? constantField(name, missing);
  const read: CronFields = {
    second: field('second', '0'),
    minute: field('minute', '*'),
    hour: field('hour', '*'),
    dayOfMonth: field('day of month', '*'),
    month: field('month', '*'),
    dayOfWeek: field('day of week', '*'),
    year: field('year', '*'),
  };
  return { ok: true, fields: read, notes: dayNotes(read) };
}

/** The value of a field that the form leaves out. */
function constantField(name: FieldName, text: string): Field {
  const result = parseField(name, text, 'cron');
  if (!result.ok) throw new Error(result.message);
  return result.field;
}

function dayNotes(fields: CronFields): string[] {
  if (fields.dayOfMonth.any || fields.dayOfWeek.any) return [];
  return [
    'day-of-month and day-of-week are both restricted: a day that matches EITHER is due (native Temporal Schedules want both)',
  ];
}

function sixFieldNote(parts: readonly string[]): string {
  const [minute = '', hour = '', , , , year = ''] = parts;
  return `six fields are read as minute hour day-of-month month day-of-week YEAR: minute "${minute}", hour "${hour}", year "${year}"; for seconds write seven fields: "${parts.join(' ')} *"`;
}

function withSixFieldAdvice(result: CronResult & { ok: false }, parts: readonly string[]): CronResult {
  const advice = `six fields are read with the YEAR last; if the first one means seconds, add a year: "${parts.join(' ')} *"`;
  return { ok: false, messages: [...result.messages, advice] };
}

function refuse(message: string): CronResult {
  return { ok: false, messages: [message] };
}
