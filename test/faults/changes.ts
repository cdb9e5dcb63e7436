/**
 * Every change of workers, allocs and their ends, as the database committed it: triggers of the test's own database write them
 * down, whoever made them. Read by the invariants.
 */
import type pg from 'pg';

/** A row of a table, with its columns' names. */
export type Row = Readonly<Record<string, unknown>>;

export interface Change {
  readonly seq: number;
  /** Changes of one transaction have the same. */
  readonly tx: string;
  /** When its transaction began and when the row was written, by the database's clock. */
  readonly fromMs: number;
  readonly atMs: number;
  readonly table: 'workers' | 'allocs' | 'ended';
  readonly old?: Row;
  readonly new?: Row;
}

/** Installs the triggers; to be called once, by the owner of the schema. */
export async function watchChanges(sql: pg.Pool, schema: string): Promise<void> {
  await sql.query(`
    CREATE SCHEMA audit;
    CREATE TABLE audit.changes (seq bigserial PRIMARY KEY, tx text NOT NULL, from_ms bigint NOT NULL, at_ms bigint NOT NULL,
      tbl text NOT NULL, old jsonb, new jsonb);
    CREATE FUNCTION audit.true_now(at timestamptz) RETURNS bigint LANGUAGE sql AS $$
      SELECT floor(extract(epoch FROM at) * 1000)::bigint + offset_ms FROM ${schema}.clock $$;
    -- Whoever changes a row needs no right to read what was changed.
    CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO audit.changes (tx, from_ms, at_ms, tbl, old, new)
      VALUES (pg_current_xact_id()::text, audit.true_now(now()), audit.true_now(clock_timestamp()), TG_TABLE_NAME,
        CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'targets' - 'explained' - 'waited' END,
        CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'targets' - 'explained' - 'waited' END);
      RETURN NULL;
    END $$;`);
  for (const table of ['workers', 'allocs', 'ended']) {
    await sql.query(`CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON ${schema}.${table}
      FOR EACH ROW EXECUTE FUNCTION audit.note()`);
  }
}

/** All since the last `forgetChanges`, in their order. */
export async function readChanges(sql: pg.Pool): Promise<readonly Change[]> {
  const { rows } = await sql.query<{
    seq: string;
    tx: string;
    from_ms: string;
    at_ms: string;
    tbl: Change['table'];
    old: Row | null;
    new: Row | null;
  }>('SELECT * FROM audit.changes ORDER BY seq');
  return rows.map((row) => ({
    seq: Number(row.seq),
    tx: row.tx,
    fromMs: Number(row.from_ms),
    atMs: Number(row.at_ms),
    table: row.tbl,
    ...(row.old !== null && { old: row.old }),
    ...(row.new !== null && { new: row.new }),
  }));
}

export async function forgetChanges(sql: pg.Pool): Promise<void> {
  await sql.query('DELETE FROM audit.changes');
}
