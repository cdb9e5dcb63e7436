/**
 * The tables as Kysely knows them, and their names with the schema in front for statements written
 * out in SQL. Used by every file of the store. Instants are bigint milliseconds, which both drivers
 * are told to hand over as numbers; json columns arrive as values.
 */
import { type ColumnType, type RawBuilder, sql } from 'kysely';
import type { CalendarContent } from '../contract/calendars.ts';
import type { Waited } from '../contract/explanations.ts';
import type { PlacementStrategy, WaitReason } from '../contract/pools.ts';
import { GATEWAY_SILENT_MS } from '../core/limits.ts';

/** `absent`: nobody has created the pool yet, but evals wait for it. */
export type PoolRowState = 'absent' | 'active' | 'draining' | 'disbanded';

export interface PoolRow {
  id: string;
  state: PoolRowState;
  worker_ttl_ms: number;
  replica_ttl_ms: number;
  alloc_ttl_ms: number;
  /** 0: it never expires. */
  pool_ttl_ms: number;
  retry_max: number;
  reserve_after_ms: number;
  strategy: PlacementStrategy;
  created_at_ms: number;
  /** Null until the first sweep. */
  swept_at_ms: number | null;
  /** Extensions of TTLs that no sweep has reported yet. */
  extended_ms: number;
  /** The gateways' silence, counted from the first one's first sign, that its TTLs were extended by already. */
  silence_known_ms: number;
  /**
   * When the pool expires, or has. Null without a TTL, and where a worker lived or it was created since the last sweep: its
   * time begins with the first sweep that finds no worker.
   */
  expires_at_ms: number | null;
  /** Grows with every change of the pool, its workers and its queue other than a plain renewal. */
  version: number;
  /** The store that has made it grow last. */
  writer: number;
}

/** One row. */
export interface GatewaysRow {
  one: boolean;
  /** The last sign of life of any gateway; null before the first. */
  alive_at_ms: number | null;
  /** Sum of all silences that are over. */
  silent_ms: number;
}

export interface WorkerRow {
  pool_id: string;
  id: string;
  incarnation: string;
  draining: boolean;
  cordoned: boolean;
  capacity: number;
  used: number;
  peak_used: number;
  targets: string[];
  task_queue: string;
  registered_at_ms: number;
  renewed_at_ms: number;
  expires_at_ms: number;
}

export interface ReplicaRow {
  pool_id: string;
  worker_id: string;
  dataset_id: string;
  expires_at_ms: number;
}

/** What an eval asks for; an alloc carries it on, so that a grant nobody took up can wait again. */
export interface RequestColumns {
  pool_id: string;
  id: string;
  invocation_id: string;
  target: string;
  size: number;
  dataset: string | null;
  dataset_mode: 'required' | 'preferred' | null;
  warm_wait_ms: number | null;
  priority: number;
  retry: number;
  enqueued_at_ms: number;
}

export interface EvalRow extends RequestColumns {
  reason: WaitReason;
  /** The reasons before it. */
  waited: readonly Waited[];
  /** When its invocation was last looked up; null before the first time. */
  looked_at_ms: number | null;
}

/** Why an alloc went to its worker, and what it waited for before. */
export interface Explained {
  /** `placementText`. */
  explained: string;
  /** Null where it was granted at once. */
  waited: readonly Waited[] | null;
}

export interface AllocRow extends RequestColumns, Explained {
  worker_id: string;
  incarnation: string;
  task_queue: string;
  epoch: number;
  warm: boolean | null;
  granted_at_ms: number;
  expires_at_ms: number;
  /** `lost`: given up, but its worker may still run it, so its capacity stays counted. */
  state: 'held' | 'lost';
  /** Its worker has confirmed it. */
  taken_up: boolean;
  /** Granted to somebody who waited: its signal may have to be sent again. */
  from_queue: boolean;
}

/** Evals that are over, so that a repeated finish or a late request has no second effect. */
export interface EndedRow {
  pool_id: string;
  id: string;
  /** Negative: the alloc of that epoch expired, but the eval is not over and may be granted again. */
  epoch: number;
  ended_at_ms: number;
  /** A release of `finish`, `expired`, or `retried`: the invocation of a `retrying` one is over. */
  release: string;
  target: string | null;
  /** When its invocation was last looked up. */
  looked_at_ms: number | null;
  worker_id: string | null;
  /** Null where nobody knew it: it was withdrawn before it came. */
  enqueued_at_ms: number | null;
  granted_at_ms: number | null;
  warm: boolean | null;
  /** Null where it was never granted. */
  explained: string | null;
  waited: readonly Waited[] | null;
}

/** How long the runs of a target took, counted by buckets (`core/allocator/run-times.ts`). */
export interface RunTimesRow {
  pool_id: string;
  target: string;
  bucket: number;
  runs: number;
  runs_seen: number;
  seen_at_ms: number;
}

export interface LedgerTableRow {
  schedule_id: string;
  creation: string;
  key: string;
  kind: 'fire' | 'manual' | 'span';
  outcome: string;
  reason: string | null;
  from_ms: number;
  to_ms: number;
  count: number;
  invocation_id: string | null;
  blocked_by: string | null;
  decided_at_ms: number;
  recorded_at_ms: number;
}

export interface RunRow {
  invocation_id: string;
  schedule_id: string | null;
  job_id: string | null;
  status: string;
  ended_at_ms: number;
  record: unknown;
  /** How its evals went: rows of `ended` without their pool and what is null. */
  evals: unknown;
}

/** One row for each creation of a schedule that has had a successful run. */
export interface WindowRow {
  schedule_id: string;
  creation: string;
  /** Where the next window begins; null where no run so far has moved it. */
  to_ms: number | null;
  /** The run that ended last, with what it returned. */
  invocation_id: string;
  ended_at_ms: number;
  returned: boolean;
  result: unknown;
  /** Its result is in its record only. */
  too_large: boolean;
}

export interface DeadLetterRow {
  invocation_id: string;
  at_ms: number;
  letter: unknown;
}

/** One row: whoever locks it may remove what is old. */
export interface RetentionRow {
  one: boolean;
}

export interface CalendarRow {
  id: string;
  revision: number;
  content: CalendarContent;
  changed_at_ms: number;
}

export interface CalendarUseRow {
  calendar_id: string;
  schedule_id: string;
}

export interface Tables {
  calendars: Omit<CalendarRow, 'content'> & {
    content: ColumnType<CalendarContent, string, string>;
  };
  calendar_uses: CalendarUseRow;
  pools: PoolRow;
  gateways: GatewaysRow;
  workers: WorkerRow;
  replicas: ReplicaRow;
  evals: EvalRow;
  allocs: AllocRow;
  ended: EndedRow;
  run_times: RunTimesRow;
  ledger: LedgerTableRow;
  runs: RunRow;
  windows: WindowRow;
  dead_letters: DeadLetterRow;
  retention: RetentionRow;
}

/** What one step of the sequence of epochs gives: a whole express batch takes its epochs at once. */
export const EPOCHS_PER_STEP = 1_000;

/** `t.workers` and so on for use inside sql`...`, and the functions of the schema. */
export interface TableNames extends Readonly<Record<keyof Tables, RawBuilder<unknown>>> {
  /** The database's clock in milliseconds: the only one that decides expiry. */
  readonly now: RawBuilder<number>;
  /** The first of so many as `EPOCHS_PER_STEP`, which nobody else is given. */
  readonly nextEpoch: RawBuilder<number>;
  /** A function of a condition: where it is not met, the transaction fails. */
  readonly expect: RawBuilder<unknown>;
  /** Milliseconds without any gateway since the first one's first sign, the present silence included; it only grows. */
  readonly silence: RawBuilder<number>;
}

export function tableNames(schema: string): TableNames {
  const name = (table: string) => sql.id(schema, table);
  return {
    calendars: name('calendars'),
    calendar_uses: name('calendar_uses'),
    pools: name('pools'),
    gateways: name('gateways'),
    workers: name('workers'),
    replicas: name('replicas'),
    evals: name('evals'),
    allocs: name('allocs'),
    ended: name('ended'),
    run_times: name('run_times'),
    ledger: name('ledger'),
    runs: name('runs'),
    windows: name('windows'),
    dead_letters: name('dead_letters'),
    retention: name('retention'),
    now: sql<number>`${name('escapement_now')}()`,
    nextEpoch: sql<number>`nextval(${sql.lit(`"${schema}".epochs`)}::regclass)`,
    expect: name('escapement_expect'),
    silence: sql<number>`${name('escapement_silence')}(${sql.lit(GATEWAY_SILENT_MS)})`,
  };
}
