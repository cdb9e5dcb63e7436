/** What ends or stops a schedule, and what it was before: limited runs, failures, revisions. */
import { expect } from 'vitest';
import { everyMinute, minutes, playScenarios } from './scenario-player.ts';
import { act, pass, repeat, type Scenario } from './scenario.ts';

const scenarios: readonly Scenario[] = [
  {
    title: 'limited runs: finished after so many automatic ones, readable, and still run by hand',
    input: everyMinute(0, { limitedRuns: 3 }),
    steps: [
      pass('2m'),
      act(({ handle }) => handle.trigger({ key: 'mine' })),
      act(async (seen) => expect(await seen.describe()).toMatchObject({ state: 'active', runsLeft: 1 })),
      pass('3m'),
      act(async (seen) => {
        expect(await seen.describe()).toMatchObject({ state: 'finished', runsLeft: 0, nextTimesMs: [] });
        expect(await seen.handle.trigger({ key: 'late' })).toMatchObject({ outcome: 'started' });
      }),
    ],
    ledger: ['started', 'started', 'manual started', 'started', 'manual started'],
  },
  {
    title: 'limited runs: what did not start spends none, and more runs wake a finished schedule',
    input: everyMinute(minutes(1.5), { limitedRuns: 2 }),
    steps: [
      pass('5m'),
      act(async (seen) => {
        expect((await seen.describe()).state).toBe('finished');
        expect(await seen.handle.change(everyMinute(0, { limitedRuns: 1 }))).toMatchObject({ runsLeft: 1 });
      }),
      pass('3m'),
    ],
    ledger: ['started', 'skipped-overlap', 'started', 'started'],
    then: async (seen) => expect((await seen.describe()).state).toBe('finished'),
  },
  {
    title: 'pauseOnFailure: a run that fails pauses it by name, and resume goes on',
    input: (beganMs) => ({
      ...everyMinute(0, { pauseOnFailure: true }),
      input: { ms: 5_000, fail: [beganMs + minutes(1.5)] },
    }),
    steps: [
      pass('4m'),
      act(async (seen) => {
        const { state, paused } = await seen.describe();
        expect(state).toBe('paused');
        expect(paused).toMatchObject({
          actor: 'pauseOnFailure',
          reason: expect.stringMatching(/^skips\.schedule\/.* failed$/),
        });
      }),
      act(({ handle }) => handle.resume()),
      pass('2m'),
    ],
    ledger: ['started', 'started', 'paused x2', 'started', 'started'],
  },
  {
    title: 'revisions are kept with who and why, one is gone back to, and an outdated one is refused',
    input: everyMinute(),
    steps: [
      pass('2m'),
      act(async ({ handle }) => {
        const slower = everyMinute(0, { spec: '*/5 * * * *' });
        expect(await handle.change(slower, { actor: 'ann', reason: 'too often' })).toMatchObject({
          revision: 2,
        });
      }),
      pass('8m'),
      act(async ({ handle }) => {
        await expect(handle.revert({ to: 1, revision: 1 })).rejects.toMatchObject({
          code: 'RevisionConflict',
          details: { revision: 2 },
        });
      }),
      act(async ({ handle }) => {
        await expect(handle.revert({ to: 9 })).rejects.toThrow(/field "to": revision 9 is not kept/);
      }),
      act(async ({ handle }) => {
        expect(await handle.revert({ to: 1, revision: 2, actor: 'bob' })).toMatchObject({
          revision: 3,
          definition: { spec: { expressions: ['* * * * *'] } },
        });
      }),
      pass('2m'),
    ],
    // Every minute, then minutes 5 and 10, then every minute again.
    ledger: repeat(6, 'started'),
    then: async (seen) => {
      const { revisions, problems } = await seen.describe();
      expect(revisions).toMatchObject([
        { revision: 3, actor: 'bob', reason: 'back to revision 1' },
        { revision: 2, actor: 'ann', reason: 'too often' },
        { revision: 1 },
      ]);
      expect(problems).toHaveLength(2);
    },
  },
];

playScenarios(scenarios);
