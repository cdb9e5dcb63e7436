/**
 * What all routes share: the app's type, paging, the problem answers in the API description, and the
 * guard that asks for a permission. Imported by the route files and by `app.ts` only.
 */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { EscapementError } from '../contract/errors.ts';
import { idSchema, problemSchema } from '../contract/gateway.ts';
import { PAGE_LIMIT_MAX } from '../core/limits.ts';
import type { PageRequest, Store } from '../store/store.ts';
import { may, type Permission, type Principal } from './auth.ts';
import type { Notifier } from './notifier.ts';
import { problem, problemResponse } from './problems.ts';

export interface GatewayEnv {
  Variables: { principal: Principal };
}

export type GatewayApp = OpenAPIHono<GatewayEnv>;

export interface RouteDeps {
  readonly store: Store;
  readonly notifier: Notifier;
}

/** Refuses a principal that may not do this. Placed before the body is read. */
export function needs(permission: Permission): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const principal = c.get('principal');
    if (may(principal, permission)) return next();
    const detail = `the role "${principal.role}" may not ${permission}: use a key with another role`;
    return problemResponse(problem(403, 'Unauthorized', 'Forbidden', detail));
  };
}

const CURSOR_LENGTH_MAX = 2_000;

/** `limit` and `cursor` of every list. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(PAGE_LIMIT_MAX)
    .optional()
    .openapi({ type: 'integer', description: `Items wanted, at most ${PAGE_LIMIT_MAX} (the default).` }),
  cursor: z
    .string()
    .min(1)
    .max(CURSOR_LENGTH_MAX)
    .optional()
    .openapi({ description: '`nextCursor` of the page before.' }),
};

export function pageOf(query: { limit?: number | undefined; cursor?: string | undefined }): PageRequest {
  return {
    limit: query.limit ?? PAGE_LIMIT_MAX,
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
  };
}

/** An invocation's or an eval's: made of ids of at most 200 characters, an instant or a key, and numbers. */
export const longId = z.string().min(1).max(1_000);

export const poolParams = z.object({ poolId: idSchema('pool') });
export const workerParams = z.object({ poolId: idSchema('pool'), workerId: idSchema('worker') });

/** ISO 8601 with a zone, or milliseconds since the epoch, read as milliseconds. */
export const instantQuery = z
  .string()
  .transform((text, context) => {
    const atMs = /^-?\d{1,16}$/.test(text) ? Number(text) : isoToMs(text);
    if (!Number.isNaN(new Date(atMs).getTime())) return atMs;
    context.addIssue({
      code: 'custom',
      message: `"${text}" is no instant: write 2026-01-31T12:00:00Z or milliseconds since the epoch`,
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', description: 'ISO 8601 with a zone, or milliseconds since the epoch.' });

/** `Date.parse` reads a text without a zone by the host's zone; such a text is refused. */
function isoToMs(text: string): number {
  return /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
}

type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** What came out of JSON or a query has absent fields but no undefined ones; says so to the compiler. */
export function present<T extends object>(value: T): Present<T> {
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined) throw new EscapementError('InvalidInput', `${name} is undefined`);
  }
  return value as Present<T>;
}

/** The content of an answer in JSON. */
export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

export function jsonBody<T extends z.ZodType>(schema: T) {
  return { required: true, content: { 'application/json': { schema } } };
}

/** Every route may answer so; the media type is `application/problem+json`. */
export const problemAnswer = {
  description: 'What went wrong (RFC 9457); `code` tells callers apart.',
  content: { 'application/problem+json': { schema: problemSchema } },
};
