/**
 * Turns whatever a request ran into into an answer of type problem+json (RFC 9457).
 * Used by the gateway's error handler, its validation hook and its middleware.
 * Promise: a caller always gets `code`, `status` and a sentence; an unexpected error shows no internals.
 */
import type { Problem } from '../contract/gateway.ts';
import { type ErrorCode, EscapementError, InvalidInputError, type InputIssue } from '../contract/errors.ts';

const STATUS: Readonly<Record<ErrorCode, number>> = {
  PoolExists: 409,
  PoolNotExists: 404,
  PoolDisbanded: 410,
  WorkerExists: 409,
  WorkerNotExists: 404,
  AllocExists: 409,
  ScheduleExists: 409,
  ScheduleNotExists: 404,
  JobExists: 409,
  InvocationNotExists: 404,
  EvalNotExists: 404,
  CalendarNotExists: 404,
  CalendarInUse: 409,
  RevisionConflict: 409,
  InvalidInput: 400,
  Unauthorized: 401,
  Unavailable: 503,
  StateOwned: 409,
};

/** An answer of our own making, for what has no error class (wrong method, wrong media type, ...). */
export function problem(
  status: number,
  code: ErrorCode,
  title: string,
  detail: string,
  extra: { errors?: readonly InputIssue[]; details?: Record<string, unknown> } = {},
): Problem {
  return { type: `urn:escapement:problem:${code}`, title, status, detail, code, ...extra };
}

/** The problem that tells of `error`; 500 for what nobody expected. */
export function problemOf(error: unknown): Problem {
  if (error instanceof InvalidInputError) {
    return problem(400, 'InvalidInput', 'Invalid input', error.message, {
      errors: error.issues,
      details: { subject: error.details['subject'] },
    });
  }
  if (error instanceof EscapementError) {
    const { code, message, details } = error;
    return problem(STATUS[code], code, titleOf(code), message, { details: { ...details } });
  }
  if (isOutOfReach(error)) {
    return problem(503, 'Unavailable', 'Unavailable', 'the database is out of reach: try again in a moment', {
      details: { what: 'the database' },
    });
  }
  return problem(
    500,
    'Unavailable',
    'Internal error',
    'the gateway ran into an error it did not expect: see its log',
    { details: { what: 'the gateway' } },
  );
}

export function problemResponse(body: Problem): Response {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (body.status === 401) headers['www-authenticate'] = 'Bearer realm="escapement"';
  if (body.status === 503) headers['retry-after'] = '1';
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

/** `PoolNotExists` -> `Pool not exists`. */
function titleOf(code: ErrorCode): string {
  const words = code.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const CAUSES_MAX = 5;

/** A lost or refused connection: by Node's error codes, or PostgreSQL's classes 08, 53 and 57P. */
function isOutOfReach(error: unknown): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    if (/^(ECONN|ETIMEDOUT|ENOTFOUND|EPIPE|EHOSTUNREACH|EAI_AGAIN|08...$|53...$|57P..$)/.test(code)) {
      return true;
    }
    current = current.cause;
  }
  return false;
}
