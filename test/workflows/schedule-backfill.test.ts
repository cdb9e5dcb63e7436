/** Backfills: past due times run beside the live ones, each instant once unless a rerun is asked for. */
import { expect } from 'vitest';
import { everyMinute, minutes, playScenarios } from './scenario-player.ts';
import { act, at, pass, repeat, type Scenario, type Seen } from './scenario.ts';

const WHOLE_HOUR = 30_000;

/** The three minutes up to a minute before the scenario's hour. */
const stretch = (seen: Seen) => ({
  from: at(seen, -WHOLE_HOUR - minutes(4)),
  to: at(seen, -WHOLE_HOUR - minutes(1)),
});

/** Nominal times of its backfill's runs in the order in which they began, in minutes before the hour. */
async function order(seen: Seen): Promise<readonly number[]> {
  const started = (await seen.fires()).filter(
    ({ kind, outcome }) => kind === 'backfill' && outcome === 'started',
  );
  const runs = started.map(async ({ invocationId = '', toMs }) => {
    const { startTime } = await seen.world.client.workflow.getHandle(invocationId).describe();
    return { atMs: startTime.getTime(), minute: (seen.beganMs - WHOLE_HOUR - toMs) / minutes(1) };
  });
  return (await Promise.all(runs)).sort((a, b) => a.atMs - b.atMs).map(({ minute }) => minute);
}

const scenarios: readonly Scenario[] = [
  {
    title: 'oldest first, one at a time, beside live fires',
    input: everyMinute(5_000),
    steps: [
      act(async (seen) =>
        expect(await seen.handle.backfill({ ...stretch(seen), key: 'b' })).toEqual({ id: 'b', instants: 3 }),
      ),
      act(async (seen) =>
        expect((await seen.describe()).backlogs).toMatchObject([{ id: 'b', left: 2, done: 1, running: 1 }]),
      ),
      pass('3m'),
    ],
    ledger: [...repeat(3, 'backfill started'), ...repeat(3, 'started')],
    then: async (seen) => {
      expect(await order(seen)).toEqual([3, 2, 1]);
      expect((await seen.describe()).backlogs).toEqual([]);
    },
  },
  {
    title: 'newest first; what has run is a duplicate, and a rerun runs it again',
    input: everyMinute(5_000, { spec: '* * * * *', enabled: false }),
    steps: [
      act((seen) => seen.handle.backfill({ ...stretch(seen), order: 'newest', key: 'first' })),
      pass('50s'),
      act(async (seen) => expect(await order(seen)).toEqual([1, 2, 3])),
      act((seen) => seen.handle.backfill({ ...stretch(seen), key: 'second' })),
      act((seen) => seen.handle.backfill({ ...stretch(seen), key: 'third', rerun: true })),
      pass('50s'),
      act(({ handle }) => handle.enable()),
    ],
    ledger: [
      ...repeat(3, ['backfill started', 'backfill duplicate', 'backfill started']).flat(),
      'disabled x2',
    ],
    then: async (seen) => {
      const fires = await seen.fires();
      expect(fires[1]).toMatchObject({ blockedBy: fires[0]?.invocationId });
      expect(fires[2]?.invocationId).toBe(`${fires[0]?.invocationId}/rerun/1`);
    },
  },
  {
    title: 'all at once where its runs are not limited; one key is one backfill, when it has ended too',
    input: everyMinute(0, { enabled: false }),
    steps: [1, 2].map(() =>
      act(async (seen) =>
        expect(await seen.handle.backfill({ ...stretch(seen), key: 'b', concurrency: 0 })).toEqual({
          id: 'b',
          instants: 3,
        }),
      ),
    ),
    ledger: repeat(3, 'backfill started'),
  },
  {
    title: 'what ran live is a duplicate, and one that is stopped starts no more',
    input: everyMinute(5_000),
    steps: [
      pass('2m'),
      act((seen) =>
        seen.handle.backfill({ from: at(seen, -WHOLE_HOUR), to: at(seen, minutes(2)), concurrency: 0 }),
      ),
      act((seen) => seen.handle.backfill({ ...stretch(seen), key: 'b' })),
      act(({ handle }) => handle.stopBacklog('b')),
      pass('1m'),
    ],
    ledger: ['backfill started', 'started', 'backfill duplicate', 'started', 'backfill duplicate', 'started'],
  },
];

playScenarios(scenarios);
