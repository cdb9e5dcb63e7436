/**
 * A pool worker's place in its pool: registers, renews what it runs, learns what it lost, leaves. Run by
 * `pool-worker.ts`, asked by `pool-call.ts`. Speaks to the gateway only.
 * Promise: what the gateway says is lost is stopped at once; a registration that is gone is replaced by a
 * new incarnation only after everything of the old one has been stopped.
 *
 * Silence is the hard case. A worker that was cut off must not go on for ever with work that was given to
 * another, and an outage of the gateway or the database must not kill healthy work for nothing (the sweep
 * extends every TTL when all were silent). So when the lease has run out by our own clock:
 * - the gateway answers that its database is away: we wait. Nobody can renew, so nobody is replaced.
 * - the gateway is silent but Temporal answers: we wait. It is the gateway that is gone, for all workers as a
 *   rule; and where it is not, the invocation's workflow can still cancel the call by its heartbeat, and a
 *   result that comes too late is refused by its epoch.
 * - both are silent: we are cut off. Temporal's heartbeat timeout will send the work elsewhere, so ours stops.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import { type GatewayClient, GatewayUnavailableError } from '../client/gateway-client.ts';
import { AlreadyExistsError, NotExistsError, UnavailableError } from '../contract/errors.ts';
import { RUNNING_PER_RENEWAL_MAX } from '../contract/gateway.ts';
import type { AllocRef, WorkerRegistration } from '../contract/pools.ts';
import { Lease } from './pool-lease.ts';
import { type PoolRuns, RunStopped } from './pool-runs.ts';

export interface MembershipOptions {
  readonly gateway: GatewayClient;
  readonly registration: Omit<WorkerRegistration, 'incarnation' | 'capacity' | 'datasets'>;
  /** Held at first; `offer` changes them. */
  readonly datasets: readonly string[];
  readonly runs: PoolRuns;
  /** Whether the Temporal server answers; must settle within a few seconds. */
  readonly reachesTemporal: () => Promise<boolean>;
  /** How long stopped handlers may take to return before the worker registers again without their units. */
  readonly cancelGraceMs: number;
  readonly logger: Logger;
}

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 2_000;
const CALL_MS_MAX = 5_000;
/** Between looks at whether the pool has taken in what was told: some tens of milliseconds as a rule. */
const EMPTIED_MS_MIN = 25;
const EMPTIED_MS_MAX = 500;
/** A gateway that is away knows nothing of us; the TTLs do the rest. */
const FAILURES_MAX = 3;
const LOST_ALLOC = new RunStopped('lost', 'the worker lost the capacity this run was granted');

export class Membership {
  readonly #options: MembershipOptions;
  readonly #lease = new Lease();
  readonly #ended = new AbortController();
  #early = new AbortController();
  #incarnation: string | undefined;
  #offered = 0;
  #datasets: readonly string[];
  #isOfferOld = false;
  #draining = false;
  #trouble: string | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #next: Promise<readonly AllocRef[]> | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#datasets = options.datasets;
  }

  /** This process's registration; undefined before the first and after a lost one. */
  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  /** Milliseconds since the last renewal that was answered was sent. */
  get renewedAgoMs(): number | undefined {
    return this.#lease.renewedAgoMs;
  }

  /** The registration is there and has not run out. */
  get healthy(): boolean {
    return this.#incarnation !== undefined && !this.#lease.expired;
  }

  /**
   * Joins and keeps the place until `end`.
   * @throws EscapementError where joining cannot succeed: PoolDisbanded, Unauthorized, InvalidInput. A gateway
   * that is down, a pool that is not there yet and a name that another still holds are waited for.
   */
  async run(): Promise<void> {
    await this.#join();
    let retryMs = RETRY_MS_MIN;
    while (!this.#ended.signal.aborted) {
      const calm = this.#trouble === undefined;
      await this.#pause(
        calm ? this.#lease.periodMs : Math.min(retryMs, this.#lease.periodMs),
        this.#early.signal,
      );
      this.#early = new AbortController();
      retryMs = calm ? RETRY_MS_MIN : retryMs * 2;
      if (!this.#ended.signal.aborted && this.#incarnation !== undefined) await this.#turn();
    }
  }

  /** Whether the alloc is ours, asked of the gateway only where its end is near or past. Never rejects. */
  async confirm(ref: AllocRef, expiresAtMs: number): Promise<boolean> {
    if (!this.#lease.isNear(expiresAtMs)) return true;
    try {
      const held = await this.#renew();
      return held.some((other) => other.id === ref.id && other.epoch === ref.epoch);
    } catch (error) {
      this.#options.logger.warn('could not confirm an alloc: its call does not begin', { error });
      return false;
    }
  }

  /** Takes nothing new from now on. A gateway that is away is told with the next registration, if any. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#tellDrain();
  }

  /** Where it fails, the next renewal shows that it did. */
  async #tellDrain(): Promise<void> {
    if (this.#incarnation === undefined) return;
    const { gateway, registration } = this.#options;
    await gateway
      .drainWorker(registration.poolId, registration.workerId, this.#incarnation, { timeoutMs: CALL_MS_MAX })
      .catch((error: unknown) => this.#report('could not drain', error));
  }

  /**
   * Settles once the pool counts nothing as used here any more: every result that was told has been taken in, and nothing that
   * was granted is on its way. False where nobody could say, or not before `signal` aborts. Never rejects.
   */
  async emptied(signal: AbortSignal): Promise<boolean> {
    for (let pauseMs = EMPTIED_MS_MIN, failures = 0; this.#incarnation !== undefined; pauseMs *= 2) {
      try {
        await this.#renew();
        if (this.#lease.used === 0) return true;
        failures = 0;
      } catch (error) {
        this.#report('could not renew', error);
        failures += 1;
      }
      if (signal.aborted || failures === FAILURES_MAX) return false;
      await sleep(Math.min(pauseMs, EMPTIED_MS_MAX), undefined, { signal }).catch(() => undefined);
    }
    return false;
  }

  /** Renews now and not when it is time: what was counted as used is so no more. */
  renewEarly(): void {
    this.#early.abort();
  }

  /** What the worker offers has changed: the pool hears of it at once, or as soon as the gateway answers. */
  offer(datasets: readonly string[]): void {
    this.#datasets = datasets;
    this.#isOfferOld = true;
    this.renewEarly();
  }

  /** Ends `run`. */
  end(): void {
    this.#ended.abort();
  }

  /** Gives the place up. Where the gateway is away, the TTL does it. */
  async leave(): Promise<void> {
    const incarnation = this.#incarnation;
    if (incarnation === undefined) return;
    this.#incarnation = undefined;
    const { gateway, registration } = this.#options;
    const { poolId, workerId } = registration;
    for (let failures = 0; failures < FAILURES_MAX; failures += 1) {
      try {
        await gateway.removeWorker(poolId, workerId, incarnation, { timeoutMs: CALL_MS_MAX });
        return;
      } catch (error) {
        this.#report('could not leave', error);
        await sleep(RETRY_MS_MIN);
      }
    }
  }

  async #turn(): Promise<void> {
    try {
      await this.#renew();
      const isOld = this.#isOfferOld || this.#offered !== this.#offer();
      if (isOld && !this.#draining) await this.#register(this.#incarnation);
      this.#recovered();
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      if (error instanceof NotExistsError && error.code === 'WorkerNotExists') return this.#lost();
      this.#report('could not renew', error);
      await this.#stopIfCutOff(error);
    }
  }

  /**
   * Renews with all that runs when it is sent, and answers what of it is held. One at a time: those who ask
   * while one is under way share the next, so a burst of calls costs two renewals, not one each.
   */
  #renew(): Promise<readonly AllocRef[]> {
    this.#next ??= this.#underWay.then(() => {
      this.#next = undefined;
      const renewal = this.#renewAll(this.#options.runs.running());
      this.#underWay = renewal.then(
        () => undefined,
        () => undefined,
      );
      return renewal;
    });
    return this.#next;
  }

  /** Answers which of `refs` are held, and stops the others. */
  async #renewAll(refs: readonly AllocRef[]): Promise<readonly AllocRef[]> {
    const { gateway, registration, runs } = this.#options;
    const incarnation = this.#incarnation;
    const held: AllocRef[] = [];
    let sinceMs: number | undefined;
    if (incarnation === undefined) return held;
    for (let from = 0; from === 0 || from < refs.length; from += RUNNING_PER_RENEWAL_MAX) {
      const part = refs.slice(from, from + RUNNING_PER_RENEWAL_MAX);
      const sentAtMs = this.#lease.now();
      const timeoutMs = Math.min(this.#lease.periodMs, CALL_MS_MAX);
      const worker = { ...registration, incarnation };
      const last = from + RUNNING_PER_RENEWAL_MAX >= refs.length;
      const lease = await gateway.renewWorker(worker, part, {
        ...{ timeoutMs, ...(!this.#ended.signal.aborted && { signal: this.#ended.signal }) },
        ...((from > 0 || !last) && { part: { last, sinceMs } }),
      });
      // An answer for a registration that was lost meanwhile says nothing about this one.
      if (this.#incarnation !== incarnation) return [];
      sinceMs ??= lease.nowMs;
      this.#lease.confirmed(lease, sentAtMs);
      held.push(...lease.held);
      const unknown = without(part, [...lease.held, ...lease.lost]);
      runs.held(lease.held, sentAtMs);
      runs.stop(lease.lost, LOST_ALLOC);
      runs.disown(unknown, LOST_ALLOC);
      if (last && this.#draining && lease.state !== 'draining') await this.#tellDrain();
    }
    return held;
  }

  async #lost(): Promise<void> {
    const { runs, logger, cancelGraceMs } = this.#options;
    logger.warn('the registration is gone: stopping what runs', { running: runs.count });
    this.#incarnation = undefined;
    this.#lease.ended();
    runs.disownAll(new RunStopped('lost', 'the worker lost its registration and with it this run'));
    await Promise.race([runs.idle(), this.#pause(cancelGraceMs)]);
    if (!this.#draining) await this.#join();
  }

  async #join(): Promise<void> {
    const incarnation = randomUUID();
    for (let retryMs = RETRY_MS_MIN; !this.#ended.signal.aborted; retryMs *= 2) {
      try {
        // All units are still in use by handlers that do not heed their signal: nothing to offer yet.
        if (this.#offer() > 0) {
          await this.#register(incarnation);
          this.#recovered();
          return this.#draining ? await this.drain() : undefined;
        }
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        if (!mayPass(error)) throw error;
        this.#report('could not register', error);
      }
      await this.#pause(Math.min(retryMs, RETRY_MS_MAX));
    }
  }

  async #register(incarnation: string | undefined): Promise<void> {
    const offered = this.#offer();
    if (incarnation === undefined || offered < 1) return;
    const sentAtMs = this.#lease.now();
    this.#isOfferOld = false;
    const lease = await this.#options.gateway.registerWorker(
      { ...this.#options.registration, datasets: this.#datasets, incarnation, capacity: offered },
      { timeoutMs: CALL_MS_MAX, signal: this.#ended.signal },
    );
    this.#offered = offered;
    this.#incarnation = incarnation;
    this.#lease.confirmed(lease, sentAtMs);
  }

  /** Less than the capacity while handlers of an older registration have not returned. */
  #offer(): number {
    return this.#options.runs.capacity - this.#options.runs.overhang;
  }

  /** The rule at the top of this file. */
  async #stopIfCutOff(error: unknown): Promise<void> {
    const { runs, reachesTemporal, logger } = this.#options;
    const silent = error instanceof GatewayUnavailableError && error.status === undefined;
    if (!silent || !this.#lease.expired || runs.count === 0) return;
    if ((await reachesTemporal()) || !this.#lease.expired) return;
    logger.error('cut off from gateway and Temporal for longer than the lease: stopping what runs', {
      running: runs.count,
    });
    runs.stopAll(new RunStopped('lost', 'the worker was cut off for longer than its lease'));
  }

  /** One line per outage, not one per try. */
  #report(what: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.#trouble === message) return;
    this.#trouble = message;
    this.#options.logger.warn(`${what}; trying again`, { reason: message, ...this.#names() });
  }

  #recovered(): void {
    if (this.#trouble !== undefined) this.#options.logger.info('the gateway answers again', this.#names());
    this.#trouble = undefined;
  }

  #names() {
    return { pool: this.#options.registration.poolId, worker: this.#options.registration.workerId };
  }

  async #pause(ms: number, early?: AbortSignal): Promise<void> {
    const signal = early === undefined ? this.#ended.signal : AbortSignal.any([early, this.#ended.signal]);
    await sleep(ms, undefined, { signal }).catch(() => undefined);
  }
}

function without(refs: readonly AllocRef[], others: readonly AllocRef[]): readonly AllocRef[] {
  const epochs = new Map(others.map((ref) => [ref.id, ref.epoch]));
  return refs.filter((ref) => epochs.get(ref.id) !== ref.epoch);
}

/** A refusal that time may heal. */
function mayPass(error: unknown): boolean {
  if (error instanceof UnavailableError) return true;
  if (error instanceof NotExistsError) return error.code === 'PoolNotExists';
  return error instanceof AlreadyExistsError && error.code === 'WorkerExists';
}
