/**
 * What commands print: one JSON document or text on stdout, everything beside the answer on stderr.
 * Used by all commands. Imports cli-table3 only where a table is drawn.
 */
import { isoInstant } from '../contract/ids.ts';
import { formatDuration } from '../core/duration.ts';

export interface Answer {
  /** Printed with `--json`, after `presentable`. */
  readonly json: unknown;
  /** Printed otherwise; without a newline at its end. */
  readonly text: string;
}

export function print(answer: Answer, options: { readonly json?: boolean | undefined }): void {
  const text =
    options.json === true ? JSON.stringify(presentable(answer.json) ?? null, null, 2) : answer.text;
  process.stdout.write(`${text}\n`);
}

/** For a person, whatever the format of the answer. */
export function warn(kind: 'note' | 'warning', lines: readonly string[]): void {
  process.stderr.write(lines.map((line) => `${kind}: ${shortened(line)}\n`).join(''));
}

const QUOTED_CHARS_MAX = 60;
/** Names of files are left whole: one copies them. */
const QUOTED = new RegExp(`(["'])(?![./])([^\\s"']{${QUOTED_CHARS_MAX}})[^\\s"']+\\1`, 'g');

/** A sentence for a person in which a quoted id of many characters leaves room for what is said of it. */
export function shortened(text: string): string {
  return text.replace(QUOTED, '$1$2…$1');
}

/** Instants whose names do not end in `AtMs`. */
const INSTANTS = new Set([
  'sinceMs',
  'untilMs',
  'fromMs',
  'toMs',
  'anchorMs',
  'lastRewindMs',
  'whenMs',
  'nextTimesMs',
  'nominalMs',
  'afterMs',
  'atMs',
]);

/** What users hand in and get out is theirs: its fields keep their names and values. */
const OPAQUE = new Set(['input', 'result', 'memo', 'searchAttributes']);

/**
 * A value as `--json` shows it: instants are ISO 8601 in UTC and lose the `Ms` of their names (`startedAtMs` becomes
 * `startedAt`); lengths of time stay in milliseconds under their own names.
 */
function presentable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(presentable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]: [string, unknown]) => {
      if (OPAQUE.has(key)) return [key, field];
      if (!INSTANTS.has(key) && !key.endsWith('AtMs')) return [key, presentable(field)];
      return [key.slice(0, -2), Array.isArray(field) ? field.map(instantText) : instantText(field)];
    }),
  );
}

function instantText(value: unknown): unknown {
  return typeof value === 'number' && Math.abs(value) <= 8.64e15 ? isoInstant(value) : value;
}

/** A number and what it counts: `1 schedule`, `2 schedules`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Instants in tables: to the second, as `2026-03-08 07:00:00`. */
export function shortInstant(atMs: number | undefined): string {
  return atMs === undefined ? '' : new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
}

/** Lengths of time in tables, to two or three digits: `153ms`, `1.1s`, `2m5s`. */
export function shortLength(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < 1_000) return `${Math.round(positive)}ms`;
  if (positive < 60_000) return `${(positive / 1_000).toFixed(1)}s`;
  return formatDuration(Math.round(positive / 1_000) * 1_000);
}

/** Aligned columns, no lines. `empty` stands for a table without rows. */
export async function table(
  head: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
  empty: string,
): Promise<string> {
  if (rows.length === 0) return empty;
  const { default: Table } = await import('cli-table3');
  const drawn = new Table({ head: [...head], chars: NO_LINES, style: NO_STYLE });
  const texts = rows.map((row) => row.map((cell) => String(cell ?? '')));
  const last = head.length - 1;
  const room = terminalWidth() - head.slice(0, last).reduce((sum, _, at) => sum + widthOf(at), 0);
  function widthOf(at: number): number {
    return 3 + Math.max(...[head, ...texts].map((row) => row[at]?.length ?? 0));
  }
  // The last column is the one with sentences; where there is no room for them they are as well cut by the terminal.
  for (const row of texts) drawn.push(row.map((text, at) => (at === last ? wrapped(text, room) : text)));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const NO_STYLE = { 'padding-left': 0, 'padding-right': 0, head: [], border: [] };
const NO_LINES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '   ' },
};

/** Columns of the terminal; a file or a pipe has any number. */
function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Infinity;
}

const WRAPPED_WIDTH_MIN = 20;

/** Broken at spaces to lines of at most `width`, as far as its words allow. */
function wrapped(text: string, width: number): string {
  if (width === Infinity || width < WRAPPED_WIDTH_MIN) return text;
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    let current = '';
    for (const word of line.split(' ')) {
      if (current !== '' && current.length + 1 + word.length > width) {
        lines.push(current);
        current = word;
      } else current = current === '' ? word : `${current} ${word}`;
    }
    lines.push(current);
  }
  return lines.join('\n');
}

function indented(text: string, width: number): string {
  return wrapped(text, terminalWidth() - width).replaceAll('\n', `\n${' '.repeat(width)}`);
}

/** Lines of `name  value`, the names padded to one width; entries without a value are left out. */
export function card(entries: readonly (readonly [string, string | undefined])[]): string {
  const shown = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `  ${name.padEnd(width)}   ${indented(value, width + 5)}`).join('\n');
}

/** A section under a card. */
export function section(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return '';
  return `\n\n${title}\n${lines.map((line) => `  ${indented(line, 4)}`).join('\n')}`;
}
