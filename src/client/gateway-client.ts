/**
 * The gateway's HTTP interface as typed calls. Used by pool workers, the SDK and the CLI.
 * Promise: a refusal arrives as the same error class that the store threw, silence as an error that names
 * the address, and every call ends within its timeout. Connections are kept alive (by Node's fetch).
 * May import the contract only.
 */
import {
  allocSchema,
  deadLetterSchema,
  disbandedSchema,
  fireSchema,
  leaseSchema,
  poolDetailsSchema,
  poolSchema,
  runSchema,
  waitingEvalSchema,
  workerSchema,
} from '../contract/gateway.ts';
import {
  calendarSchema,
  calendarUserSchema,
  deleteCalendarAnswerSchema,
  putCalendarAnswerSchema,
} from '../contract/calendar-schemas.ts';
import { evalExplanationSchema, queueSchema, storiesSchema } from '../contract/explanation-schemas.ts';
import type { EvalExplanation, EvalStory, QueueEntry } from '../contract/explanations.ts';
import type { Calendar, CalendarContent, CalendarTold } from '../contract/calendars.ts';
import type { DeadLetter, Fire, Outcome, RunRecord, RunStatus } from '../contract/ledger.ts';
import type {
  Alloc,
  AllocRef,
  Pool,
  PoolSettings,
  PoolWorker,
  WaitingEval,
  RenewalPart,
  WorkerLease,
  WorkerRegistration,
} from '../contract/pools.ts';
import {
  type CallOptions,
  type GatewayClientOptions,
  GatewayHttp,
  GatewayUnavailableError,
  type HttpCall,
  type ListPage,
  type PageOptions,
} from './gateway-http.ts';

export {
  type CallOptions,
  type GatewayClientOptions,
  GatewayUnavailableError,
  type ListPage,
  type PageOptions,
};

/** How much of a pool is there and used; `complete` is false where a count stopped at its bound. */
export interface PoolCounts {
  readonly workers: number;
  readonly capacity: number;
  readonly free: number;
  readonly allocs: number;
  readonly waiting: number;
  readonly complete: boolean;
}

/**
 * Every method throws GatewayUnavailableError (an UnavailableError), InvalidInputError, and
 * EscapementError with code `Unauthorized`, besides what it names itself.
 * @example
 * const gateway = new GatewayClient({ url: 'http://127.0.0.1:7280', key });
 * await gateway.createPool('gpu', { workerTtlMs: 5_000 });
 */
export class GatewayClient {
  readonly #http: GatewayHttp;

  /** @throws InvalidInputError where the url is none */
  constructor(options: GatewayClientOptions) {
    this.#http = new GatewayHttp(options);
  }

  /** Without a slash at its end. */
  get url(): string {
    return this.#http.url;
  }

  // -- pools ---------------------------------------------------------------------------------------

  /** One that is there already is renewed: its time to expire begins anew. @throws AlreadyExistsError (PoolExists) */
  createPool(id: string, settings?: Partial<PoolSettings>, options?: CallOptions): Promise<Pool> {
    const body = settings === undefined ? { id } : { id, settings };
    return this.#http.read(poolSchema, { method: 'POST', path: ['pools'], body, ...options });
  }

  /** @throws NotExistsError (PoolNotExists) */
  getPool(id: string, options?: CallOptions): Promise<Pool & { readonly counts: PoolCounts }> {
    return this.#http.read(poolDetailsSchema, { method: 'GET', path: ['pools', id], ...options });
  }

  listPools(page?: PageOptions): Promise<ListPage<Pool>> {
    return this.#http.list(poolSchema, ['pools'], page);
  }

  /** Absent succeeds. */
  disbandPool(id: string, options?: CallOptions): Promise<{ readonly refused: readonly WaitingEval[] }> {
    return this.#http.read(disbandedSchema, { method: 'DELETE', path: ['pools', id], ...options });
  }

  /**
   * Nothing new is granted in it; what runs may finish. With `off` it takes new ones again.
   * @throws NotExistsError (PoolNotExists), PoolDisbandedError
   */
  async drainPool(
    id: string,
    options: CallOptions & { readonly off?: boolean | undefined } = {},
  ): Promise<void> {
    const { off = false, ...call } = options;
    await this.#http.call({ method: 'POST', path: ['pools', id, 'drain'], body: { off }, ...call });
  }

  listWorkers(poolId: string, page?: PageOptions): Promise<ListPage<PoolWorker>> {
    return this.#http.list(workerSchema, ['pools', poolId, 'workers'], page);
  }

  listAllocs(poolId: string, page?: PageOptions): Promise<ListPage<Alloc>> {
    return this.#http.list(allocSchema, ['pools', poolId, 'allocs'], page);
  }

  /** The queue, in the order in which it is served. */
  listWaiting(poolId: string, page?: PageOptions): Promise<ListPage<WaitingEval>> {
    return this.#http.list(waitingEvalSchema, ['pools', poolId, 'evals'], page);
  }

  /** The first 100 of the queue: places, why they wait, when they may begin. @throws NotExistsError (PoolNotExists) */
  async explainQueue(poolId: string, options?: CallOptions): Promise<readonly QueueEntry[]> {
    const call: HttpCall = { method: 'GET', path: ['pools', poolId, 'queue'], ...options };
    return (await this.#http.read<{ readonly items: readonly QueueEntry[] }>(queueSchema, call)).items;
  }

  /** Why an eval waits, or went where it went. @throws NotExistsError (EvalNotExists) */
  explainEval(evalId: string, options?: CallOptions): Promise<EvalExplanation> {
    return this.#http.read(evalExplanationSchema, { method: 'GET', path: ['evals', evalId], ...options });
  }

  /** How the evals of an invocation went, the oldest first; none where it has asked for no capacity. */
  async explainInvocation(invocationId: string, options?: CallOptions): Promise<readonly EvalStory[]> {
    const call: HttpCall = { method: 'GET', path: ['invocations', invocationId, 'evals'], ...options };
    return (await this.#http.read<{ readonly items: readonly EvalStory[] }>(storiesSchema, call)).items;
  }

  // -- worker protocol -----------------------------------------------------------------------------

  /** @throws NotExistsError (PoolNotExists), PoolDisbandedError, AlreadyExistsError (WorkerExists) */
  registerWorker(
    registration: WorkerRegistration,
    options?: CallOptions & { readonly replace?: boolean },
  ): Promise<WorkerLease> {
    const { poolId, workerId, ...body } = registration;
    const { replace = false, ...call } = options ?? {};
    const path = ['pools', poolId, 'workers', workerId];
    return this.#http.read(leaseSchema, { method: 'PUT', path, body: { ...body, replace }, ...call });
  }

  /**
   * `running` holds at most `RUNNING_PER_RENEWAL_MAX` (150) allocs; more are sent in parts.
   * @throws NotExistsError (WorkerNotExists)
   */
  renewWorker(
    worker: { readonly poolId: string; readonly workerId: string; readonly incarnation: string },
    running: readonly AllocRef[],
    { part, ...options }: CallOptions & { readonly part?: RenewalPart } = {},
  ): Promise<WorkerLease> {
    const { poolId, workerId, incarnation } = worker;
    const path = ['pools', poolId, 'workers', workerId, 'renew'];
    return this.#http.read(leaseSchema, {
      method: 'POST',
      path,
      body: { incarnation, running, part },
      ...options,
    });
  }

  /** @throws NotExistsError (WorkerNotExists) */
  async drainWorker(
    poolId: string,
    workerId: string,
    incarnation?: string,
    options?: CallOptions,
  ): Promise<void> {
    const body = incarnation === undefined ? {} : { incarnation };
    const path = ['pools', poolId, 'workers', workerId, 'drain'];
    await this.#http.call({ method: 'POST', path, body, ...options });
  }

  /** Absent succeeds. */
  async removeWorker(
    poolId: string,
    workerId: string,
    incarnation?: string,
    options?: CallOptions,
  ): Promise<void> {
    const path = ['pools', poolId, 'workers', workerId];
    await this.#http.call({ method: 'DELETE', path, query: { incarnation }, ...options });
  }

  // -- ledger --------------------------------------------------------------------------------------

  listFires(
    filter: {
      readonly scheduleId?: string | undefined;
      readonly fromMs?: number | undefined;
      readonly untilMs?: number | undefined;
      readonly outcome?: Outcome | undefined;
    } = {},
    page?: PageOptions,
  ): Promise<ListPage<Fire>> {
    const { fromMs: from, untilMs: until, scheduleId, outcome } = filter;
    return this.#http.list(fireSchema, ['fires'], page, { scheduleId, from, until, outcome });
  }

  listRuns(
    filter: {
      readonly scheduleId?: string | undefined;
      readonly jobId?: string | undefined;
      readonly status?: RunStatus | undefined;
    } = {},
    page?: PageOptions,
  ): Promise<ListPage<RunRecord>> {
    const { scheduleId, jobId, status } = filter;
    return this.#http.list(runSchema, ['runs'], page, { scheduleId, jobId, status });
  }

  /** @throws NotExistsError (InvocationNotExists) */
  getRun(invocationId: string, options?: CallOptions): Promise<RunRecord> {
    return this.#http.read(runSchema, { method: 'GET', path: ['runs', invocationId], ...options });
  }

  listDeadLetters(page?: PageOptions): Promise<ListPage<DeadLetter>> {
    return this.#http.list(deadLetterSchema, ['dead-letters'], page);
  }

  // -- calendars -----------------------------------------------------------------------------------

  /**
   * Makes or changes a calendar and tells the schedules that use it; `untold` names those that could not be told.
   * @throws InvalidInputError that names every date at fault; EscapementError `RevisionConflict`
   */
  putCalendar(
    id: string,
    content: CalendarContent,
    options: CallOptions & { readonly revision?: number | undefined } = {},
  ): Promise<Calendar & CalendarTold> {
    const { revision, ...call } = options;
    const body = { ...content, revision };
    return this.#http.read(putCalendarAnswerSchema, {
      method: 'PUT',
      path: ['calendars', id],
      body,
      ...call,
    });
  }

  /** @throws NotExistsError (CalendarNotExists) */
  getCalendar(id: string, options?: CallOptions): Promise<Calendar> {
    return this.#http.read(calendarSchema, { method: 'GET', path: ['calendars', id], ...options });
  }

  listCalendars(page?: PageOptions): Promise<ListPage<Calendar>> {
    return this.#http.list(calendarSchema, ['calendars'], page);
  }

  /**
   * Absent succeeds. With `force` the schedules that use it go on as if it were empty.
   * @throws EscapementError `CalendarInUse` with `scheduleIds` in its details
   */
  deleteCalendar(
    id: string,
    options: CallOptions & { readonly force?: boolean | undefined } = {},
  ): Promise<CalendarTold> {
    const { force = false, ...call } = options;
    const query = { force: String(force) };
    return this.#http.read(deleteCalendarAnswerSchema, {
      method: 'DELETE',
      path: ['calendars', id],
      query,
      ...call,
    });
  }

  /** The schedules that leave it out. */
  listCalendarUsers(id: string, page?: PageOptions): Promise<ListPage<{ readonly scheduleId: string }>> {
    return this.#http.list(calendarUserSchema, ['calendars', id, 'schedules'], page);
  }
}
