/**
 * The first schema: pools with their queue, the ledger, runs and dead letters, and the clock.
 * Called by the Migrator only.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { EPOCHS_PER_STEP } from '../tables.ts';

/** Columns of a request, shared by `evals` and `allocs`. Ids compare by bytes, as the core compares them. */
const REQUEST = sql.raw(`
  pool_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  invocation_id text NOT NULL,
  target text NOT NULL,
  size integer NOT NULL CHECK (size > 0),
  dataset text,
  dataset_mode text,
  warm_wait_ms bigint,
  priority integer NOT NULL,
  retry integer NOT NULL,
  enqueued_at_ms bigint NOT NULL,
  PRIMARY KEY (pool_id, id)`);

/** Rows that live for seconds: cleaned up long before a fifth of the table is dead. */
const CHURNED = sql.raw('WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000)');

export function initial(schema: string): Migration {
  const name = (table: string) => sql.id(schema, table);
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of [
        ...clock(name),
        ...pools(name),
        ...allocation(name),
        ...records(name),
        ...calendars(name),
      ]) {
        await statement.execute(db);
      }
    },
  };
}

type Name = (table: string) => ReturnType<typeof sql.id>;

function clock(name: Name) {
  return [
    sql`CREATE TABLE ${name('clock')} (one boolean PRIMARY KEY CHECK (one), offset_ms bigint NOT NULL)`,
    sql`INSERT INTO ${name('clock')} VALUES (true, 0)`,
    // clock_timestamp, not now(): a transaction that waited for a pool's lock must not act in the past.
    sql`CREATE FUNCTION ${name('escapement_now')}() RETURNS bigint LANGUAGE sql VOLATILE AS ${sql.raw('$$')}
      SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + offset_ms FROM ${name('clock')}
    ${sql.raw('$$')}`,
    sql`CREATE SEQUENCE ${name('epochs')} INCREMENT BY ${sql.lit(EPOCHS_PER_STEP)}`,
    // For statements that are sent without waiting for each other's answers: ends a transaction that began on false hopes.
    sql`CREATE FUNCTION ${name('escapement_expect')}(met boolean) RETURNS void LANGUAGE plpgsql AS ${sql.raw('$$')}
      BEGIN
        IF met IS NOT TRUE THEN
          RAISE EXCEPTION 'escapement: not as expected' USING ERRCODE = 'ES001';
        END IF;
      END
    ${sql.raw('$$')}`,
    ...gateways(name),
  ];
}

function gateways(name: Name) {
  return [
    // One row for all gateways: what matters is that any of them lives.
    sql`CREATE TABLE ${name('gateways')} (
      one boolean PRIMARY KEY CHECK (one),
      alive_at_ms bigint,
      silent_ms bigint NOT NULL)`,
    sql`INSERT INTO ${name('gateways')} VALUES (true, NULL, 0)`,
    // VOLATILE, so that it sees what was committed while its transaction waited for a pool's lock.
    sql`CREATE FUNCTION ${name('escapement_silence')}(longer_than_ms bigint) RETURNS bigint LANGUAGE sql VOLATILE AS ${sql.raw('$$')}
      SELECT g.silent_ms + CASE WHEN n.now_ms - g.alive_at_ms > longer_than_ms THEN n.now_ms - g.alive_at_ms ELSE 0 END
      FROM ${name('gateways')} g, (SELECT ${name('escapement_now')}() AS now_ms OFFSET 0) n
    ${sql.raw('$$')}`,
  ];
}

function pools(name: Name) {
  return [
    sql`CREATE TABLE ${name('pools')} (
      id text COLLATE "C" PRIMARY KEY,
      state text NOT NULL CHECK (state IN ('absent', 'active', 'draining', 'disbanded')),
      worker_ttl_ms bigint NOT NULL,
      replica_ttl_ms bigint NOT NULL,
      alloc_ttl_ms bigint NOT NULL,
      pool_ttl_ms bigint NOT NULL,
      retry_max integer NOT NULL,
      reserve_after_ms bigint NOT NULL,
      strategy text NOT NULL CHECK (strategy IN ('pack', 'spread')),
      created_at_ms bigint NOT NULL,
      swept_at_ms bigint,
      extended_ms bigint NOT NULL DEFAULT 0,
      silence_known_ms bigint NOT NULL DEFAULT 0,
      expires_at_ms bigint,
      version bigint NOT NULL DEFAULT 0,
      writer bigint NOT NULL DEFAULT 0)`,
    // The guard against over-commitment is in the grant: its UPDATE asks for used + size <= capacity.
    // It cannot be a CHECK, as a busy worker may lower its capacity below what it uses.
    sql`CREATE TABLE ${name('workers')} (
      pool_id text COLLATE "C" NOT NULL,
      id text COLLATE "C" NOT NULL,
      incarnation text NOT NULL,
      draining boolean NOT NULL,
      cordoned boolean NOT NULL,
      capacity integer NOT NULL CHECK (capacity >= 0),
      used integer NOT NULL CHECK (used >= 0),
      peak_used integer NOT NULL,
      targets jsonb NOT NULL,
      task_queue text NOT NULL,
      registered_at_ms bigint NOT NULL,
      renewed_at_ms bigint NOT NULL,
      expires_at_ms bigint NOT NULL,
      PRIMARY KEY (pool_id, id)) WITH (fillfactor = 50)`,
    sql`CREATE TABLE ${name('replicas')} (
      pool_id text COLLATE "C" NOT NULL,
      worker_id text COLLATE "C" NOT NULL,
      dataset_id text COLLATE "C" NOT NULL,
      expires_at_ms bigint NOT NULL,
      PRIMARY KEY (pool_id, worker_id, dataset_id)) WITH (fillfactor = 50)`,
    sql`CREATE INDEX replicas_by_dataset ON ${name('replicas')} (pool_id, dataset_id)`,
  ];
}

function allocation(name: Name) {
  return [
    sql`CREATE TABLE ${name('evals')} (${REQUEST},
      reason jsonb NOT NULL,
      waited jsonb NOT NULL DEFAULT '[]',
      looked_at_ms bigint) ${CHURNED}`,
    sql`CREATE INDEX evals_in_order ON ${name('evals')} (pool_id, priority DESC, enqueued_at_ms, id)`,
    sql`CREATE TABLE ${name('allocs')} (${REQUEST},
      worker_id text COLLATE "C" NOT NULL,
      incarnation text NOT NULL,
      task_queue text NOT NULL,
      epoch bigint NOT NULL,
      warm boolean,
      granted_at_ms bigint NOT NULL,
      expires_at_ms bigint NOT NULL,
      state text NOT NULL CHECK (state IN ('held', 'lost')),
      taken_up boolean NOT NULL,
      from_queue boolean NOT NULL,
      explained text NOT NULL,
      waited jsonb) ${CHURNED}`,
    sql`CREATE INDEX allocs_lost ON ${name('allocs')} (pool_id, worker_id) WHERE state = 'lost'`,
    sql`CREATE TABLE ${name('ended')} (
      pool_id text COLLATE "C" NOT NULL,
      id text COLLATE "C" NOT NULL,
      epoch bigint NOT NULL,
      ended_at_ms bigint NOT NULL,
      release text NOT NULL,
      target text,
      looked_at_ms bigint,
      worker_id text,
      enqueued_at_ms bigint,
      granted_at_ms bigint,
      warm boolean,
      explained text,
      waited jsonb,
      PRIMARY KEY (id, pool_id))`,
    // Rows come in the order of their age, so the smallest of indexes will do for clearing them.
    sql`CREATE INDEX ended_by_age ON ${name('ended')} USING brin (ended_at_ms)`,
    // Small, as few evals end so and each is marked once its next try is known to have ended.
    sql`CREATE INDEX ended_retrying ON ${name('ended')} (pool_id, (coalesce(looked_at_ms, ended_at_ms)))
      WHERE release = 'retrying'`,
    sql`CREATE TABLE ${name('run_times')} (
      pool_id text COLLATE "C" NOT NULL,
      target text COLLATE "C" NOT NULL,
      bucket integer NOT NULL,
      runs bigint NOT NULL,
      -- What the retention rule has seen, and when: the runs themselves are counted without a look at the time.
      runs_seen bigint NOT NULL DEFAULT 0,
      seen_at_ms bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (pool_id, target, bucket)) WITH (fillfactor = 50)`,
  ];
}

function calendars(name: Name) {
  return [
    sql`CREATE TABLE ${name('calendars')} (
      id text COLLATE "C" PRIMARY KEY,
      revision bigint NOT NULL,
      content jsonb NOT NULL,
      changed_at_ms bigint NOT NULL)`,
    // No foreign key: uses outlive a calendar that is deleted by force, and tell its users when it is put again.
    sql`CREATE TABLE ${name('calendar_uses')} (
      calendar_id text COLLATE "C" NOT NULL,
      schedule_id text COLLATE "C" NOT NULL,
      PRIMARY KEY (calendar_id, schedule_id))`,
    sql`CREATE INDEX calendar_uses_of_schedule ON ${name('calendar_uses')} (schedule_id)`,
  ];
}

function records(name: Name) {
  return [
    sql`CREATE TABLE ${name('ledger')} (
      schedule_id text COLLATE "C" NOT NULL,
      creation text COLLATE "C" NOT NULL,
      key text COLLATE "C" NOT NULL,
      kind text NOT NULL,
      outcome text NOT NULL,
      reason text,
      from_ms bigint NOT NULL,
      to_ms bigint NOT NULL,
      count integer NOT NULL,
      invocation_id text,
      blocked_by text,
      decided_at_ms bigint NOT NULL,
      recorded_at_ms bigint NOT NULL,
      PRIMARY KEY (schedule_id, creation, key))`,
    sql`CREATE INDEX ledger_newest ON ${name('ledger')} (to_ms DESC, schedule_id, creation, key)`,
    // The outcome comes last: one is looked for among those of a schedule without going to the table.
    sql`CREATE INDEX ledger_of_schedule ON ${name('ledger')} (schedule_id, to_ms DESC, creation, key, outcome)`,
    // Nearly all rows are started: looking for the others over all schedules must not cost each fire an index.
    sql`CREATE INDEX ledger_of_outcome ON ${name('ledger')} (outcome, to_ms DESC, schedule_id, creation, key)
      WHERE outcome <> 'started'`,
    sql`CREATE TABLE ${name('runs')} (
      invocation_id text COLLATE "C" PRIMARY KEY,
      schedule_id text COLLATE "C",
      job_id text COLLATE "C",
      status text NOT NULL,
      ended_at_ms bigint NOT NULL,
      record jsonb NOT NULL,
      evals jsonb)`,
    sql`CREATE INDEX runs_newest ON ${name('runs')} (ended_at_ms DESC, invocation_id)`,
    sql`CREATE INDEX runs_of_schedule ON ${name('runs')} (schedule_id, ended_at_ms DESC, invocation_id)
      WHERE schedule_id IS NOT NULL`,
    sql`CREATE INDEX runs_of_job ON ${name('runs')} (job_id, ended_at_ms DESC, invocation_id)
      WHERE job_id IS NOT NULL`,
    sql`CREATE TABLE ${name('windows')} (
      schedule_id text COLLATE "C" NOT NULL,
      creation text COLLATE "C" NOT NULL,
      to_ms bigint,
      invocation_id text NOT NULL,
      ended_at_ms bigint NOT NULL,
      returned boolean NOT NULL,
      result jsonb,
      too_large boolean NOT NULL,
      PRIMARY KEY (schedule_id, creation)) WITH (fillfactor = 50)`,
    sql`CREATE TABLE ${name('dead_letters')} (
      invocation_id text COLLATE "C" PRIMARY KEY,
      at_ms bigint NOT NULL,
      letter jsonb NOT NULL)`,
    sql`CREATE INDEX dead_letters_newest ON ${name('dead_letters')} (at_ms DESC, invocation_id)`,
    sql`CREATE TABLE ${name('retention')} (one boolean PRIMARY KEY CHECK (one))`,
    sql`INSERT INTO ${name('retention')} VALUES (true)`,
  ];
}
