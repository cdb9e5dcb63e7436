/**
 * Writes ledger rows without ever holding up a fire: a hard budget for each write, and after failures in a row
 * a pause in which no write is tried (circuit breaker). What is not written stays with the schedule and comes again.
 */
import type { LedgerRow } from '../src/contract/ledger.ts';
import { LEDGER_BUDGET_MS } from '../src/core/limits.ts';
import type { Store } from '../src/store/store.ts';

const FAILURES_UNTIL_OPEN = 3;
const OPEN_MS = 5_000;

export type Written = 'yes' | 'no' | 'unknown';

export interface LedgerWriter {
  /** `unknown`: the write may still happen, or has happened and its reply was lost. */
  write(rows: readonly LedgerRow[]): Promise<Written>;
}

/** @param monotonicMs a clock that never jumps, for the breaker */
export function createLedgerWriter(store: Store, monotonicMs = () => performance.now()): LedgerWriter {
  let failures = 0;
  let openUntilMs = 0;

  return {
    async write(rows) {
      if (rows.length === 0) return 'yes';
      if (monotonicMs() < openUntilMs) return 'no';
      const written = await within(store.writeLedger(rows), LEDGER_BUDGET_MS);
      failures = written === 'yes' ? 0 : failures + 1;
      if (failures >= FAILURES_UNTIL_OPEN) openUntilMs = monotonicMs() + OPEN_MS;
      return written;
    },
  };
}

/** `yes` if the promise is fulfilled in time; what becomes of it later is of no concern to anybody. */
async function within(promise: Promise<unknown>, budgetMs: number): Promise<Written> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Written>((resolve) => {
    timer = setTimeout(() => resolve('unknown'), budgetMs);
  });
  const ended = promise.then(
    () => 'yes' as const,
    (error: unknown) => (neverSent(error) ? ('no' as const) : ('unknown' as const)),
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Codes of the system for a connection that was never made. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
]);

function neverSent(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string' && NOT_CONNECTED.has(cause.code)) return true;
  }
  return false;
}
