/**
 * What became of a schedule's due times in a stretch: by the ledger whether each is accounted for, by Temporal's records
 * when each has started. Used by the suites that disturb a schedule.
 */
import type { Names } from '../src/contract/ids.ts';
import type { Fire } from '../src/contract/ledger.ts';
import { eventually, type Ground } from './ground.ts';
import { startTimes } from './histories.ts';

const PAGE = 100;

/** Due times every `everyMs` in [fromMs, untilMs), `fromMs` being the first. */
export interface Stretch {
  readonly scheduleId: string;
  readonly everyMs: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Account {
  readonly due: number;
  /** Due times without a row, or with more than one. */
  readonly wrong: number;
  /** Due times that have a row, and have not started: superseded, as a rule. */
  readonly passedOver: number;
  /** From the nominal time to the start of the invocation, of those that have started. */
  readonly lateMs: readonly number[];
}

/** To be asked when `accounted` has answered: rows may come some seconds after what they tell of. */
export async function accountOf(ground: Ground, names: Names, stretch: Stretch): Promise<Account> {
  const { scheduleId } = stretch;
  const times = timesOf(stretch);
  const inRows = countOf(await automaticFires(ground, stretch));
  const started = await startTimes(
    ground.client,
    times.map((nominalMs) => names.fireInvocationId(scheduleId, nominalMs)),
  );
  const lateMs = started.flatMap((atMs, i) => (atMs === undefined ? [] : [atMs - (times[i] ?? Number.NaN)]));
  return {
    due: times.length,
    wrong: Math.abs(times.length - inRows),
    passedOver: Math.min(inRows, times.length) - lateMs.length,
    lateMs,
  };
}

/** Waits until the ledger has as many due times as there were in the stretch; false where it does not get them. */
export async function accounted(ground: Ground, stretch: Stretch, withinMs: number): Promise<boolean> {
  const { scheduleId } = stretch;
  const due = timesOf(stretch).length;
  const ask = async () => (countOf(await automaticFires(ground, stretch)) >= due ? true : undefined);
  try {
    return await eventually(ground, `${scheduleId}: ledger rows of ${due} due times`, withinMs, ask);
  } catch (error) {
    ground.signal.throwIfAborted();
    // It shows in the row of those that are not accounted for.
    ground.progress(error instanceof Error ? error.message : String(error));
    return false;
  }
}

function countOf(rows: readonly Fire[]): number {
  return rows.reduce((sum, { count }) => sum + count, 0);
}

/** Rows of nominal times, singly and in spans, newest first. */
export async function automaticFires(
  { store }: Ground,
  { scheduleId, fromMs, untilMs }: Omit<Stretch, 'everyMs'>,
): Promise<readonly Fire[]> {
  const fires: Fire[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await store.listFires(
      { scheduleId, fromMs, untilMs },
      { limit: PAGE, ...(cursor !== undefined && { cursor }) },
    );
    fires.push(...page.items.filter(({ kind }) => kind === 'fire' || kind === 'span'));
    cursor = page.nextCursor;
    if (cursor === undefined) return fires;
  }
}

function timesOf({ everyMs, fromMs, untilMs }: Stretch): readonly number[] {
  return Array.from({ length: Math.round((untilMs - fromMs) / everyMs) }, (_, i) => fromMs + i * everyMs);
}
