/**
 * Transactions sent one behind the other on one connection, none waiting for the answers of the one before. Used by
 * `postgres.ts` for express batches. Promise: transactions of one lane are done in the order in which they were asked
 * for; a lane has a connection only while something is under way on it; one that breaks fails all that is.
 */
import type { PoolClient, QueryResult } from 'pg';
import type { SendAtOnce } from './database.ts';

/** A connection, and how to let go of it. */
export interface LaneClient {
  readonly client: Pick<PoolClient, 'query'>;
  /** Whether it has failed. */
  readonly broken: () => boolean;
  release(): void;
}

export interface LaneOptions {
  connect(): Promise<LaneClient>;
  /** A name under which the server keeps the statement's plan, where it does. */
  named(text: string): { readonly name?: string };
  /** What callers are to see of an error. */
  translated(error: unknown): unknown;
}

interface Lane {
  readonly connected: Promise<LaneClient>;
  underWay: number;
}

export function createLanes({ connect, named, translated }: LaneOptions): SendAtOnce {
  const lanes = new Map<string, Lane>();

  return async (line, statements) => {
    const lane = lanes.get(line) ?? { connected: connect(), underWay: 0 };
    lanes.set(line, lane);
    lane.underWay += 1;
    let connection: LaneClient | undefined;
    try {
      connection = await lane.connected;
      const { client } = connection;
      // No await from here to the last: nothing may come in between.
      const sent = [
        client.query('BEGIN'),
        ...statements.map(({ sql: text, parameters }) =>
          client.query({ text, values: [...parameters], ...named(text) }),
        ),
        client.query('COMMIT'),
      ];
      const results = await settledAll(sent);
      return results.slice(1, -1).map(({ rows }): unknown => rows[0]);
    } catch (error) {
      throw translated(error);
    } finally {
      lane.underWay -= 1;
      const isLast = lane.underWay === 0;
      if ((isLast || connection === undefined || connection.broken()) && lanes.get(line) === lane)
        lanes.delete(line);
      if (isLast) connection?.release();
    }
  };
}

/** The first failure is the cause of all later ones. */
async function settledAll(sent: readonly Promise<QueryResult>[]): Promise<readonly QueryResult[]> {
  const settled = await Promise.allSettled(sent);
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}
