/**
 * A backfill looked at before it is asked for: which nominal times it would run, and which of them have run already. Computed
 * here by the definition that the schedule has now; the ledger says what has run. Nothing is done.
 */
import { EscapementError, type InputIssue, InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import { parseInstant } from '../contract/message-shape.ts';
import type { BackfillRequest, ScheduleDescription } from '../contract/messages.ts';
import { compileSpec } from '../core/cron/spec.ts';
import { dueTimes } from '../core/cron/jitter.ts';
import { hasRun } from '../core/fires.ts';
import { BACKFILL_INSTANTS_MAX } from '../core/limits.ts';
import { readCalendars } from './definition.ts';
import { firesOf } from './fires.ts';
import type { GatewayClient } from './gateway-client.ts';

export interface BackfillPreview {
  /** Nominal times in the stretch. */
  readonly instants: number;
  readonly order: 'oldest' | 'newest';
  /** More than one backfill takes. */
  readonly tooMany: boolean;
  /** The first of them, in the order in which they would come. */
  readonly times: readonly BackfillTime[];
  /** False where the ledger could not be asked, or holds too much: `duplicateOf` may then be missing. */
  readonly ledgerRead: boolean;
}

export interface BackfillTime {
  readonly nominalAtMs: number;
  /** The invocation that ran it already: it would be recorded as a duplicate and not run. */
  readonly duplicateOf?: string;
}

export type BackfillPreviewRequest = Pick<BackfillRequest, 'from' | 'to' | 'order' | 'rerun'> & {
  /** Times wanted. Default 20, at most 10,000. */
  readonly count?: number;
};

const COUNT_DEFAULT = 20;
/** Rows of the ledger that are read for one preview. */
const ROWS_MAX = 50_000;

/** @throws InvalidInputError naming the field; UnavailableError where it names calendars and the gateway does not answer */
export async function previewBackfill(
  gateway: GatewayClient | undefined,
  { id, definition, timing }: Pick<ScheduleDescription, 'id' | 'definition' | 'timing'>,
  request: BackfillPreviewRequest,
): Promise<BackfillPreview> {
  const { order = 'oldest', count = COUNT_DEFAULT, rerun = false } = request;
  const subject = `schedule "${id}"`;
  if (timing.kind !== 'absolute') {
    const message = 'this schedule has no fixed nominal times: trigger it instead';
    throw new InvalidInputError(subject, [{ path: 'from', message }]);
  }
  const { fromMs, toMs } = readStretch(subject, request);
  if (!Number.isInteger(count) || count < 1 || count > BACKFILL_INSTANTS_MAX) {
    const message = `${count} is not a whole number from 1 to ${BACKFILL_INSTANTS_MAX}: give one`;
    throw new InvalidInputError(subject, [{ path: 'count', message }]);
  }
  const { spec } = definition;
  const calendars = await readCalendars(gateway, spec);
  const read = compileSpec(spec, { firesAfterMs: -Infinity, calendars, missingCalendars: 'ignore' });
  if (!read.ok) throw new InvalidInputError(subject, read.issues);
  const due = dueTimes(read.compiled, id, spec.jitterMs);
  const instants = due.count(fromMs, toMs);
  const times = order === 'oldest' ? due.times(fromMs, toMs, count) : due.newest(fromMs, toMs, count);
  const nominal = times.map(({ nominalMs }) => nominalMs);
  const ran =
    rerun || nominal.length === 0 ? new Map<number, string>() : await ranAmong(gateway, id, nominal);
  return {
    instants,
    order,
    tooMany: instants > BACKFILL_INSTANTS_MAX,
    times: nominal.map((nominalAtMs) => {
      const duplicateOf = ran?.get(nominalAtMs);
      return { nominalAtMs, ...(duplicateOf !== undefined && { duplicateOf }) };
    }),
    ledgerRead: ran !== undefined,
  };
}

function readStretch(subject: string, { from, to }: BackfillPreviewRequest) {
  const issues: InputIssue[] = [];
  const read = (path: string, text: string): number => {
    const atMs = parseInstant(text);
    if (atMs !== undefined) return atMs;
    const message = `"${text}" is not an ISO 8601 instant with its offset, such as "2026-01-31T09:00:00Z"`;
    issues.push({ path, message });
    return 0;
  };
  const fromMs = read('from', from);
  const toMs = read('to', to);
  if (issues.length === 0 && toMs <= fromMs)
    issues.push({ path: 'to', message: `${to} is not after ${from}` });
  if (issues.length === 0 && toMs > Date.now()) {
    issues.push({ path: 'to', message: `${isoInstant(toMs)} is still to come: live fires run that` });
  }
  if (issues.length > 0) throw new InvalidInputError(subject, issues);
  return { fromMs, toMs };
}

/** Whoever's creation of the schedule it was, as the backfill itself goes by it. Undefined where it cannot be known. */
async function ranAmong(
  gateway: GatewayClient | undefined,
  id: string,
  nominal: readonly number[],
): Promise<ReadonlyMap<number, string> | undefined> {
  const query = { from: Math.min(...nominal), until: Math.max(...nominal) + 1 };
  const ran = new Map<number, string>();
  let rows = 0;
  try {
    for await (const fire of firesOf(gateway, id, query)) {
      rows += 1;
      if (rows > ROWS_MAX) return undefined;
      if (hasRun(fire)) ran.set(fire.toMs, fire.invocationId);
    }
    return ran;
  } catch (error) {
    if (error instanceof EscapementError && ['Unavailable', 'Unauthorized'].includes(error.code))
      return undefined;
    throw error;
  }
}
