/**
 * The pool worker: an ordinary Temporal worker (activities only) on a task queue of its own, that runs
 * targets within the capacity it registered. Started by the CLI, by the one-machine mode, or by users.
 * Promise: it never sees the database; it never runs more than its capacity; on `stop` it takes nothing new,
 * lets what runs finish for a while, and leaves. Signals of the operating system are its caller's matter.
 */
import type { Logger } from '@temporalio/common';
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { GatewayClient } from '../client/gateway-client.ts';
import { InvalidInputError, type InputIssue } from '../contract/errors.ts';
import { createNames, idProblem, type Names } from '../contract/ids.ts';
import { CAPACITY_MAX, DATASETS_PER_WORKER_MAX } from '../core/limits.ts';
import type { HealthReport } from './health.ts';
import { createTargetActivity } from './pool-call.ts';
import { Membership } from './pool-membership.ts';
import { PoolRuns, RunStopped } from './pool-runs.ts';
import type { TargetRegistry } from './targets/registry.ts';
import type { DatasetHolding } from './targets/target.ts';

export interface PoolWorkerOptions {
  readonly poolId: string;
  /** Unique in its pool; a second live process of that name waits until the first is gone. */
  readonly workerId: string;
  /** Integer units it offers; a call of size n uses n. */
  readonly capacity: number;
  readonly datasets?: readonly DatasetHolding[];
  readonly targets: TargetRegistry;
  readonly gateway: GatewayClient;
  readonly connection: NativeConnection;
  readonly namespace: string;
  /** Default: the unprefixed names. */
  readonly names?: Names;
  /** How long `stop` lets running calls finish: at most a day. Default 30 s. */
  readonly shutdownGraceMs?: number;
  /** How long a stopped handler may take to return before its attempt is given up. Default 10 s. */
  readonly cancelGraceMs?: number;
  readonly dataConverter?: WorkerOptions['dataConverter'];
  readonly interceptors?: WorkerOptions['interceptors'];
  readonly logger: Logger;
}

export interface PoolWorkerStatus {
  readonly state: 'created' | 'joining' | 'running' | 'draining' | 'stopping' | 'stopped';
  /** Calls. */
  readonly running: number;
  /** Units in use. */
  readonly used: number;
  readonly capacity: number;
  readonly incarnation?: string;
  readonly lastRenewalAgoMs?: number;
}

const SHUTDOWN_GRACE_MS_DEFAULT = 30_000;
const SHUTDOWN_GRACE_MS_MAX = 24 * 3_600_000;
const CANCEL_GRACE_MS_DEFAULT = 10_000;
/**
 * The SDK sends at most one heartbeat per min(0.8 x timeout, this): at its default of a minute a timeout of a
 * second would leave 200 ms for the way to the server.
 */
const HEARTBEAT_THROTTLE_MS = 200;
/** Calls beyond the capacity are refused at once; with no slot for them they would time out in the queue. */
const SPARE_SLOTS = 10;
const PROBE_MS = 2_000;
/** After the last run of a worker that stops, for the pool to take in what was told of it. */
const LEAVE_MS_MAX = 5_000;

/**
 * @example
 * const worker = await PoolWorker.create({ poolId: 'default', workerId: 'w1', capacity: 4, ... });
 * process.once('SIGTERM', () => void worker.stop());
 * await worker.run();
 */
export class PoolWorker {
  readonly #options: PoolWorkerOptions;
  readonly #worker: Worker;
  readonly #runs: PoolRuns;
  readonly #membership: Membership;
  readonly #held: Parts['held'];
  #state: PoolWorkerStatus['state'] = 'created';
  #stopping: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  /** The pool counts nothing as used here. */
  #empty = false;

  /**
   * Prepares a worker; `run` registers it and polls.
   * @throws InvalidInputError where an id, the capacity or the datasets cannot be used
   */
  static async create(options: PoolWorkerOptions): Promise<PoolWorker> {
    checkOptions(options);
    const runs = new PoolRuns(options.capacity);
    const names = options.names ?? createNames();
    const taskQueue = names.workerQueueName(options.poolId, options.workerId);
    const membership = new Membership({
      gateway: options.gateway,
      registration: {
        poolId: options.poolId,
        workerId: options.workerId,
        targets: options.targets.list().map((target) => target.name),
        taskQueue,
      },
      datasets: idsOf(options.datasets ?? []),
      runs,
      reachesTemporal: () => answers(options.connection),
      cancelGraceMs: options.cancelGraceMs ?? CANCEL_GRACE_MS_DEFAULT,
      logger: options.logger,
    });
    const held = { datasets: options.datasets ?? [] };
    const worker = await createTemporalWorker(options, { taskQueue, runs, membership, held });
    return new PoolWorker(options, { worker, runs, membership, held });
  }

  private constructor(options: PoolWorkerOptions, parts: Parts & { readonly worker: Worker }) {
    this.#options = options;
    this.#worker = parts.worker;
    this.#runs = parts.runs;
    this.#membership = parts.membership;
    this.#held = parts.held;
  }

  /**
   * Works until `stop`. Call it once.
   * @throws EscapementError where it cannot join (PoolDisbanded, Unauthorized, InvalidInput), and what ends
   * the Temporal worker
   */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /**
   * Changes what it offers while it works. Below what is in use it takes nothing new until that fits; a dataset that is
   * not named any more is not held any more. What is not given stays. The pool hears of it at once.
   * @throws InvalidInputError where the capacity or the datasets cannot be used; then nothing is changed
   */
  update(offer: Partial<Pick<PoolWorkerOptions, 'capacity' | 'datasets'>>): void {
    const { capacity = this.#runs.capacity, datasets = this.#held.datasets } = offer;
    checkOptions({ ...this.#options, capacity, datasets });
    this.#runs.capacity = capacity;
    this.#held.datasets = datasets;
    this.#membership.offer(idsOf(datasets));
  }

  /** Takes nothing new; what runs goes on, and so does the worker. */
  async drain(): Promise<void> {
    if (this.#state === 'joining' || this.#state === 'running') this.#state = 'draining';
    await this.#membership.drain();
  }

  /**
   * Drains, waits up to `shutdownGraceMs` for running calls and until the pool has taken their results in, stops the rest
   * (they are evaluated again elsewhere), leaves the pool. Settles once all is done; never rejects. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  status(): PoolWorkerStatus {
    const incarnation = this.#membership.incarnation;
    const renewedAgoMs = this.#membership.renewedAgoMs;
    const joined = this.#state !== 'joining' || incarnation === undefined ? this.#state : 'running';
    return {
      state: joined,
      running: this.#runs.count,
      used: this.#runs.used,
      capacity: this.#runs.capacity,
      ...(incarnation === undefined ? {} : { incarnation }),
      ...(renewedAgoMs === undefined ? {} : { lastRenewalAgoMs: Math.round(renewedAgoMs) }),
    };
  }

  /** For `serveHealth`. */
  health(): HealthReport {
    return { healthy: this.#membership.healthy, body: { ...this.status() } };
  }

  async #run(): Promise<void> {
    if (this.#state === 'created') this.#state = 'joining';
    const polling = this.#worker.run().finally(() => this.#membership.end());
    // Its end is awaited below, which may be later than it fails.
    polling.catch(() => undefined);
    try {
      // It polls before it has joined: an empty queue costs nothing, and no call comes before the first grant.
      await this.#membership.run();
    } finally {
      if (this.#worker.getState() === 'RUNNING') this.#worker.shutdown();
      await polling.finally(() => this.#leave());
      this.#state = 'stopped';
    }
  }

  /**
   * An end that was told to Temporal has yet to reach the pool: who left before that would take the capacity of a run that
   * succeeded away from under its result. What does not come in time the TTL ends.
   */
  async #leave(): Promise<void> {
    const empty =
      this.#empty ||
      (await this.#membership.emptied(AbortSignal.timeout(Math.min(LEAVE_MS_MAX, this.#graceMs))));
    if (empty) await this.#membership.leave();
  }

  get #graceMs(): number {
    return this.#options.shutdownGraceMs ?? SHUTDOWN_GRACE_MS_DEFAULT;
  }

  async #stop(): Promise<void> {
    if (this.#running === undefined) {
      this.#state = 'stopped';
      return;
    }
    await this.drain();
    const grace = AbortSignal.timeout(this.#graceMs);
    // What was granted before the drain may still be on its way here, and begins.
    await Promise.race([this.#runs.idle(), aborted(grace)]);
    this.#empty = await this.#membership.emptied(grace);
    this.#state = 'stopping';
    this.#runs.stopAll(new RunStopped('stopping', 'the worker stops and could not let this run finish'));
    if (this.#worker.getState() === 'RUNNING') this.#worker.shutdown();
    await this.#running.catch(() => undefined);
  }
}

/** Creates a worker and runs it until `signal` aborts, then stops it gracefully. */
export async function runPoolWorker(
  options: PoolWorkerOptions & { readonly signal?: AbortSignal },
): Promise<void> {
  const worker = await PoolWorker.create(options);
  const stop = () => void worker.stop();
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted !== true) await worker.run();
  await worker.stop();
}

interface Parts {
  readonly runs: PoolRuns;
  readonly membership: Membership;
  readonly held: { datasets: readonly DatasetHolding[] };
}

function createTemporalWorker(
  options: PoolWorkerOptions,
  { taskQueue, runs, membership, held }: Parts & { readonly taskQueue: string },
): Promise<Worker> {
  const cancelGraceMs = options.cancelGraceMs ?? CANCEL_GRACE_MS_DEFAULT;
  const deps = {
    worker: { poolId: options.poolId, id: options.workerId },
    datasets: () => held.datasets,
    runs,
    incarnation: () => membership.incarnation,
    confirm: membership.confirm.bind(membership),
    renewEarly: () => membership.renewEarly(),
    cancelGraceMs,
  };
  const activities = Object.fromEntries(
    options.targets.list().map((target) => [target.name, createTargetActivity(target, deps)]),
  );
  return Worker.create({
    connection: options.connection,
    namespace: options.namespace,
    taskQueue,
    activities,
    identity: `${taskQueue} (pid ${process.pid})`,
    // The capacity may be raised later, and the number of slots may not; it is the runs' count that bounds what begins.
    maxConcurrentActivityTaskExecutions: CAPACITY_MAX + SPARE_SLOTS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    // By then every handler has returned or been given up; the SDK must not wait longer than that.
    shutdownForceTime: cancelGraceMs * 2 + SHUTDOWN_GRACE_MS_DEFAULT,
    ...(options.dataConverter === undefined ? {} : { dataConverter: options.dataConverter }),
    ...(options.interceptors === undefined ? {} : { interceptors: options.interceptors }),
  });
}

function idsOf(datasets: readonly DatasetHolding[]): readonly string[] {
  return datasets.map((dataset) => dataset.id);
}

function checkOptions(options: PoolWorkerOptions): void {
  const issues: InputIssue[] = [];
  const check = (path: string, message: string | undefined) => {
    if (message !== undefined) issues.push({ path, message });
  };
  const { capacity, datasets = [] } = options;
  check('poolId', idProblem('pool', options.poolId));
  check('workerId', idProblem('worker', options.workerId));
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > CAPACITY_MAX) {
    check('capacity', `must be a whole number from 1 to ${CAPACITY_MAX}, got ${capacity}`);
  }
  const { shutdownGraceMs: graceMs = 0 } = options;
  if (!Number.isInteger(graceMs) || graceMs < 0 || graceMs > SHUTDOWN_GRACE_MS_MAX) {
    check(
      'shutdownGraceMs',
      `must be whole milliseconds, at most a day (${SHUTDOWN_GRACE_MS_MAX}), got ${graceMs}`,
    );
  }
  if (datasets.length > DATASETS_PER_WORKER_MAX) {
    check('datasets', `are ${datasets.length}, at most ${DATASETS_PER_WORKER_MAX} are allowed`);
  }
  for (const [index, dataset] of datasets.entries()) {
    check(`datasets.${index}`, idProblem('dataset', dataset.id));
  }
  if (issues.length > 0) throw new InvalidInputError('pool worker', issues);
}

/** Whether the Temporal server answers; by the connection that the worker itself uses. */
async function answers(connection: NativeConnection): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + PROBE_MS, () => connection.workflowService.getSystemInfo({}));
    return true;
  } catch {
    return false;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
