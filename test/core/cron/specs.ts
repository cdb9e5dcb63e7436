/** Short ways to say a spec in the tests of this folder. */
import type { ScheduleSpec } from '../../../src/contract/schedule.ts';
import { type CompiledSpec, compileSpec } from '../../../src/core/cron/spec.ts';

export const CREATED_AT_MS = Date.UTC(2026, 0, 1);

export function specOf(
  expressions: string | readonly string[],
  rest: Partial<ScheduleSpec> = {},
): ScheduleSpec {
  return {
    expressions: typeof expressions === 'string' ? [expressions] : expressions,
    timeZone: 'UTC',
    createdAtMs: CREATED_AT_MS,
    ...rest,
  };
}

/** Compiles a spec that the test takes for granted to be right, wherever its times lie. */
export function compiled(
  expressions: string | readonly string[],
  rest: Partial<ScheduleSpec> = {},
): CompiledSpec {
  const result = compileSpec(specOf(expressions, rest), { firesAfterMs: -Infinity });
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  return result.compiled;
}

/** The issues of a spec as `path: message`; empty where it is taken. */
export function issuesOf(
  expressions: string | readonly string[],
  rest: Partial<ScheduleSpec> = {},
): string[] {
  const result = compileSpec(specOf(expressions, rest));
  return result.ok ? [] : result.issues.map((issue) => `${issue.path}: ${issue.message}`);
}

export const at = (iso: string) => Date.parse(iso);

/** `2026-03-08T07:00` or, where seconds matter, `2026-03-08T07:00:30`, with ms where they do. */
export const short = (atMs: number) =>
  new Date(atMs)
    .toISOString()
    .replace(/\.000Z$|Z$/, '')
    .replace(/:00$/, '');

/** The next `count` times after an instant. */
export function after(spec: CompiledSpec, fromIso: string, count: number): string[] {
  return spec.times(at(fromIso), Infinity, count).map(short);
}

/** What a person excludes, in short: expressions alone, with calendars where those are given. */
export const excluding = (expressions: readonly string[], calendars: readonly string[] = []) => ({
  exclude: { expressions, calendars },
});
