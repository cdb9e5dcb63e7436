/**
 * Schedules: making, finding and ending them, and what became of their due times. A part of `Scheduler`; what one does to
 * a single one is in schedule-handle.ts.
 */
import { type Client, isGrpcServiceError, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { AlreadyExistsError, InvalidInputError } from '../contract/errors.ts';
import { type Names, parseWorkflowId } from '../contract/ids.ts';
import type { Fire } from '../contract/ledger.ts';
import type { ScheduleStateName } from '../contract/messages.ts';
import type { ScheduleInput } from '../contract/schedule.ts';
import { refuseUnknownAttributes } from './attributes.ts';
import { actOnMany, type BulkAct, type BulkOptions, type BulkResult } from './bulk.ts';
import { checkWithCalendars } from './definition.ts';
import { type FireQuery, firesOf } from './fires.ts';
import type { GatewayClient } from './gateway-client.ts';
import { refuseId, refuseNumber } from './given.ts';
import { createMessageRate } from './message-rate.ts';
import { PREVIEW_COUNT_MAX, type PreviewOptions, previewOf, type SchedulePreview } from './preview.ts';
import { ScheduleHandle } from './schedule-handle.ts';
import { refuseCircle } from './trigger-circles.ts';

export interface ScheduleListItem {
  readonly id: string;
  /** Absent where the search attributes are not registered. */
  readonly state?: ScheduleStateName;
  readonly pool?: string;
  readonly target?: string;
  readonly startedAtMs: number;
}

export class Schedules {
  readonly #client: Client;
  readonly #names: Names;
  readonly #gateway: GatewayClient | undefined;
  readonly #rate = createMessageRate();

  /** @param gateway what `fires` asks; nothing else needs it */
  constructor(client: Client, names: Names, gateway?: GatewayClient) {
    this.#client = client;
    this.#names = names;
    this.#gateway = gateway;
  }

  /** @throws InvalidInputError; AlreadyExistsError (ScheduleExists), and then nothing has changed */
  async create(id: string, schedule: ScheduleInput): Promise<ScheduleHandle> {
    refuseId('schedule', id);
    const subject = `schedule "${id}"`;
    const { definition } = await checkWithCalendars(this.#gateway, subject, schedule, Date.now());
    const { run, spec } = definition;
    await refuseUnknownAttributes(this.#client, subject, run);
    await this.#refuseCircle(subject, id, definition.triggers);
    try {
      await this.#client.workflow.start('scheduleWorkflow', {
        args: [schedule],
        taskQueue: this.#names.schedulesQueue,
        workflowId: this.#names.scheduleWorkflowId(id),
        staticSummary: `${run.target.name}: ${spec.expressions.join(' | ')}`,
        staticDetails: scheduleDetails(id, definition.note),
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const message = `schedule "${id}" exists already: change it (\`escapement schedule change\`), or delete it first`;
      throw new AlreadyExistsError('ScheduleExists', message, { scheduleId: id }, { cause: error });
    }
    return this.get(id);
  }

  /**
   * What a schedule would be, and when it would be due: nothing is made. Asks the gateway only for the calendars that the
   * schedule names, and Temporal only for those that it triggers, where `id` is given.
   * @throws InvalidInputError naming every field at fault
   * @example const { next, affectedDates } = await scheduler.schedules.preview({ spec: '30 2 * * *', target: 'report' });
   */
  async preview(schedule: ScheduleInput, options: PreviewOptions = {}): Promise<SchedulePreview> {
    const { count = 1 } = options;
    refuseNumber('preview', 'count', count, { min: 0, max: PREVIEW_COUNT_MAX });
    const nowMs = Date.now();
    const checked = await checkWithCalendars(this.#gateway, 'schedule', schedule, nowMs);
    const { id } = options;
    if (id !== undefined) await this.#refuseCircle(`schedule "${id}"`, id, checked.definition.triggers);
    return previewOf(checked, nowMs, options);
  }

  async #refuseCircle(subject: string, id: string, triggers: readonly string[] | undefined): Promise<void> {
    await refuseCircle(
      subject,
      id,
      triggers,
      async (one) => (await this.get(one).describe()).definition.triggers ?? [],
    );
  }

  /** A handle; whether the schedule exists shows with the first call on it. */
  get(id: string): ScheduleHandle {
    refuseId('schedule', id);
    return new ScheduleHandle(this.#client, this.#names, id, this.#gateway, this.#rate);
  }

  async delete(id: string, options: { readonly cancelRunning?: boolean } = {}): Promise<void> {
    await this.get(id).delete(options);
  }

  /**
   * What became of its due times, newest first: `from` (inclusive) to `until` (exclusive), of one outcome where one is
   * given. Past Temporal's retention, too, and of deleted schedules.
   * @throws InvalidInputError naming the field; GatewayUnavailableError
   * @example for await (const fire of scheduler.schedules.fires('nightly', { outcome: 'missed' })) console.log(fire.key);
   */
  fires(id: string, query: FireQuery = {}): AsyncGenerator<Fire> {
    refuseId('schedule', id);
    return firesOf(this.#gateway, id, query);
  }

  /**
   * One act on the schedules that a query finds, or with `all: true` on every one: `enable`, `disable`, `pause`, `resume`,
   * `delete`.
   * @throws InvalidInputError where it is not said which, the act is unknown, or Temporal does not understand the query
   * @example await scheduler.schedules.bulk('pause', { query: 'EscapementPool = "gpu"', request: { reason: 'upgrade' } });
   */
  bulk(act: BulkAct, options: BulkOptions): Promise<readonly BulkResult[]> {
    return actOnMany(this, act, options);
  }

  /**
   * The schedules of this deployment, or those of them that a visibility query finds; visibility may lag by a second.
   * @throws InvalidInputError where Temporal does not understand the query
   */
  async *list(options: { readonly query?: string } = {}): AsyncGenerator<ScheduleListItem> {
    const ours = 'WorkflowType = "scheduleWorkflow" AND ExecutionStatus = "Running"';
    const query = options.query === undefined ? ours : `${ours} AND (${options.query})`;
    for await (const found of understood(this.#client.workflow.list({ query }), options.query)) {
      const parsed = parseWorkflowId(found.workflowId);
      if (parsed?.noun !== 'schedule' || parsed.deployment !== this.#names.deployment) continue;
      const { searchAttributes: said } = found;
      yield {
        id: parsed.id,
        startedAtMs: found.startTime.getTime(),
        ...definedOnly({
          state: said.EscapementState?.[0] as ScheduleStateName | undefined,
          pool: said.EscapementPool?.[0] as string | undefined,
          target: said.EscapementTarget?.[0] as string | undefined,
        }),
      };
    }
  }
}

/** A query that cannot be read is the fault of who wrote it. */
async function* understood<T>(found: AsyncIterable<T>, query: string | undefined): AsyncGenerator<T> {
  try {
    yield* found;
  } catch (error) {
    if (query === undefined || !isServiceError(error, INVALID_ARGUMENT)) throw error;
    const message = `Temporal does not understand ${JSON.stringify(query)} (${messageOf(error)}): write for example EscapementPool = "gpu"`;
    throw new InvalidInputError('schedules', [{ path: 'query', message }], { cause: error });
  }
}

const INVALID_ARGUMENT = 3;

function isServiceError(error: unknown, code: number): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause) && Number(cause.code) === code) return true;
  }
  return false;
}

function messageOf(error: unknown): string {
  let message = String(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    message = isGrpcServiceError(cause) ? cause.details : cause.message;
  }
  return message;
}

function scheduleDetails(id: string, note: string | undefined): string {
  const how = [
    `Schedule **${id}** of Escapement. Its card is under *Current details*; its runs have ids that begin with \`schedule/${id}/\`.`,
    'Signals: `enable`, `disable`, `pause`, `resume`, `changeSchedule`, `trigger`, `delete`. Query: `describe`.',
  ];
  return note === undefined ? how.join('\n\n') : [note, ...how].join('\n\n');
}

function definedOnly<T extends Record<string, unknown>>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const defined = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(defined) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
