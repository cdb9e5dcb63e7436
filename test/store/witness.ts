/**
 * A witness in the database of a test: at the commit of every grant it looks whether pool and worker may have it, whoever made
 * the grant and whatever that one knew. Used by tests with several stores on one PostgreSQL.
 */
import { sql } from 'kysely';
import type { DatabaseStore } from '../../src/store/create-store.ts';

/** To be called once, by the owner of the schema. */
export async function watchGrants({ database: { db, t } }: DatabaseStore): Promise<void> {
  for (const statement of [
    sql`CREATE SCHEMA witness`,
    sql`CREATE TABLE witness.complaints (what text NOT NULL)`,
    sql`
      CREATE FUNCTION witness.look() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO witness.complaints
        SELECT NEW.id || ' went to ' || NEW.worker_id || ', ' || concat_ws(', ',
          CASE WHEN p.state <> 'active' THEN 'of a pool that is ' || p.state END,
          CASE WHEN w.id IS NULL THEN 'which is gone' END,
          CASE WHEN w.incarnation <> NEW.incarnation THEN 'which is another process now' END,
          CASE WHEN w.draining THEN 'which drains' END,
          CASE WHEN w.cordoned THEN 'which is cordoned' END,
          CASE WHEN NOT w.targets ? NEW.target THEN 'which has no such target' END,
          CASE WHEN w.used > w.capacity THEN 'which gives ' || w.used || ' of ' || w.capacity END,
          CASE WHEN w.used <> s.held THEN 'which says ' || w.used || ' and holds ' || s.held END)
        FROM ${t.pools} p LEFT JOIN ${t.workers} w ON w.pool_id = p.id AND w.id = NEW.worker_id
          CROSS JOIN LATERAL (SELECT coalesce(sum(size), 0) AS held FROM ${t.allocs} l
            WHERE l.pool_id = p.id AND l.worker_id = NEW.worker_id) s
        WHERE p.id = NEW.pool_id AND (p.state = 'active' AND w.incarnation = NEW.incarnation AND NOT w.draining
          AND NOT w.cordoned AND w.targets ? NEW.target AND w.used <= w.capacity AND w.used = s.held) IS NOT TRUE;
        RETURN NULL;
      END $$`,
    // By the end of the transaction, when all that belongs to the grant has been written.
    sql`
      CREATE CONSTRAINT TRIGGER witnessed AFTER INSERT ON ${t.allocs} DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION witness.look()`,
  ]) {
    await statement.execute(db);
  }
}

/** What was seen since it was asked last. */
export async function complaintsOf({ database: { db } }: DatabaseStore): Promise<readonly string[]> {
  const { rows } = await sql<{ what: string }>`DELETE FROM witness.complaints RETURNING what`.execute(db);
  return rows.map(({ what }) => what);
}
