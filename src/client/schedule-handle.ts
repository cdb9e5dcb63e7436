/**
 * ScheduleHandle: everything one can do to one schedule. Changes are Temporal Updates, so they answer when they are
 * done and refuse with the schedule's own words; the signals of the same names do the same without an answer.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError, type Client, QueryNotRegisteredError } from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import { InvalidInputError } from '../contract/errors.ts';
import type { Names } from '../contract/ids.ts';
import type { Fire } from '../contract/ledger.ts';
import { checkScheduleMessage, type ScheduleMessageKind } from '../contract/message-shape.ts';
import {
  type BacklogResult,
  type CatchUpRequest,
  type BackfillRequest,
  type ChangeNote,
  type ChangeRequest,
  type DeleteRequest,
  describeSchedule,
  type ScheduleDescription,
  scheduleSignals,
  scheduleUpdates,
  type RevertRequest,
  type SuspendRequest,
  type TriggerRequest,
  type TriggerResult,
} from '../contract/messages.ts';
import type { ScheduleInput } from '../contract/schedule.ts';
import { compileSpec } from '../core/cron/spec.ts';
import { orUnavailable } from './connect.ts';
import { refuseUnknownAttributes } from './attributes.ts';
import { type BackfillPreview, type BackfillPreviewRequest, previewBackfill } from './backfill-preview.ts';
import { checkWithCalendars, readCalendars } from './definition.ts';
import { type FireQuery, firesOf } from './fires.ts';
import type { GatewayClient } from './gateway-client.ts';
import { DATE_MS_MAX, refuseNoObject, refuseNoObjects, refuseNumber } from './given.ts';
import { PREVIEW_COUNT_MAX } from './preview.ts';
import { isUnprocessed, ofSchedule, scheduleNotExists } from './schedule-errors.ts';
import { createMessageRate, type MessageRate } from './message-rate.ts';
import { refuseCircle } from './trigger-circles.ts';

/** How long a change may wait for a worker; the change itself takes milliseconds. */
const ANSWER_TIMEOUT_MS = 15_000;
const FIRST_ANSWER_PAUSE_MS = 100;
const FIRST_ANSWER_TRIES_MAX = ANSWER_TIMEOUT_MS / FIRST_ANSWER_PAUSE_MS;
const NOBODY = 'no orchestration worker answers: is `escapement worker` (or `escapement dev`) running?';

/** An update that arrives in the very moment in which the schedule continues as new, or ends, is sent again. */
const UPDATE_ATTEMPTS_MAX = 5;
/** Before the second attempt, and twice that before each that follows: a task that failed is soon done again. */
const UPDATE_PAUSE_MS = 100;
const FAILED_PRECONDITION = 9;

/**
 * The server gave the update up with its workflow task, or the task ended without a word of it, as happens on a machine that is
 * overloaded; nothing was done.
 */
function isAborted(error: unknown): boolean {
  if (isUnprocessed(error)) return true;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause) && Number(cause.code) === FAILED_PRECONDITION) return true;
  }
  return false;
}

export class ScheduleHandle {
  readonly #client: Client;
  readonly #names: Names;
  readonly #gateway: GatewayClient | undefined;
  readonly #rate: MessageRate;

  /**
   * @param gateway asked for calendars and the ledger; nothing else needs it
   * @param rate shared by the handles of a schedule; default: one of its own
   */
  constructor(
    client: Client,
    names: Names,
    readonly id: string,
    gateway?: GatewayClient,
    rate: MessageRate = createMessageRate(),
  ) {
    this.#client = client;
    this.#names = names;
    this.#gateway = gateway;
    this.#rate = rate;
  }

  get workflowId(): string {
    return this.#names.scheduleWorkflowId(this.id);
  }

  /** Switches on; counts afresh from now. Nothing changes if it is on. */
  enable(note: ChangeNote = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.enable, note);
  }

  /** Switches off and forgets its place; runs that go on go on. `until`: ISO 8601 instant of its return. */
  disable(request: SuspendRequest = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.disable, request);
  }

  /** Holds it and keeps its place: what falls due meanwhile is recorded as paused and not replayed. */
  pause(request: SuspendRequest = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.pause, request);
  }

  resume(note: ChangeNote = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.resume, note);
  }

  /**
   * Replaces the definition from now on; an identical one changes nothing. Checked as `create` checks it.
   * @throws InvalidInputError; EscapementError `RevisionConflict` with the current revision in `details`
   */
  async change(
    schedule: ScheduleInput,
    options: ChangeNote & { readonly revision?: number } = {},
  ): Promise<ScheduleDescription> {
    const subject = `schedule "${this.id}"`;
    const { definition } = await checkWithCalendars(this.#gateway, subject, schedule, Date.now());
    await refuseUnknownAttributes(this.#client, subject, definition.run);
    await refuseCircle(subject, this.id, definition.triggers, async (id) => await this.#triggersOf(id));
    const request: ChangeRequest = { schedule, ...options };
    return await this.#update(scheduleUpdates.changeSchedule, request);
  }

  /** Runs it now, by its overlap rule; the answer says what came of it. */
  async trigger(request: TriggerRequest = {}): Promise<TriggerResult> {
    refuseNoObject(`schedule "${this.id}"`, 'request', request);
    // A key of its own, so that a repeated call is one run.
    return await this.#update(scheduleUpdates.trigger, { key: randomUUID(), ...request });
  }

  /** Several triggers in one message, all or none; answers in their order, once all are settled or wait. */
  async triggerMany(triggers: readonly TriggerRequest[]): Promise<readonly TriggerResult[]> {
    refuseNoObjects(`schedule "${this.id}"`, 'triggers', triggers);
    const keyed = triggers.map((request) => ({ key: randomUUID(), ...request }));
    return await this.#update(scheduleUpdates.triggerMany, { triggers: keyed });
  }

  /**
   * Goes back to the definition of an earlier revision, which becomes a new one. `describe().revisions` lists those kept.
   * @throws InvalidInputError; EscapementError `RevisionConflict`
   */
  revert(request: RevertRequest): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.revert, request);
  }

  /** Leaves one nominal time out: it is recorded as `skipped-occurrence`. `at`: ISO 8601 instant. */
  skipOccurrence(at: string, note: ChangeNote = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.changeOccurrence, { ...note, at, act: 'skip' });
  }

  /** Runs one nominal time at another instant; its identity stays. */
  moveOccurrence(at: string, to: string, note: ChangeNote = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.changeOccurrence, { ...note, at, to, act: 'move' });
  }

  /** Holds one nominal time back until it is restored, however late. */
  holdOccurrence(at: string, note: ChangeNote = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.changeOccurrence, { ...note, at, act: 'hold' });
  }

  /** Undoes a skip, a move or a hold; what was held and is due runs at once. */
  restoreOccurrence(at: string, note: ChangeNote = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.changeOccurrence, { ...note, at, act: 'restore' });
  }

  /**
   * Runs the nominal times of (from, to], beside the live fires and apart from them.
   * @throws InvalidInputError, which says how many instants it would be where they are too many
   */
  backfill(request: BackfillRequest): Promise<BacklogResult> {
    return this.#update(scheduleUpdates.backfill, { key: randomUUID(), ...request });
  }

  /**
   * What a backfill would run, and what of it has run already; nothing is done.
   * @throws InvalidInputError naming the field
   * @example const { times } = await handle.previewBackfill({ from: '2026-01-01T00:00:00Z', to: '2026-01-08T00:00:00Z' });
   */
  async previewBackfill(request: BackfillPreviewRequest): Promise<BackfillPreview> {
    return await previewBackfill(this.#gateway, await this.describe(), request);
  }

  /** Ends a backfill or a catch-up; its runs go on. */
  stopBacklog(id: string, note: ChangeNote = {}): Promise<ScheduleDescription> {
    return this.#update(scheduleUpdates.stopBacklog, { ...note, id });
  }

  /**
   * Runs what was missed in (since, until] by the schedule's own catch-up rule; what has run already is recorded as a
   * duplicate. `until`: default now.
   */
  catchUp(request: CatchUpRequest): Promise<BacklogResult> {
    return this.#update(scheduleUpdates.catchUp, request);
  }

  describe(): Promise<ScheduleDescription> {
    return this.#call(async () => {
      const handle = this.#client.workflow.getHandle(this.workflowId);
      // Temporal answers queries of closed workflows too, but a deleted schedule is not there any more.
      const { status } = await this.#soon(() => handle.describe());
      if (status.name !== 'RUNNING') throw scheduleNotExists(this.id);
      return await this.#soon(() => onceOpen(() => handle.query(describeSchedule)));
    });
  }

  /**
   * What became of its due times, newest first: `from` (inclusive) to `until` (exclusive), of one outcome where one is given.
   * @throws InvalidInputError naming the field; UnavailableError
   * @example for await (const fire of handle.fires({ outcome: 'missed' })) console.log(fire.key);
   */
  fires(query: FireQuery = {}): AsyncGenerator<Fire> {
    return firesOf(this.#gateway, this.id, query);
  }

  /**
   * The next `count` (at most 10,000) nominal times after `afterMs` (default now), ms since the epoch, whether or not it is
   * paused.
   * @throws InvalidInputError naming the argument
   */
  async nextTimes(count = 10, afterMs = Date.now()): Promise<readonly number[]> {
    const subject = `schedule "${this.id}"`;
    refuseNumber(subject, 'count', count, { min: 0, max: PREVIEW_COUNT_MAX });
    refuseNumber(subject, 'afterMs', afterMs, { min: -DATE_MS_MAX, max: DATE_MS_MAX });
    const { spec } = (await this.describe()).definition;
    const calendars = await readCalendars(this.#gateway, spec);
    const result = compileSpec(spec, {
      firesAfterMs: -Infinity,
      calendars,
      missingCalendars: 'ignore',
    });
    if (!result.ok) throw new InvalidInputError(subject, result.issues);
    return result.compiled.times(afterMs, Number.MAX_SAFE_INTEGER, count);
  }

  /** Ends it. Its running invocation goes on unless `cancelRunning` is set; the ledger stays. */
  async delete(request: DeleteRequest = {}): Promise<void> {
    await this.#call(async () => {
      const handle = this.#client.workflow.getHandle(this.workflowId);
      await this.#rate.turn(this.id);
      await handle.signal(scheduleSignals.delete, request);
      await this.#soon(() => handle.result());
    });
  }

  async #triggersOf(id: string): Promise<readonly string[]> {
    const other = new ScheduleHandle(this.#client, this.#names, id, this.#gateway, this.#rate);
    return (await other.describe()).definition.triggers ?? [];
  }

  #update<R, A>(definition: UpdateDefinition<R, [A?]> | UpdateDefinition<R, [A]>, request: A): Promise<R> {
    return this.#call(async () => {
      // The schedule would refuse it with the same words, were it not too large for the server.
      const checked = checkScheduleMessage(definition.name as ScheduleMessageKind, request);
      if ('problem' in checked) {
        const { problem, field = '' } = checked;
        throw new InvalidInputError(`schedule "${this.id}"`, [{ path: field, message: problem }]);
      }
      const handle = this.#client.workflow.getHandle(this.workflowId);
      const update = definition as UpdateDefinition<R, [A]>;
      // Sent again it is the same request.
      const updateId = randomUUID();
      for (let attempt = 1; ; attempt += 1) {
        await this.#rate.turn(this.id);
        try {
          return await this.#soon(() => handle.executeUpdate(update, { args: [request], updateId }));
        } catch (error) {
          if (attempt === UPDATE_ATTEMPTS_MAX || !isAborted(error)) throw error;
          await sleep(UPDATE_PAUSE_MS * 2 ** (attempt - 1));
        }
      }
    });
  }

  #soon<T>(call: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + ANSWER_TIMEOUT_MS;
    return orUnavailable(`schedule "${this.id}"`, NOBODY, () =>
      this.#client.connection.withDeadline(deadline, call),
    );
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw ofSchedule(this.id, error);
    }
  }
}

/** In its first moment a workflow has no answer yet: it is asked again until the deadline of the call. */
async function onceOpen<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof QueryNotRegisteredError) || tries === FIRST_ANSWER_TRIES_MAX) throw error;
      await sleep(FIRST_ANSWER_PAUSE_MS);
    }
  }
}
