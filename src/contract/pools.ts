/**
 * Pools, workers, replicas, evals and allocs as every side sees them. Plain data: instants are
 * `...AtMs` (milliseconds since the epoch by the DATABASE's clock), lengths `...Ms`.
 */

/** TTLs and limits of one pool; defaults in `core/limits.ts`. */
export interface PoolSettings {
  /** A worker that has not renewed for this long is lost. Default 15 s. */
  readonly workerTtlMs: number;
  /** A replica not renewed for this long is gone. Default 60 s. Renewed with its worker. */
  readonly replicaTtlMs: number;
  /** An alloc that its worker has not confirmed for this long is given back. Default 30 s. */
  readonly allocTtlMs: number;
  /**
   * A pool that no worker has lived in for this long, and that nobody has created again, expires: it is disbanded.
   * Default 0: never.
   */
  readonly poolTtlMs: number;
  /** Evaluations lost to dead workers before the invocation becomes a dead letter. Default 5. */
  readonly retryMax: number;
  /** How long the head of the queue waits before freed capacity is kept for it. Default 30 s. */
  readonly reserveAfterMs: number;
  /** Which of the workers that fit is taken. Default `pack`. */
  readonly strategy: PlacementStrategy;
}

/** `pack`: the one with least left over, so that large requests find room; `spread`: the one with most left over. */
export type PlacementStrategy = 'pack' | 'spread';

export type PoolState = 'active' | 'draining' | 'disbanded';

export interface Pool {
  readonly id: string;
  readonly state: PoolState;
  readonly settings: PoolSettings;
  readonly createdAtMs: number;
  /**
   * Of one with a TTL: when it expires unless a worker comes, or when it has. Absent while one lives, and of a pool that
   * was disbanded by hand.
   */
  readonly expiresAtMs?: number;
}

export type WorkerState = 'active' | 'draining' | 'cordoned';

/** One registration of a worker process; `incarnation` tells two processes of one name apart. */
export interface PoolWorker {
  readonly poolId: string;
  readonly id: string;
  readonly incarnation: string;
  readonly state: WorkerState;
  /** Integer units it offers. */
  readonly capacity: number;
  /** Units not held by an alloc; negative only after its capacity was lowered below what is used. */
  readonly free: number;
  readonly peakUsed: number;
  readonly targets: readonly string[];
  readonly datasets: readonly string[];
  readonly taskQueue: string;
  readonly registeredAtMs: number;
  readonly renewedAtMs: number;
  readonly expiresAtMs: number;
}

/** A request for capacity, waiting in its pool's queue or being placed. */
export interface EvalRequest {
  /** `<invocation workflow id>#<run attempt>.<evaluation>`: one id stands for one content, asked for however often. */
  readonly id: string;
  readonly poolId: string;
  /** Workflow id that is signalled `granted`. */
  readonly invocationId: string;
  readonly target: string;
  readonly size: number;
  readonly dataset?: {
    readonly id: string;
    readonly mode: 'required' | 'preferred';
    readonly warmWaitMs: number;
  };
  /** Larger goes first. Default 0. */
  readonly priority: number;
  /** Evaluations already lost to dead workers; above the pool's `retryMax` it is refused. */
  readonly retry: number;
}

/** Why an eval waits; machine-readable, shown by `describe`, the Web UI and `explain`. */
export type WaitReason =
  | { readonly kind: 'no-pool' }
  | { readonly kind: 'no-workers' }
  | { readonly kind: 'no-worker-with-target'; readonly target: string }
  | { readonly kind: 'no-worker-with-dataset'; readonly dataset: string }
  | { readonly kind: 'larger-than-any-worker'; readonly largest: number }
  | { readonly kind: 'warming'; readonly dataset: string }
  | { readonly kind: 'draining' }
  | { readonly kind: 'reserved'; readonly forEval: string }
  | { readonly kind: 'no-free-capacity'; readonly largestFree: number };

export interface WaitingEval extends EvalRequest {
  readonly enqueuedAtMs: number;
  readonly reason: WaitReason;
}

/** Granted capacity on one worker. `epoch` grows with every grant and fences stale holders. */
export interface Alloc {
  /** Equal to the eval's id. */
  readonly id: string;
  readonly poolId: string;
  readonly workerId: string;
  readonly incarnation: string;
  readonly taskQueue: string;
  readonly epoch: number;
  readonly size: number;
  readonly invocationId: string;
  readonly target: string;
  readonly dataset?: string;
  /** False where a preferred dataset was not on the worker that was taken. */
  readonly warm?: boolean;
  readonly grantedAtMs: number;
  readonly expiresAtMs: number;
}

/** The holder's proof; anything with an older epoch is refused. */
export interface AllocRef {
  readonly id: string;
  readonly epoch: number;
}

/** The answer to one eval. */
export type AllocateResult =
  | { readonly kind: 'granted'; readonly alloc: Alloc }
  | { readonly kind: 'waiting'; readonly reason: WaitReason; readonly position: number }
  /**
   * `EvalEnded`: this eval was finished or withdrawn before; a late or repeated request.
   * `TooManyLost`: its `retry` is above the pool's `retryMax`; nothing was queued.
   */
  | { readonly kind: 'refused'; readonly code: 'PoolDisbanded' | 'EvalEnded' | 'TooManyLost' };

export interface WorkerRegistration {
  readonly poolId: string;
  readonly workerId: string;
  readonly incarnation: string;
  readonly capacity: number;
  readonly targets: readonly string[];
  readonly datasets: readonly string[];
  readonly taskQueue: string;
}

/** The answer to a registration or renewal. */
/** A renewal that lists more than one call can carry. */
export interface RenewalPart {
  readonly last: boolean;
  /** `nowMs` of the answer to the first part; absent in the first. */
  readonly sinceMs?: number | undefined;
}

export interface WorkerLease {
  /** The database's clock at the answer: by it the worker reads every `expiresAtMs`. */
  readonly nowMs: number;
  readonly expiresAtMs: number;
  readonly workerTtlMs: number;
  readonly allocTtlMs: number;
  /** Of the allocs the worker said it runs, those that still are its own. */
  readonly held: readonly AllocRef[];
  /** Of the same, those that were given up: their results cannot count, but their units do, until they are listed no more. */
  readonly lost: readonly AllocRef[];
  /** Units that the pool counts as used on this worker. */
  readonly used: number;
  readonly state: WorkerState;
}
