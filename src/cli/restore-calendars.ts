/**
 * The named calendars of a snapshot, put back before the schedules that leave them out. Used by `escapement restore`. Promise:
 * a calendar that is there with another content is touched, or its schedules are restored on it, only where a person has said so.
 */
import { eachAtOnce } from '../client/each-at-once.ts';
import type { GatewayClient } from '../client/gateway-client.ts';
import type { CalendarContent } from '../contract/calendars.ts';
import { NotExistsError } from '../contract/errors.ts';
import { defined } from './run-flags.ts';
import type { Snapshot, SnapshotEntry } from './snapshot-file.ts';

/** What to do with a calendar that is there with another content. */
export type CalendarChoice = 'keep' | 'replace';

export interface RestoredCalendar {
  readonly id: string;
  /** `would`: a dry run. `left`: nothing was done. `differs`: somebody must choose. */
  readonly outcome: 'created' | 'replaced' | 'would' | 'left' | 'differs' | 'failed';
  readonly reason?: string;
}

type Entry = Snapshot['calendars'][number];

const AT_ONCE = 5;

export function calendarIdsOf({ schedule }: Pick<SnapshotEntry, 'schedule'>): readonly string[] {
  const { spec } = schedule;
  const exclude = typeof spec === 'object' && 'exclude' in spec ? spec.exclude : undefined;
  const calendars = typeof exclude === 'object' && 'calendars' in exclude ? exclude.calendars : undefined;
  return calendars === undefined ? [] : [calendars].flat();
}

export function restoreCalendars(
  gateway: GatewayClient,
  calendars: readonly Entry[],
  options: { readonly dryRun?: boolean; readonly calendars?: CalendarChoice },
): Promise<readonly RestoredCalendar[]> {
  return eachAtOnce(calendars, { atOnce: AT_ONCE }, async (entry): Promise<RestoredCalendar> => {
    const { id } = entry;
    try {
      return { id, ...(await restoreOne(gateway, entry, options)) };
    } catch (error) {
      return { id, outcome: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  });
}

async function restoreOne(
  gateway: GatewayClient,
  { id, content }: Entry,
  { dryRun = false, calendars: choice }: { readonly dryRun?: boolean; readonly calendars?: CalendarChoice },
): Promise<Omit<RestoredCalendar, 'id'>> {
  const present = await gateway.getCalendar(id).catch(unlessAbsent);
  if (present === undefined) {
    if (dryRun) return { outcome: 'would' };
    await gateway.putCalendar(id, content, { revision: 0 });
    return { outcome: 'created' };
  }
  if (textOf(present) === textOf(content)) return { outcome: 'left', reason: 'it is there, and the same' };
  const differs = `revision ${present.revision}, which is there, differs from the snapshot`;
  if (choice === 'keep') return { outcome: 'left', reason: `${differs}, and is kept` };
  if (choice === undefined) {
    return { outcome: 'differs', reason: `${differs}: say --calendars keep, or --calendars replace` };
  }
  if (dryRun) return { outcome: 'would', reason: `${differs}, and would be replaced` };
  // Refused where somebody changes it at this very moment.
  const { untold } = await gateway.putCalendar(id, content, { revision: present.revision });
  const unheard = untold.length === 0 ? '' : `; could not be told: ${untold.join(', ')}`;
  return { outcome: 'replaced', reason: `${differs}${unheard}` };
}

/** Two that leave out the same have the same text. */
function textOf({ dates, expressions = [], timeZone }: CalendarContent): string {
  return JSON.stringify([dates.toSorted(), expressions.toSorted(), timeZone]);
}

/** What of a calendar is its content. */
export function contentOf({ dates, expressions, timeZone }: CalendarContent): CalendarContent {
  return { dates, ...defined({ expressions, timeZone }) };
}

function unlessAbsent(error: unknown): undefined {
  if (error instanceof NotExistsError) return undefined;
  throw error;
}
