/**
 * The REST gateway as an app that answers requests in process: `app.request('/healthz')`.
 * Made by `serve.ts`, by tests, and by whoever hosts it elsewhere. Promise: everything under /v1 needs
 * a key where one is set, every refusal is problem+json, and nothing a caller sends is read before the
 * caller is known. It decides nothing itself: the store does. No CORS: browsers have no business here.
 */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { Logger } from '@temporalio/common';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import type { InputIssue } from '../contract/errors.ts';
import { BODY_BYTES_MAX } from '../contract/gateway.ts';
import type { Store } from '../store/store.ts';
import { authenticateAnybody, authenticateByKey, isLoopback } from './auth.ts';
import { Notifier, type NotifierOptions } from './notifier.ts';
import { problem, problemOf, problemResponse } from './problems.ts';
import { addCalendarRoutes, type CalendarUsers } from './routes/calendars.ts';
import { addExplanationRoutes } from './routes/explanations.ts';
import { addLedgerRoutes } from './routes/ledger.ts';
import { addPoolRoutes } from './routes/pools.ts';
import { addWorkerRoutes } from './routes/workers.ts';
import { type GatewayApp, type GatewayEnv, json, problemAnswer } from './routing.ts';

export interface GatewayOptions extends NotifierOptions {
  readonly store: Store;
  /** Bearer key with full rights. Absent: anybody may do anything, but only by a loopback address. */
  readonly key?: string | undefined;
  /** Reaches the schedules that use a calendar. Absent: they are not told of changes. */
  readonly calendarUsers?: CalendarUsers | undefined;
  readonly logger?: Logger | undefined;
}

export interface Gateway {
  readonly app: GatewayApp;
  /** Waits for the notifications under way; call it once no more requests come. */
  settled(): Promise<void>;
}

/**
 * Builds the app.
 * @throws EscapementError (InvalidInput) where the key is too short
 * @example
 * const { app } = createGateway({ store, key, onGrants: () => {}, onWorkerRegistered: () => {} });
 * await app.request('/v1/pools', { headers: { authorization: `Bearer ${key}` } });
 */
export function createGateway(options: GatewayOptions): Gateway {
  const { store, logger } = options;
  const notifier = new Notifier(options);
  const app: GatewayApp = new OpenAPIHono<GatewayEnv>({
    defaultHook: (result) => {
      if (result.success) return undefined;
      return problemResponse(invalid(result.target, result.error.issues));
    },
  });
  app.onError((error, c) => {
    const found = error instanceof HTTPException ? ofHttpException(error) : problemOf(error);
    if (found.status === 500) {
      logger?.error('request failed', { error, method: c.req.method, path: c.req.path });
    }
    return problemResponse(found);
  });
  app.notFound((c) => {
    const detail = `there is no ${c.req.method} ${c.req.path}: see /openapi.json`;
    return problemResponse(problem(404, 'InvalidInput', 'No such route', detail));
  });
  guard(app, options.key);
  addHealthRoute(app, store);
  addPoolRoutes(app, { store, notifier });
  addCalendarRoutes(app, { store, calendarUsers: options.calendarUsers });
  addWorkerRoutes(app, { store, notifier });
  addExplanationRoutes(app, { store, notifier });
  addLedgerRoutes(app, { store, notifier });
  describeApi(app);
  return { app, settled: () => notifier.settled() };
}

function guard(app: GatewayApp, key: string | undefined): void {
  const authenticate = key === undefined ? authenticateAnybody : authenticateByKey(key);
  app.use('/v1/*', async (c, next) => {
    const host = new URL(c.req.url).hostname;
    const principal = authenticate(c.req.header('authorization'));
    if (principal === undefined) {
      const detail =
        'send the header "Authorization: Bearer <key>"; the key is in the key file of the gateway';
      return problemResponse(problem(401, 'Unauthorized', 'Unauthorized', detail));
    }
    // Without a key a web page could reach us by a name of its own that resolves to this machine.
    if (key === undefined && !isLoopback(host)) {
      const detail = `a gateway without a key answers to loopback names only, not to "${host}"`;
      return problemResponse(problem(401, 'Unauthorized', 'Unauthorized', detail));
    }
    c.set('principal', principal);
    return next();
  });
  const tooLarge = problem(
    413,
    'InvalidInput',
    'Too large',
    `a body may have at most ${BODY_BYTES_MAX} bytes: send less at once`,
  );
  app.use('/v1/*', bodyLimit({ maxSize: BODY_BYTES_MAX, onError: () => problemResponse(tooLarge) }));
}

const healthSchema = z.object({ status: z.enum(['ok', 'unavailable']), store: z.boolean() });

function addHealthRoute(app: GatewayApp, store: Store): void {
  const route = createRoute({
    method: 'get',
    path: '/healthz',
    operationId: 'health',
    security: [],
    responses: {
      200: json(healthSchema, 'The database answers.'),
      503: json(healthSchema, 'The database is out of reach.'),
      default: problemAnswer,
    },
  });
  app.openapi(route, async (c) => {
    const healthy = await store.healthy().catch(() => false);
    return healthy
      ? c.json({ status: 'ok' as const, store: true }, 200)
      : c.json({ status: 'unavailable' as const, store: false }, 503);
  });
}

function describeApi(app: GatewayApp): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer' });
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Escapement gateway',
      version: '1',
      description: 'Pools, the worker protocol, the ledger. Refusals are application/problem+json.',
    },
    security: [{ key: [] }],
  });
}

/** Only the first few: a list of a thousand wrong items helps nobody. */
const ISSUES_MAX = 20;

function invalid(target: string, found: readonly { path: readonly PropertyKey[]; message: string }[]) {
  const errors: InputIssue[] = found
    .slice(0, ISSUES_MAX)
    .map((issue) => ({ path: issue.path.map(String).join('.'), message: issue.message }));
  const subject = { json: 'body', param: 'path', query: 'query' }[target] ?? target;
  const lines = errors.map((issue) =>
    issue.path === '' ? issue.message : `${issue.path}: ${issue.message}`,
  );
  const detail = `${subject}: ${lines.join('; ')}`;
  return problem(400, 'InvalidInput', 'Invalid input', detail, { errors, details: { subject } });
}

function ofHttpException(error: HTTPException) {
  if (error.status === 415) {
    const detail = 'send the body as JSON with the header "Content-Type: application/json"';
    return problem(415, 'InvalidInput', 'Unsupported media type', detail);
  }
  return problem(error.status, 'InvalidInput', 'Bad request', `the body cannot be read: ${error.message}`);
}
