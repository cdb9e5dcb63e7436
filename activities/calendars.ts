/**
 * Named calendars as `plan` and `advance` read them: through a cache, so that a fire does not wait for the database where
 * that can be helped. Made once for each orchestration worker. Promise: `fresh` reads what is there now; otherwise what is
 * known may be a few seconds old, and older while the database is away.
 */
import type { Calendar } from '../src/contract/calendars.ts';
import { LEDGER_BUDGET_MS } from '../src/core/limits.ts';
import type { Store } from '../src/store/store.ts';

/** Whoever changes a calendar tells its users, who plan afresh: this bounds what other workers miss. */
const CACHED_MS = 5_000;
/** Calendars kept; past it all are read anew. At 130 KB for the largest they stay well under a GB. */
const CACHED_MAX = 1_000;
/** Schedules whose uses are known to be in the database. */
const NOTED_MAX = 10_000;

export type CalendarsById = Readonly<Record<string, Calendar>>;

/** Revisions by id. */
export type Revisions = Readonly<Record<string, number>>;

export type CalendarStore = Pick<Store, 'getCalendars' | 'setCalendarUses'>;

export interface CalendarReader {
  /**
   * Those of the ids that are there.
   * @param options.fresh what is cached will not do
   * @param options.known revisions that somebody has seen: anything else in the cache is read again
   * @throws UnavailableError where the database is out of reach and the cache does not help
   */
  read(
    ids: readonly string[],
    options?: { readonly fresh?: boolean; readonly known?: Revisions | undefined },
  ): Promise<CalendarsById>;
  /**
   * Notes what a schedule uses, so that it is told of changes.
   * @param options.fresh noted again although it was: a schedule of that id may have been deleted, and forgotten, meanwhile
   * @throws UnavailableError
   */
  noteUses(scheduleId: string, ids: readonly string[], options?: { readonly fresh?: boolean }): Promise<void>;
}

interface Entry {
  /** Absent: there is none of that id. */
  readonly calendar: Calendar | undefined;
  readonly readAtMs: number;
}

/** @param monotonicMs a clock that never jumps */
export function createCalendarReader(
  store: CalendarStore,
  monotonicMs = () => performance.now(),
): CalendarReader {
  const entries = new Map<string, Entry>();
  const noted = new Map<string, string>();

  async function refresh(ids: readonly string[]): Promise<void> {
    const found = new Map((await store.getCalendars(ids)).map((calendar) => [calendar.id, calendar]));
    if (entries.size + ids.length > CACHED_MAX) entries.clear();
    const readAtMs = monotonicMs();
    for (const id of ids) entries.set(id, { calendar: found.get(id), readAtMs });
  }

  function isGood(id: string, known: Revisions | undefined): boolean {
    const entry = entries.get(id);
    if (entry === undefined || monotonicMs() - entry.readAtMs > CACHED_MS) return false;
    return known === undefined || known[id] === entry.calendar?.revision;
  }

  return {
    async read(ids, { fresh = false, known } = {}) {
      if (fresh || !ids.every((id) => isGood(id, known))) {
        const isCached = ids.every((id) => entries.has(id));
        // Without a cache there is nothing to go by, so the database is waited for.
        const reading = isCached ? inTime(refresh(ids)) : refresh(ids);
        await reading.catch((error: unknown) => {
          if (!isCached) throw error;
        });
      }
      const calendars = ids.flatMap((id) => entries.get(id)?.calendar ?? []);
      return Object.fromEntries(calendars.map((calendar) => [calendar.id, calendar]));
    },
    async noteUses(scheduleId, ids, { fresh = false } = {}) {
      const text = ids.toSorted().join('/');
      if (noted.get(scheduleId) === text && !fresh) return;
      await inTime(store.setCalendarUses(scheduleId, ids));
      if (noted.size >= NOTED_MAX) noted.clear();
      noted.set(scheduleId, text);
    },
  };
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the database did not answer in time')), LEDGER_BUDGET_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
