/** `escapement schedule enable|disable|pause|resume|delete --all` or `--query`: one act on many schedules, a line for each. */
import type { BulkAct, BulkResult } from '../client/bulk.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import { print, table } from './output.ts';
import { noteOf, type SuspendOptions } from './schedule-acts.ts';
import { withScheduler } from './session.ts';

export interface ManyOptions {
  readonly all?: boolean;
  readonly query?: string;
  readonly dryRun?: boolean;
}

/** The one that is named; undefined where flags name many. @throws InvalidInputError where it is neither, or both */
export function oneNamed(act: BulkAct, id: string | undefined, options: ManyOptions): string | undefined {
  const refuse = (path: string, message: string) =>
    new InvalidInputError(`schedule ${act}`, [{ path, message }]);
  const { all = false, query, dryRun = false } = options;
  if (all && query !== undefined) throw refuse('--all', 'and --query cannot both be given: leave one out');
  const many = all || query !== undefined;
  if (many && id !== undefined)
    throw refuse('<id>', `"${id}" cannot stand beside --all or --query: leave one out`);
  if (!many && id === undefined)
    throw refuse('<id>', 'is missing: name a schedule, or give --all or --query');
  if (!many && dryRun) throw refuse('--dry-run', 'is for --all and --query: leave it out');
  return id;
}

export async function actOnSchedules(
  act: BulkAct,
  options: SuspendOptions & ManyOptions & { readonly cancelRunning?: boolean },
): Promise<void> {
  const { query, until, cancelRunning, dryRun = false } = options;
  await withScheduler(options, async ({ schedules }) => {
    const results = await schedules.bulk(act, {
      ...(query === undefined ? { all: true } : { query }),
      dryRun,
      request: {
        ...noteOf(options),
        ...(until !== undefined && { until: isoInstant(until) }),
        ...(cancelRunning !== undefined && { cancelRunning }),
      },
    });
    const sorted = results.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const head = ['schedule', dryRun ? `would ${act}` : act, 'state', 'why'];
    print({ json: sorted, text: await table(head, sorted.map(rowOf), 'no schedules') }, options);
    if (results.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
  });
}

function rowOf(result: BulkResult): readonly (string | undefined)[] {
  if (result.outcome === 'failed') return [result.id, 'failed', '', result.reason];
  return [result.id, result.outcome === 'would' ? 'yes' : 'done', result.state, ''];
}
