/**
 * The built-in target `http`: one request; its answer is the result.
 * Promise: a status that was not expected is a failure, without a retry where repeating the same
 * request cannot help; the body kept is bounded.
 */
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { BoundedOutput } from './bounded-output.ts';
import { defineTarget, type TargetContext } from './target.ts';
import { toldAsBody, toldAsHeaders } from './told.ts';

const TIMEOUT_MS_DEFAULT = 30_000;
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
/** More is cut: the result is for people and logs, data belongs in a store. */
const RESPONSE_END_BYTES = 32 * 1024;
const BODY_SHOWN = 300;
/** Statuses of 4xx that say "later", not "never": timeout, too early, too many. */
const RETRYABLE_4XX: readonly number[] = [408, 425, 429];

const statusSchema = z.int().min(100).max(599);

const httpInputSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  method: z
    .string()
    .regex(/^[A-Za-z]{1,20}$/)
    .default('GET'),
  headers: z.record(z.string(), z.string()).default({}),
  /**
   * Text is sent as it is, anything else as JSON. Default with POST, PUT and PATCH: what the call is about (window,
   * triggers, last result), as JSON.
   */
  body: z.unknown().optional(),
  timeoutMs: z.int().min(1).max(TIMEOUT_MS_MAX).default(TIMEOUT_MS_DEFAULT),
  /** Default: any of 2xx. */
  expectStatus: z.union([statusSchema, z.array(statusSchema).min(1)]).optional(),
});

export type HttpInput = z.input<typeof httpInputSchema>;
type CheckedHttpInput = z.output<typeof httpInputSchema>;

export interface HttpResult {
  readonly status: number;
  readonly contentType?: string;
  /** The first and last 32 KB, as text. */
  readonly body: string;
  readonly durationMs: number;
}

export const httpTarget = defineTarget('http', callHttp, { parse: parseHttpInput });

function parseHttpInput(input: unknown): CheckedHttpInput {
  const result = httpInputSchema.safeParse(input);
  if (result.success) return result.data;
  throw new Error(
    `${z.prettifyError(result.error)} (it wants {url}, and may have method, headers, body, timeoutMs, expectStatus)`,
  );
}

async function callHttp(context: TargetContext<CheckedHttpInput>): Promise<HttpResult> {
  const { input, signal } = context;
  const startedAt = performance.now();
  const timeout = AbortSignal.timeout(input.timeoutMs);
  let response: Response;
  let body: string;
  try {
    response = await fetch(input.url, requestOf(context, AbortSignal.any([signal, timeout])));
    body = await boundedText(response);
  } catch (error) {
    signal.throwIfAborted();
    throw unanswered(input, timeout.aborted, error);
  }
  if (!expected(input, response.status)) throw refused(input, response, body);
  const contentType = response.headers.get('content-type');
  const durationMs = Math.round(performance.now() - startedAt);
  return { status: response.status, ...(contentType === null ? {} : { contentType }), body, durationMs };
}

const WITH_BODY: readonly string[] = ['POST', 'PUT', 'PATCH'];

function requestOf(context: TargetContext<CheckedHttpInput>, signal: AbortSignal): RequestInit {
  const { input } = context;
  const method = input.method.toUpperCase();
  const headers = new Headers(toldAsHeaders(context.call));
  for (const [name, value] of Object.entries(input.headers)) headers.set(name, value);
  const init = { method, headers, signal };
  if (typeof input.body === 'string') return { ...init, body: input.body };
  if (input.body === undefined && !WITH_BODY.includes(method)) return init;
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  return { ...init, body: JSON.stringify(input.body ?? toldAsBody(context)) };
}

/** Reads to the end, so that the connection can be used again, and keeps what fits. */
async function boundedText(response: Response): Promise<string> {
  const kept = new BoundedOutput(RESPONSE_END_BYTES);
  if (response.body !== null) {
    for await (const chunk of response.body) kept.push(Buffer.from(chunk as Uint8Array));
  }
  return kept.text();
}

function expected(input: CheckedHttpInput, status: number): boolean {
  if (input.expectStatus === undefined) return status >= 200 && status < 300;
  return [input.expectStatus].flat().includes(status);
}

function unanswered(input: CheckedHttpInput, timedOut: boolean, error: unknown): ApplicationFailure {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return ApplicationFailure.create({
    type: timedOut ? 'HttpTimedOut' : 'HttpUnreachable',
    message: timedOut
      ? `${shown(input)} was not answered within ${input.timeoutMs} ms`
      : `${shown(input)} failed: ${reason}`,
    ...(error instanceof Error ? { cause: error } : {}),
  });
}

function refused(input: CheckedHttpInput, response: Response, body: string): ApplicationFailure {
  const { status } = response;
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  return ApplicationFailure.create({
    type: 'HttpStatus',
    message: `${shown(input)} was answered with status ${status}: ${body.slice(0, BODY_SHOWN)}`,
    nonRetryable: status >= 400 && status < 500 && !RETRYABLE_4XX.includes(status),
    details: [{ status, body }],
    ...(retryAfter > 0 && retryAfter <= 86_400 ? { nextRetryDelay: retryAfter * 1_000 } : {}),
  });
}

/** Without the query, which may carry secrets. */
function shown(input: CheckedHttpInput): string {
  const { origin, pathname } = new URL(input.url);
  return `${input.method.toUpperCase()} ${origin}${pathname}`;
}
