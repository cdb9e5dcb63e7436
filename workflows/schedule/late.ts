/** What is only recorded of late due times, and sums of stretches. Used by live fires and by a catch-up on demand. */
import type { DueSummary } from '../../src/contract/activities.ts';
import { spanRow } from '../../src/core/fires.ts';
import type { LateSplit, Stretch } from '../../src/core/policy/catch-up.ts';
import { type Host, owner, summaryOf } from './host.ts';
import { book } from './state.ts';

/** Books what was missed or superseded, each stretch as one row with its count. */
export async function recordLate(host: Host, split: Pick<LateSplit, 'missed' | 'superseded'>): Promise<void> {
  for (const outcome of ['missed', 'superseded'] as const) {
    const stretch = split[outcome];
    const due = stretch && (await known(host, stretch));
    if (stretch === undefined || due === undefined) continue;
    const { firstMs, lastMs } = due.nominal ?? due;
    const span = { fromMs: firstMs, toMs: lastMs, count: due.count };
    book(host.state, spanRow(owner(host), outcome, span, { atMs: host.nowMs, reason: stretch.reason }));
  }
}

/** What is in a stretch: as it was decided, or summed up now. */
export async function known(host: Host, stretch: Stretch): Promise<DueSummary | undefined> {
  return stretch.known ?? (await summaryOf(host, stretch.afterMs, stretch.untilMs));
}
