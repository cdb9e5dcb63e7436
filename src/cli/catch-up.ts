/** `escapement catch-up`: one schedule, or all, run what they missed until an instant, each by its own catch-up rule. */
import { eachAtOnce } from '../client/each-at-once.ts';
import { InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import { print, table } from './output.ts';
import { type ActOptions, noteOf } from './schedule-acts.ts';
import { withScheduler } from './session.ts';

export type CatchUpOptions = ActOptions & {
  readonly all?: boolean;
  readonly until: number;
  readonly since?: number;
};

const PACE = { atOnce: 10, perSecond: 50 };

export async function catchUp(id: string | undefined, options: CatchUpOptions): Promise<void> {
  const { until: untilMs, since: sinceMs, all = false } = options;
  if ((id === undefined) === !all) {
    const message = all
      ? 'names all schedules, so none can be named beside it'
      : 'is missing: name a schedule, or give --all';
    throw new InvalidInputError('catch-up', [{ path: all ? '--all' : '<id>', message }]);
  }
  if (sinceMs !== undefined && sinceMs >= untilMs) {
    const message = `must lie before --until ${isoInstant(untilMs)}`;
    throw new InvalidInputError('catch-up', [{ path: '--since', message }]);
  }
  await withScheduler(options, async ({ schedules }) => {
    const named = id === undefined ? schedules.list() : [{ id }];
    const found = await eachAtOnce(named, PACE, async (one) => {
      const handle = schedules.get(one.id);
      try {
        const { changedAtMs, timing } = await handle.describe();
        if (all && timing.kind !== 'absolute') {
          const reason = 'it has no fixed nominal times: what it missed came later';
          return { id: one.id, outcome: 'nothing' as const, reason };
        }
        // What came before its last change is for a definition that it no longer has.
        const since = isoInstant(sinceMs ?? changedAtMs);
        const until = isoInstant(untilMs);
        if (sinceMs === undefined && changedAtMs >= untilMs) {
          const reason = `it was last changed ${since}, not before --until ${until}: give --since to go back further`;
          return { id: one.id, outcome: 'nothing' as const, reason };
        }
        const { id: backlog, instants } = await handle.catchUp({ ...noteOf(options), since, until });
        return { id: one.id, outcome: 'done' as const, since, until, backlog, instants };
      } catch (error) {
        if (!all) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        return { id: one.id, outcome: 'failed' as const, reason };
      }
    });
    const results = found.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const rows = results.map((result) =>
      result.outcome === 'done'
        ? [result.id, 'done', result.instants, `${result.since} to ${result.until}`]
        : [result.id, result.outcome === 'nothing' ? 'nothing to do' : 'failed', '', result.reason],
    );
    print(
      { json: results, text: await table(['schedule', 'outcome', 'times', 'more'], rows, 'no schedules') },
      options,
    );
    if (results.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
  });
}
