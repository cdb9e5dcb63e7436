/** What became of a schedule's due times, from the ledger. Used by `schedules.fires` and `handle.fires`. */
import { InvalidInputError, UnavailableError } from '../contract/errors.ts';
import { backwardsIssue, type Fire, type Outcome } from '../contract/ledger.ts';
import type { GatewayClient } from './gateway-client.ts';
import { DATE_MS_MAX, instantMs } from './given.ts';

/** Which due times; instants are Dates, ms since the epoch, or ISO 8601 with offset. */
export interface FireQuery {
  readonly from?: Date | number | string;
  readonly until?: Date | number | string;
  readonly outcome?: Outcome;
}

/** Newest first, a page after the other as they are asked for. @throws InvalidInputError naming the field; UnavailableError */
export async function* firesOf(
  gateway: GatewayClient | undefined,
  scheduleId: string,
  query: FireQuery,
): AsyncGenerator<Fire> {
  if (gateway === undefined) {
    throw new UnavailableError('the ledger', 'these schedules were opened without a gateway to ask');
  }
  const filter = {
    scheduleId,
    fromMs: boundMs('from', query.from),
    untilMs: boundMs('until', query.until),
    outcome: query.outcome,
  };
  const issue = backwardsIssue(filter);
  if (issue !== undefined) throw new InvalidInputError('fires', [issue]);
  for (let cursor: string | undefined; ; ) {
    const page = await gateway.listFires(filter, { cursor });
    yield* page.items;
    if (page.nextCursor === undefined) return;
    cursor = page.nextCursor;
  }
}

function boundMs(path: string, instant: FireQuery['from']): number | undefined {
  if (instant === undefined) return undefined;
  const atMs = instantMs(instant);
  if (atMs !== undefined && Number.isInteger(atMs) && Math.abs(atMs) <= DATE_MS_MAX) return atMs;
  const message = `${JSON.stringify(instant)} is not an instant: write for example "2026-01-31T09:00:00Z"`;
  throw new InvalidInputError('fires', [{ path, message }]);
}
