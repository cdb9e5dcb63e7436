/**
 * Counts the statements that renewals cost, as the server has seen them. Used by the suite `alloc`. Every worker renews
 * once per TTL/3; here all of them do, one after the other, and then all at once.
 */
import pg from 'pg';
import type { DatabaseStore } from '../../src/store/create-store.ts';
import { times } from './load.ts';

export interface RenewalCost {
  /** Statements that renew, for each renewal. */
  readonly renewing: number;
  /** All others of the same transactions: BEGIN, the pool's lock, COMMIT, and whatever else. */
  readonly others: number;
}

/** @param atOnce how many workers renew at the same time */
export async function countRenewals(
  url: string,
  store: DatabaseStore,
  { poolId, workers, atOnce }: { readonly poolId: string; readonly workers: number; readonly atOnce: number },
): Promise<RenewalCost> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    await client.query('SELECT pg_stat_statements_reset()');
    await times(workers, atOnce, (n) => store.renewWorker(poolId, `worker-${n}`, 'first', []));
    const { rows } = await client.query<{ renewing: string; others: string }>(`
      SELECT coalesce(sum(calls) FILTER (WHERE query LIKE '%renewed AS%'), 0) AS renewing,
        coalesce(sum(calls) FILTER (WHERE query NOT LIKE '%renewed AS%'), 0) AS others
      FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'`);
    const per = (sum: string | undefined) => Number(sum) / workers;
    return { renewing: per(rows[0]?.renewing), others: per(rows[0]?.others) };
  } finally {
    await client.end();
  }
}
