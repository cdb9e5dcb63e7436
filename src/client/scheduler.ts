/**
 * Scheduler: the SDK's entry. Speaks to Temporal for schedules, jobs and invocations, to the gateway for pools and the
 * ledger. Holds one connection; safe to share.
 */
import { randomUUID } from 'node:crypto';
import {
  Client,
  type ClientInterceptors,
  type Connection,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { type ConfigOptions, loadConfig } from '../config/config.ts';
import { AlreadyExistsError, InvalidInputError } from '../contract/errors.ts';
import { createNames, type Names, parseWorkflowId } from '../contract/ids.ts';
import type { EvalStory } from '../contract/explanations.ts';
import type { InvocationInput } from '../contract/invocation.ts';
import type { RunInput } from '../contract/schedule.ts';
import { parseRun } from '../contract/run-schema.ts';
import { invocationAttributes, invocationStart, startRefusal } from '../contract/starts.ts';
import { parseDuration } from '../core/duration.ts';
import { refuseUnknownAttributes } from './attributes.ts';
import { connectTemporal } from './connect.ts';
import { GatewayClient } from './gateway-client.ts';
import { instantMs, refuseId } from './given.ts';
import { InvocationHandle, type InvocationStatus, JobHandle } from './job-handle.ts';
import { Schedules } from './schedules.ts';

export interface SchedulerOptions extends ConfigOptions {
  /** Use this connection; it is then not closed by `close`. */
  readonly connection?: Connection;
  readonly dataConverter?: DataConverter;
  readonly interceptors?: ClientInterceptors;
}

export interface JobOptions {
  /** Default: a new UUID. */
  readonly id?: string;
}

/**
 * @example
 * const scheduler = await Scheduler.connect();
 * const nightly = await scheduler.schedules.create('nightly', {
 *   spec: '0 2 * * *', timeZone: 'Europe/Berlin', target: 'command', input: { command: ['./report.sh'] },
 * });
 * await nightly.trigger();
 * await scheduler.in('5m', { target: 'command', input: { command: ['date'] } });
 * await scheduler.close();
 */
export class Scheduler {
  readonly schedules: Schedules;
  readonly jobs: Jobs;
  readonly invocations: Invocations;
  readonly #ownConnection: Connection | undefined;

  private constructor(
    /** Temporal's own client, for everything else one may want of it. */
    readonly client: Client,
    readonly names: Names,
    /** Pools, ledger, runs and dead letters. */
    readonly gateway: GatewayClient,
    ownConnection: Connection | undefined,
  ) {
    this.schedules = new Schedules(client, names, gateway);
    this.jobs = new Jobs(client, names);
    this.invocations = new Invocations(client, names, gateway);
    this.#ownConnection = ownConnection;
  }

  /**
   * Settings not given come from the environment, Temporal's configuration file, or the system that runs in this
   * folder. @throws InvalidInputError, UnavailableError
   */
  static async connect(options: SchedulerOptions = {}): Promise<Scheduler> {
    const config = loadConfig(options);
    const connection = options.connection ?? (await connectTemporal(config.temporal, config.namespace));
    const client = new Client({
      connection,
      namespace: config.namespace,
      ...(options.dataConverter && { dataConverter: options.dataConverter }),
      ...(options.interceptors && { interceptors: options.interceptors }),
    });
    const gateway = new GatewayClient({ url: config.gatewayUrl, key: config.gatewayKey ?? '' });
    const own = options.connection === undefined ? connection : undefined;
    return new Scheduler(client, createNames(config.deployment), gateway, own);
  }

  /** Runs a job once at an instant (a Date, ms, or ISO 8601 with offset); one that has passed runs at once. */
  at(instant: Date | number | string, job: RunInput, options: JobOptions = {}): Promise<JobHandle> {
    const atMs = instantMs(instant);
    if (atMs === undefined || !Number.isFinite(atMs)) {
      const message = `${JSON.stringify(instant)} is not an instant: write for example "2026-01-31T09:00:00Z"`;
      throw new InvalidInputError('job', [{ path: 'at', message }]);
    }
    return this.jobs.start(atMs, job, options);
  }

  /** Runs a job once after a length of time (`"5m"`, or ms). */
  in(delay: number | string, job: RunInput, options: JobOptions = {}): Promise<JobHandle> {
    const parsed = parseDuration(delay);
    if (!parsed.ok) throw new InvalidInputError('job', [{ path: 'in', message: parsed.message }]);
    return this.jobs.start(Date.now() + parsed.ms, job, options);
  }

  async close(): Promise<void> {
    await this.#ownConnection?.close();
  }
}

export class Jobs {
  readonly #client: Client;
  readonly #names: Names;

  constructor(client: Client, names: Names) {
    this.#client = client;
    this.#names = names;
  }

  get(id: string): JobHandle {
    refuseId('job', id);
    return new JobHandle(this.#client, this.#names.jobWorkflowId(id), id);
  }

  /** @throws InvalidInputError; AlreadyExistsError (JobExists): a job's id is used once */
  async start(dueAtMs: number, job: RunInput, { id = randomUUID() }: JobOptions): Promise<JobHandle> {
    refuseId('job', id);
    const run = parseRun(`job "${id}"`, job);
    await refuseUnknownAttributes(this.#client, `job "${id}"`, run);
    const input: InvocationInput = {
      run,
      why: 'job',
      jobId: id,
      requestedAtMs: Date.now(),
      nominalAtMs: dueAtMs,
      dueAtMs,
    };
    try {
      await this.#startOnce(invocationStart(this.#names, this.#names.jobWorkflowId(id), input, dueAtMs));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const message = `job "${id}" exists already (a job's id is used once): leave the id out to get a new one`;
      throw new AlreadyExistsError('JobExists', message, { jobId: id }, { cause: error });
    }
    return this.get(id);
  }

  /** With search attributes where the namespace has them; they are no reason not to run. */
  async #startOnce(start: ReturnType<typeof invocationStart>): Promise<void> {
    const typedSearchAttributes = invocationAttributes(start.args[0]);
    try {
      await this.#client.workflow.start('invocationWorkflow', { ...start, typedSearchAttributes });
    } catch (error) {
      if (startRefusal(error) === undefined) throw error;
      await this.#client.workflow.start('invocationWorkflow', start);
    }
  }
}

export class Invocations {
  readonly #client: Client;
  readonly #names: Names;
  readonly #gateway: GatewayClient;

  constructor(client: Client, names: Names, gateway: GatewayClient) {
    this.#client = client;
    this.#names = names;
    this.#gateway = gateway;
  }

  /**
   * Its evals, the oldest first: what each waited for and how long, where it went and why. None where it has asked for no
   * capacity. @throws UnavailableError where the gateway is out of reach
   */
  explain(id: string): Promise<readonly EvalStory[]> {
    return this.#gateway.explainInvocation(id);
  }

  /** @param id its workflow id, such as `schedule/nightly/2026-01-31T02:00:00Z` */
  get(id: string): InvocationHandle {
    return new InvocationHandle(this.#client, id);
  }

  /** Invocations that Temporal still knows, newest first; older ones are in the ledger. */
  async *list(
    options: { readonly scheduleId?: string; readonly running?: boolean } = {},
  ): AsyncGenerator<InvocationStatus> {
    const query = [
      'WorkflowType = "invocationWorkflow"',
      options.running === true && 'ExecutionStatus = "Running"',
      options.scheduleId !== undefined &&
        `WorkflowId STARTS_WITH "${this.#names.scheduleWorkflowId(options.scheduleId)}/"`,
    ];
    const found = this.#client.workflow.list({ query: query.filter(Boolean).join(' AND ') });
    for await (const { workflowId, status, startTime, closeTime } of found) {
      if (parseWorkflowId(workflowId)?.deployment !== this.#names.deployment) continue;
      yield {
        id: workflowId,
        status: status.name,
        startedAtMs: startTime.getTime(),
        ...(closeTime !== undefined && { closedAtMs: closeTime.getTime() }),
      };
    }
  }

  /** True while a workflow of that id is open. */
  async isRunning(id: string): Promise<boolean> {
    try {
      const { status } = await this.#client.workflow.getHandle(id).describe();
      return status.name === 'RUNNING';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }
}
