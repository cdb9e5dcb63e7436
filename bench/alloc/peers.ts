/**
 * What the store's grants are measured by, on the same server and by the same driver: commits of one changed row, and
 * capacity claimed and given back one request at a time, without queue, fencing, or record. Used by the suite `alloc`.
 */
import pg from 'pg';

const CONNECTIONS = 8;
const ROWS = 1_000;
const CAPACITY = 8;

export interface Peers {
  /** Commits in a second of `UPDATE … WHERE id = …`, each a transaction of its own, on 8 connections. */
  oneRow(forMs: number): Promise<number>;
  /** Claims in a second, each followed by its release, of so many callers on the same 8 connections. */
  oneAtATime(forMs: number, callers: number): Promise<number>;
  close(): Promise<void>;
}

export async function createPeers(url: string): Promise<Peers> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  pool.on('error', () => undefined);
  await pool.query('CREATE SCHEMA peer');
  await pool.query(
    'CREATE TABLE peer.rows (id integer PRIMARY KEY, n integer NOT NULL) WITH (fillfactor = 50)',
  );
  await pool.query('INSERT INTO peer.rows SELECT n, 0 FROM generate_series(1, $1) n', [ROWS]);
  await pool.query(
    'CREATE TABLE peer.workers (id integer PRIMARY KEY, free integer NOT NULL CHECK (free >= 0))',
  );
  await pool.query('INSERT INTO peer.workers SELECT n, $2 FROM generate_series(1, $1) n', [ROWS, CAPACITY]);
  await pool.query('CREATE INDEX ON peer.workers (free, id) WHERE free > 0');
  return {
    oneRow: (forMs) =>
      rate(forMs, CONNECTIONS, async () => {
        const id = 1 + Math.floor(Math.random() * ROWS);
        await pool.query({
          name: 'one-row',
          text: 'UPDATE peer.rows SET n = n + 1 WHERE id = $1',
          values: [id],
        });
      }),
    oneAtATime: (forMs, callers) =>
      rate(forMs, callers, async () => {
        const { rows } = await pool.query<{ id: number }>({ name: 'claim', text: CLAIM });
        await pool.query({ name: 'give-back', text: GIVE_BACK, values: [rows[0]?.id] });
      }),
    close: () => pool.end(),
  };
}

/** The best fit, passing over what another claims at this moment. */
const CLAIM = `UPDATE peer.workers SET free = free - 1 WHERE id = (
  SELECT id FROM peer.workers WHERE free > 0 ORDER BY free, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id`;
const GIVE_BACK = 'UPDATE peer.workers SET free = free + 1 WHERE id = $1';

/** How often in a second so many callers do it, after a fifth of the time to warm up. */
async function rate(forMs: number, callers: number, one: () => Promise<void>): Promise<number> {
  const beganMs = performance.now() + forMs / 5;
  const endMs = beganMs + forMs;
  let done = 0;
  const caller = async () => {
    while (performance.now() < endMs) {
      await one();
      const nowMs = performance.now();
      if (nowMs >= beganMs && nowMs < endMs) done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (done * 1_000) / forMs;
}
