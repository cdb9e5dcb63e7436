/**
 * One field of a cron expression: which characters it takes and which values they name.
 * Called by cron.ts. Pure; a problem is returned as text that says which value is wrong and what may stand there.
 */
import { YEAR_MAX, YEAR_MIN } from './civil.ts';

export type FieldName = 'second' | 'minute' | 'hour' | 'day of month' | 'month' | 'day of week' | 'year';

/** The values a field names; the day rules of `L`, `W` and `#` stand beside the plain values. */
export interface Field {
  /** Sorted plain values; days of the week 0 (Sunday) to 6. */
  readonly values: readonly number[];
  /** True for `*`, `?` and `*\/1`: the field restricts nothing. */
  readonly any: boolean;
  /** True where `*` or `?` stands in it, with or without a step. */
  readonly star: boolean;
  /** `L` in day of month. */
  readonly lastDay: boolean;
  /** `LW`. */
  readonly lastWeekday: boolean;
  /** `15W`: the weekday nearest to the 15th, within the month. */
  readonly nearestWeekdays: readonly number[];
  /** `5L`: the last Friday. */
  readonly lastOfMonth: readonly number[];
  /** `5#2`: the second Friday. */
  readonly nthOfMonth: readonly WeekdayRule[];
}

export interface WeekdayRule {
  readonly weekday: number;
  readonly nth: number;
}

export type FieldResult =
  | { readonly ok: true; readonly field: Field }
  | { readonly ok: false; readonly message: string };

/** How days of the week are counted: `cron` 0-7 with Sunday as 0 and 7, `eventbridge` 1-7 from Sunday. */
export type WeekdayNumbering = 'cron' | 'eventbridge';

/** What may stand in one field, in the numbers a person writes. */
interface FieldRules {
  readonly name: FieldName;
  readonly min: number;
  readonly max: number;
  /** Where `*` and `a/n` end: 6 for cron's days of the week, as its 7 is Sunday again. */
  readonly openEnd: number;
  readonly names: readonly string[];
  /** The number of the first name. */
  readonly firstName: number;
  /** From the written number to the kept one. */
  readonly keep: (written: number) => number;
}

/** What the parts of a field have named so far. */
interface Draft {
  readonly values: Set<number>;
  any: boolean;
  star: boolean;
  lastDay: boolean;
  lastWeekday: boolean;
  readonly nearestWeekdays: number[];
  readonly lastOfMonth: number[];
  readonly nthOfMonth: WeekdayRule[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const SATURDAY = 6;

const BOUNDS: Readonly<Record<FieldName, readonly [number, number]>> = {
  second: [0, 59],
  minute: [0, 59],
  hour: [0, 23],
  'day of month': [1, 31],
  month: [1, 12],
  'day of week': [0, 7],
  year: [YEAR_MIN, YEAR_MAX],
};

/** Reads one field, given in lower case. */
export function parseField(name: FieldName, text: string, numbering: WeekdayNumbering): FieldResult {
  const rules = rulesOf(name, numbering);
  const draft: Draft = {
    values: new Set(),
    any: false,
    star: false,
    lastDay: false,
    lastWeekday: false,
    nearestWeekdays: [],
    lastOfMonth: [],
    nthOfMonth: [],
  };
  for (const part of text.split(',')) {
    const problem =
      part === ''
        ? `${name} "${text}" has an empty place in its list: remove the extra comma`
        : (readSpecial(rules, part, draft) ?? readRange(rules, part, draft));
    if (typeof problem === 'string') return { ok: false, message: problem };
  }
  return { ok: true, field: { ...draft, values: [...draft.values].sort((a, b) => a - b) } };
}

function rulesOf(name: FieldName, numbering: WeekdayNumbering): FieldRules {
  const [min, max] = BOUNDS[name];
  const plain = { name, min, max, openEnd: max, names: [], firstName: 0, keep: (n: number) => n };
  if (name === 'month') return { ...plain, names: MONTHS, firstName: 1 };
  if (name !== 'day of week') return plain;
  if (numbering === 'eventbridge') {
    return { ...plain, min: 1, names: WEEKDAYS, firstName: 1, keep: (n) => n - 1 };
  }
  return { ...plain, openEnd: 6, names: WEEKDAYS, keep: (n) => n % 7 };
}

/** `L`, `LW`, `15W`, `5L`, `5#2`. True when the part was one of them, text when it is a wrong one, undefined otherwise. */
function readSpecial(rules: FieldRules, part: string, draft: Draft): true | string | undefined {
  if (rules.name === 'day of month') return readDaySpecial(rules, part, draft);
  if (rules.name === 'day of week') return readWeekdaySpecial(rules, part, draft);
  return undefined;
}

function readDaySpecial(rules: FieldRules, part: string, draft: Draft): true | string | undefined {
  if (part === 'l') {
    draft.lastDay = true;
    return true;
  }
  if (part === 'lw' || part === 'wl') {
    draft.lastWeekday = true;
    return true;
  }
  const day = /^(\d{1,4})w$/.exec(part)?.[1];
  if (day === undefined) return undefined;
  const value = readValue(rules, day);
  if (typeof value === 'string') return value;
  draft.nearestWeekdays.push(value);
  return true;
}

function readWeekdaySpecial(rules: FieldRules, part: string, draft: Draft): true | string | undefined {
  if (part === 'l') {
    // The last day of the week, as in Quartz and EventBridge.
    draft.values.add(SATURDAY);
    return true;
  }
  const match = /^([a-z]{3}|\d{1,4})(?:l|#(\d{1,4}))$/.exec(part);
  if (match === null) return undefined;
  const [, day = '', nth] = match;
  const value = readValue(rules, day);
  if (typeof value === 'string') return value;
  if (nth === undefined) {
    draft.lastOfMonth.push(rules.keep(value));
    return true;
  }
  if (Number(nth) < 1 || Number(nth) > 5) {
    return `day of week "${part}" asks for weekday number ${nth} of a month: give #1 to #5`;
  }
  draft.nthOfMonth.push({ weekday: rules.keep(value), nth: Number(nth) });
  return true;
}

const RANGE = /^(\*|\?|[a-z]+|\d{1,4})(?:-([a-z]+|\d{1,4}))?(?:\/(\d{1,6}))?$/;

/** `*`, `5`, `1-5`, `1-5/2`, `5/10`. Undefined where it was read, text where it is wrong. */
function readRange(rules: FieldRules, part: string, draft: Draft): string | undefined {
  const match = RANGE.exec(part);
  if (match === null) return unreadable(rules, part);
  const [, first = '', last, stepText] = match;
  const star = first === '*' || first === '?';
  if (star && last !== undefined) return unreadable(rules, part);
  const step = stepText === undefined ? 1 : Number(stepText);
  if (step === 0) return `${rules.name} "${part}" has a step of 0: give a step of 1 or more`;
  if (step > rules.max) {
    return `${rules.name} "${part}" has a step above ${rules.max}, the field's maximum: give a smaller step, or use "every <duration>"`;
  }
  const from = star ? rules.min : readValue(rules, first);
  if (typeof from === 'string') return from;
  const to = readEnd(rules, { from, last, open: star || stepText !== undefined });
  if (typeof to === 'string') return to;
  if (to < from) {
    return `${rules.name} "${part}" is a reversed range: write it as two, "${first}-${rules.openEnd},${rules.min}-${last}"`;
  }
  for (let value = from; value <= to; value += step) draft.values.add(rules.keep(value));
  if (star) {
    draft.star = true;
    draft.any ||= step === 1;
  }
  return undefined;
}

function readEnd(
  rules: FieldRules,
  part: { readonly from: number; readonly last: string | undefined; readonly open: boolean },
): number | string {
  if (part.last === undefined) return part.open ? Math.max(part.from, rules.openEnd) : part.from;
  // `fri-sun`: Sunday ends the week here, as 7 does.
  if (part.last === 'sun' && rules.openEnd < rules.max && part.from > 0) return rules.max;
  return readValue(rules, part.last);
}

/** A number or a name within the field's bounds, or what is wrong with it. */
function readValue(rules: FieldRules, text: string): number | string {
  const named = rules.names.indexOf(text);
  if (named >= 0) return rules.firstName + named;
  if (!/^\d+$/.test(text)) return unreadable(rules, text);
  const value = Number(text);
  if (value >= rules.min && value <= rules.max) return value;
  return `${rules.name} "${text}" is outside ${rules.min}-${rules.max}: give a value within it`;
}

function unreadable(rules: FieldRules, part: string): string {
  const names = rules.names.length > 0 ? `, names such as "${rules.names[1]}"` : '';
  const special =
    rules.name === 'day of month' ? ', L, LW, 15W' : rules.name === 'day of week' ? ', 5L, 5#2' : '';
  return `${rules.name} "${part}" cannot be read: use *, values ${rules.min}-${rules.max}${names}, lists (1,2), ranges (1-5), steps (*/5, 3/5)${special}`;
}
