/**
 * Why an eval went where it went, or why it waits and until when: what `explain` answers, and what is kept with an alloc
 * and with the record of a run. Types and one sentence maker; safe in workflows.
 */
import { assertNever } from '../core/assert.ts';
import type { Alloc, WaitingEval, WaitReason } from './pools.ts';

/** Why a worker did not get an eval. */
export type LostBy =
  | 'expired'
  | 'draining'
  | 'cordoned'
  | 'no-target'
  /** A required dataset that it does not hold. */
  | 'no-dataset'
  /** A preferred dataset that it does not hold, while one that holds it is waited for. */
  | 'colder'
  /** Its whole capacity is less than the size. */
  | 'too-small'
  /** It has not enough free. */
  | 'full'
  /** It has enough free, all of it kept for an eval that waited too long. */
  | 'reserved'
  /** It would have fitted; another was left with less (`spread`: with more), or comes first by id. */
  | 'less-good-fit';

export interface LosingCandidate {
  readonly workerId: string;
  readonly by: LostBy;
  readonly free: number;
}

/** Why a placement went to its worker. */
export interface PlacementReasons {
  /** What its worker had left after it. */
  readonly left: number;
  /** How many others lost, by reason. */
  readonly lost: Readonly<Partial<Record<LostBy, number>>>;
  /** Those that came nearest, at most `NAMED_LOSERS_MAX`: next best fits first, then those with most free. */
  readonly nearest: readonly LosingCandidate[];
}

/** One reason for which an eval waited, until another took its place or it waited no more. */
export interface Waited {
  readonly reason: WaitReason;
  readonly untilAtMs: number;
}

/** One eval from its request to its end. */
export interface EvalStory {
  readonly evalId: string;
  readonly poolId: string;
  readonly state: 'waiting' | 'granted' | 'ended';
  /** Absent where it was withdrawn before anybody knew it. */
  readonly enqueuedAtMs?: number;
  /** In their order, at most `WAITED_KEPT_MAX`; empty where it was granted at once. */
  readonly waited: readonly Waited[];
  /** While it waits: what for. */
  readonly waitsFor?: WaitReason;
  readonly workerId?: string;
  readonly grantedAtMs?: number;
  /** False where a preferred dataset was not there. */
  readonly warm?: boolean;
  readonly placement?: PlacementReasons;
  readonly endedAtMs?: number;
  /** How it ended: `finished`, `retrying`, `cancelled`, `lost`, `withdrawn`, `expired`. */
  readonly release?: string;
}

/** When something that waits may begin. Instants are by the database's clock. */
export type StartEstimate =
  | {
      readonly kind: 'estimate';
      /** As likely earlier as later. */
      readonly medianAtMs: number;
      /** Four times of five it begins between these. Without `untilAtMs` the late end is not known. */
      readonly fromAtMs: number;
      readonly untilAtMs?: number;
      /** Past runs that it rests on. */
      readonly runs: number;
      /** Targets without past runs: theirs are taken never to end. */
      readonly withoutRuns: readonly string[];
    }
  | {
      readonly kind: 'unknown';
      /**
       * `no-past-runs`: of these targets. `nobody-could`: no present worker could ever hold it. `too-far-back`: more wait
       * before it than are looked at.
       */
      readonly why: 'no-past-runs' | 'nobody-could' | 'too-far-back';
      readonly targets?: readonly string[];
    };

/** One that waits, with what it waits for. */
export interface QueueEntry extends WaitingEval {
  /** 1 for the first. */
  readonly position: number;
  readonly estimate: StartEstimate;
}

/** What became of one eval, or how it stands. */
export type EvalExplanation =
  | {
      readonly state: 'waiting';
      readonly waiting: QueueEntry;
      readonly waited: readonly Waited[];
      /** Why each worker cannot take it now. */
      readonly candidates: readonly LosingCandidate[];
      /** Of all workers, those that `candidates` leaves out included. */
      readonly lost: PlacementReasons['lost'];
    }
  | { readonly state: 'granted'; readonly alloc: Alloc; readonly story: EvalStory }
  | { readonly state: 'ended'; readonly story: EvalStory };

/** The reason for waiting as part of a sentence. */
export function waitText(reason: WaitReason): string {
  switch (reason.kind) {
    case 'no-pool':
      return 'there is no such pool yet';
    case 'no-workers':
      return 'the pool has no workers';
    case 'no-worker-with-target':
      return `no worker offers "${reason.target}"`;
    case 'no-worker-with-dataset':
      return `no worker holds dataset "${reason.dataset}"`;
    case 'larger-than-any-worker':
      return `larger than any worker: the largest has ${reason.largest}`;
    case 'warming':
      return `waits a while for a worker with dataset "${reason.dataset}"`;
    case 'draining':
      return 'the workers that could take it are draining';
    case 'reserved':
      return `freed capacity is kept for ${reason.forEval}, which waited longer`;
    case 'no-free-capacity':
      return `not enough is free: ${reason.largestFree} at most on one worker`;
    default:
      return assertNever(reason);
  }
}

/** Why a candidate lost, as part of a sentence. */
export function lostText(by: LostBy): string {
  switch (by) {
    case 'expired':
      return 'silent for longer than its TTL';
    case 'draining':
      return 'draining';
    case 'cordoned':
      return 'cordoned until it renews, as it was given up as lost';
    case 'no-target':
      return 'does not offer the target';
    case 'no-dataset':
      return 'does not hold the dataset';
    case 'colder':
      return 'does not hold the preferred dataset';
    case 'too-small':
      return 'too small';
    case 'full':
      return 'not enough free';
    case 'reserved':
      return 'kept for one that waited longer';
    case 'less-good-fit':
      return 'another fits better';
    default:
      return assertNever(by);
  }
}
