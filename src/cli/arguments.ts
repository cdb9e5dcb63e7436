/**
 * Arguments and flags as commander reads them while it parses: what is wrong is told with the name of its flag, before
 * anything is connected. Used by the definitions of the commands.
 */
import { InvalidArgumentError } from 'commander';
import { idProblem } from '../contract/ids.ts';
import { parseInstant } from '../contract/message-shape.ts';
import { parseDuration } from '../core/duration.ts';

/** ms since the epoch of an ISO 8601 instant with its offset. */
export function instant(text: string): number {
  const atMs = parseInstant(text);
  if (atMs !== undefined) return atMs;
  throw new InvalidArgumentError('Write an ISO 8601 instant with its offset, such as 2026-01-31T09:00:00Z.');
}

/** The same, or a length of time from now: `2h`. */
export function instantOrLength(text: string): number {
  const atMs = parseInstant(text);
  if (atMs !== undefined) return atMs;
  const parsed = parseDuration(text);
  if (parsed.ok) return Date.now() + parsed.ms;
  throw new InvalidArgumentError('Write an instant such as 2026-01-31T09:00:00Z, or a length such as 2h.');
}

/** Whole ms of a length such as `1h30m`. */
export function length(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.ms;
  throw new InvalidArgumentError(`The ${parsed.message}.`);
}

/** The same, for what is done again and again: a second at least. */
export function pace(text: string): number {
  const ms = length(text);
  if (ms >= PACE_MS_MIN) return ms;
  throw new InvalidArgumentError('Give a second at least, such as 30s.');
}

const PACE_MS_MIN = 1_000;

export function limit(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= LIMIT_MAX) return value;
  throw new InvalidArgumentError(`Give a whole number from 1 to ${LIMIT_MAX}.`);
}

const LIMIT_MAX = 10_000;

/** An id that can name a `noun`. */
export function id(noun: string): (text: string) => string {
  return (text) => {
    const problem = idProblem(noun, text);
    if (problem === undefined) return text;
    throw new InvalidArgumentError(`The ${problem}.`);
  };
}

export function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 65_535) return value;
  throw new InvalidArgumentError('Give a port from 0 to 65535.');
}

export function wholeNumber(text: string): number {
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number.');
}

export function decimal(text: string): number {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a number.');
}

/** A flag that may come several times. */
export function repeated(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}
