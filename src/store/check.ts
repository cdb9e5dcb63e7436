/**
 * What the store refuses before it touches the database, so that one bad request never fails the batch it
 * shares with others. Called by `create-store.ts`. The edges check more; this is the last door.
 */
import { type InputIssue, InvalidInputError } from '../contract/errors.ts';
import { idProblem } from '../contract/ids.ts';
import type { AllocRef, EvalRequest, PoolSettings, WorkerRegistration } from '../contract/pools.ts';
import {
  CAPACITY_MAX,
  DATASETS_PER_WORKER_MAX,
  POOL_TTL_MS_MAX,
  TARGETS_PER_WORKER_MAX,
  TTL_MS_MIN,
} from '../core/limits.ts';
import { storable } from './rows.ts';
import type { FinishRequest } from './store.ts';

/** Largest PostgreSQL integer. */
const INT_MAX = 2_147_483_647;
/** Workflow ids with their prefix, attempt and evaluation; indexed, so not without bound. */
const KEY_LENGTH_MAX = 1_000;

type Check = readonly [path: string, problem: string | undefined];

function refuse(subject: string, checks: readonly Check[]): void {
  const issues: InputIssue[] = checks.flatMap(([path, message]) =>
    message === undefined ? [] : [{ path, message }],
  );
  if (issues.length > 0) throw new InvalidInputError(subject, issues);
}

function whole(value: unknown, least: number, most: number): string | undefined {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most) return undefined;
  return `must be a whole number from ${least} to ${most}, got ${String(value)}`;
}

function oneOf(value: unknown, allowed: readonly string[]): string | undefined {
  if (value === undefined || allowed.some((one) => one === value)) return undefined;
  return `must be ${allowed.join(' or ')}, got ${JSON.stringify(value)}`;
}

function key(value: unknown): string | undefined {
  if (typeof value !== 'string') return `must be text, got ${typeof value}`;
  if (value === '' || value.length > KEY_LENGTH_MAX) return `must have 1 to ${KEY_LENGTH_MAX} characters`;
  return storable(value) === value ? undefined : 'contains a character that cannot be stored';
}

export function checkPoolId(poolId: string): void {
  refuse('pool', [['id', idProblem('pool', poolId)]]);
}

export function checkCalendarIds(...ids: readonly string[]): void {
  for (const id of ids) refuse('calendar', [['id', idProblem('calendar', id)]]);
}

export function checkSettings(settings: Partial<PoolSettings>): void {
  const given = (name: keyof PoolSettings, least: number, most = INT_MAX): Check => {
    const value = settings[name];
    return [name, value === undefined ? undefined : whole(value, least, most)];
  };
  refuse('pool settings', [
    given('workerTtlMs', TTL_MS_MIN),
    given('replicaTtlMs', TTL_MS_MIN),
    given('allocTtlMs', TTL_MS_MIN),
    settings.poolTtlMs === 0 ? ['poolTtlMs', undefined] : given('poolTtlMs', TTL_MS_MIN, POOL_TTL_MS_MAX),
    given('retryMax', 0),
    given('reserveAfterMs', 0),
    ['strategy', oneOf(settings.strategy, ['pack', 'spread'])],
  ]);
}

export function checkEval(request: EvalRequest): void {
  const { dataset } = request;
  refuse(`eval "${request.id}"`, [
    ['poolId', idProblem('pool', request.poolId)],
    ['id', key(request.id)],
    ['invocationId', key(request.invocationId)],
    ['target', key(request.target)],
    ['size', whole(request.size, 1, CAPACITY_MAX)],
    ['priority', whole(request.priority, -INT_MAX, INT_MAX)],
    ['retry', whole(request.retry, 0, INT_MAX)],
    ['dataset.id', dataset === undefined ? undefined : key(dataset.id)],
    ['dataset.mode', dataset && oneOf(dataset.mode ?? null, ['required', 'preferred'])],
    [
      'dataset.warmWaitMs',
      dataset === undefined ? undefined : whole(dataset.warmWaitMs, 0, Number.MAX_SAFE_INTEGER),
    ],
  ]);
}

export function checkFinish(request: FinishRequest): void {
  const { evalId, epoch, run, deadLetter, succeeded } = request;
  refuse('finish', [
    ['poolId', idProblem('pool', request.poolId)],
    ['evalId', evalId === undefined ? undefined : key(evalId)],
    ['epoch', epoch === undefined ? undefined : whole(epoch, 0, Number.MAX_SAFE_INTEGER)],
    ['run.invocationId', run === undefined ? undefined : key(run.invocationId)],
    ['run.endedAtMs', run === undefined ? undefined : whole(run.endedAtMs, 0, Number.MAX_SAFE_INTEGER)],
    ['succeeded.scheduleId', succeeded === undefined ? undefined : key(succeeded.scheduleId)],
    ['succeeded.creation', succeeded === undefined ? undefined : key(succeeded.creation)],
    [
      'succeeded.windowToMs',
      succeeded?.windowToMs === undefined
        ? undefined
        : whole(succeeded.windowToMs, 0, Number.MAX_SAFE_INTEGER),
    ],
    ['deadLetter.invocationId', deadLetter === undefined ? undefined : key(deadLetter.invocationId)],
    [
      'deadLetter.atMs',
      deadLetter === undefined ? undefined : whole(deadLetter.atMs, 0, Number.MAX_SAFE_INTEGER),
    ],
  ]);
}

export function checkRegistration(registration: WorkerRegistration): void {
  const { targets, datasets } = registration;
  refuse(`worker "${registration.workerId}"`, [
    ['poolId', idProblem('pool', registration.poolId)],
    ['workerId', idProblem('worker', registration.workerId)],
    ['incarnation', key(registration.incarnation)],
    ['capacity', whole(registration.capacity, 0, CAPACITY_MAX)],
    ['taskQueue', key(registration.taskQueue)],
    ['targets', many(targets, TARGETS_PER_WORKER_MAX)],
    ['datasets', many(datasets, DATASETS_PER_WORKER_MAX)],
  ]);
}

/** A worker that is named by whoever renews, drains or removes it. */
export function checkWorker(poolId: string, workerId: string, incarnation?: string): void {
  refuse(`worker "${workerId}"`, [
    ['poolId', idProblem('pool', poolId)],
    ['workerId', idProblem('worker', workerId)],
    ['incarnation', incarnation === undefined ? undefined : key(incarnation)],
  ]);
}

export function checkRunning(workerId: string, running: readonly AllocRef[]): void {
  refuse(
    `worker "${workerId}"`,
    running.flatMap(({ id, epoch }, n): Check[] => [
      [`running[${n}].id`, key(id)],
      [`running[${n}].epoch`, whole(epoch, 0, Number.MAX_SAFE_INTEGER)],
    ]),
  );
}

function many(values: readonly string[], most: number): string | undefined {
  if (values.length > most) return `at most ${most} are allowed, got ${values.length}`;
  return values.map(key).find((problem) => problem !== undefined);
}
