/**
 * What the schemas of the edges are made of: ids, lengths of time and instants as people write them, and zod's issues as
 * ours. Used by schemas, settings and files.
 */
import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';
import type { InputIssue } from './errors.ts';
import { idProblem } from './ids.ts';
import { parseInstant } from './message-shape.ts';

/** A duration as text or ms, read as whole ms. */
export const durationSchema = (minMs = 0) =>
  z.union([z.number(), z.string()]).transform((value, context) => {
    const parsed = parseDuration(value);
    if (parsed.ok && parsed.ms >= minMs) return parsed.ms;
    const message = parsed.ok ? `must be at least ${minMs} ms, got ${JSON.stringify(value)}` : parsed.message;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

/** An id that may become part of a workflow id. */
export const idSchema = (noun: string) =>
  z.string().superRefine((value, context) => {
    const message = idProblem(noun, value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** An ISO 8601 instant with its offset, read as ms since the epoch. */
export const instantSchema = z.string().transform((value, context) => {
  const atMs = parseInstant(value);
  if (atMs !== undefined) return atMs;
  const message = `"${value}" is not an ISO 8601 instant with its offset, such as "2026-01-31T09:00:00Z"`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** zod's issues as ours: the path as people write it, the message with what to do. */
export function issuesOf(error: z.ZodError): readonly InputIssue[] {
  return error.issues.flatMap((issue) => flatten(issue, []));
}

type Issue = z.ZodError['issues'][number];

/** Of a union's branches the one that got furthest is what the person meant. */
function flatten(issue: Issue, prefix: readonly PropertyKey[]): readonly InputIssue[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branches = issue.errors.map((errors) => errors.flatMap((e) => flatten(e, path)));
    const deepest = branches.toSorted((a, b) => depth(b) - depth(a))[0];
    if (deepest !== undefined && deepest.length > 0) return deepest;
  }
  return [{ path: pathText(path), message: issue.message }];
}

function depth(issues: readonly InputIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.split('.').length + (isTypeIssue(issue) ? 0 : 1)));
}

function isTypeIssue(issue: InputIssue): boolean {
  return issue.message.startsWith('Invalid input: expected');
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}
