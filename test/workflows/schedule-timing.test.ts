/** When a schedule is due, over hours: each kind of timing, changes of it, and its end. */
import { expect } from 'vitest';
import { everyMinute, everyTenMinutesAfter, minutes, playScenarios } from './scenario-player.ts';
import { act, at, pass, repeat, type Scenario, type Seen } from './scenario.ts';

/** Time between one run's due time and the next one's. */
async function gaps(seen: Seen): Promise<readonly number[]> {
  const dueMs = (await seen.fires()).map(({ fromMs }) => fromMs);
  return dueMs.slice(1).map((ms, i) => ms - (dueMs[i] ?? 0));
}

async function expectGaps(seen: Seen, gapMs: number): Promise<void> {
  for (const gap of await gaps(seen)) {
    // Wake-ups come 50 ms early, and the wait that makes up for it takes no time here.
    expect(gap).toBeGreaterThanOrEqual(gapMs - 1_000);
    expect(gap).toBeLessThan(gapMs + 20_000);
  }
}

const scenarios: readonly Scenario[] = [
  {
    title: 'a cron fires at each nominal time exactly once',
    input: everyMinute(),
    steps: [pass('10m')],
    ledger: repeat(10, 'started'),
    then: async (seen) => {
      const dueMs = (await seen.fires()).map(({ fromMs }) => fromMs - seen.beganMs + 30_000);
      expect(dueMs).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(minutes));
    },
  },
  {
    title: 'a union of recurrences fires coinciding times once',
    input: { ...everyMinute(), spec: ['*/2 * * * *', '*/3 * * * *', 'every 6m'] },
    steps: [pass('12m')],
    ledger: repeat(8, 'started'),
  },
  {
    title: 'a relative schedule waits for the end of its run and then its interval',
    input: { ...everyMinute(minutes(2)), spec: 'with 5m interval' },
    steps: [pass('25m')],
    ledger: repeat(3, 'started'),
    then: (seen) => expectGaps(seen, minutes(7)),
  },
  {
    title: 'continuously: the next run begins when the one before it ends',
    input: { ...everyMinute(minutes(4)), spec: 'continuously' },
    steps: [pass('19m')],
    ledger: repeat(5, 'started'),
    then: (seen) => expectGaps(seen, minutes(4)),
  },
  {
    title: 'a triggered schedule runs by hand only, and one key is one run',
    input: { ...everyMinute(), spec: 'triggered' },
    steps: [
      pass('2h'),
      act(async ({ handle }) => {
        expect(await handle.trigger({ key: 'monday' })).toMatchObject({ outcome: 'started' });
      }),
      pass('1h'),
      act(async ({ handle }) => {
        const again = await handle.trigger({ key: 'monday' });
        expect(again).toMatchObject({ outcome: 'duplicate', blockedBy: again.invocationId });
      }),
      pass('1h'),
      act(async ({ handle }) => {
        expect((await handle.trigger()).outcome).toBe('started');
      }),
      pass('2h'),
    ],
    ledger: ['manual started', 'manual duplicate', 'manual started'],
  },
  {
    title: 'a changed definition acts from now on; an identical, stale or refused one changes nothing',
    input: everyMinute(),
    steps: [
      pass('2m'),
      act(async (seen) => {
        const { handle } = seen;
        expect((await handle.change(everyMinute())).revision).toBe(1);
        const other = { ...everyMinute(), spec: '*/5 * * * *' };
        await expect(handle.change(other, { revision: 7 })).rejects.toMatchObject({
          code: 'RevisionConflict',
          details: { revision: 1 },
        });
        await seen.world.client.workflow
          .getHandle(handle.workflowId)
          .signal('changeSchedule', { schedule: { ...everyMinute(), spec: '61 * * * *' } });
        expect((await handle.change(other, { revision: 1 })).revision).toBe(2);
      }),
      pass('10m'),
    ],
    ledger: repeat(4, 'started'),
    then: async (seen) => {
      const { problems, definition } = await seen.describe();
      expect(definition.spec.expressions).toEqual(['*/5 * * * *']);
      expect(problems.map(({ message }) => message)).toEqual([
        expect.stringContaining('revision 7'),
        expect.stringContaining('61'),
      ]);
    },
  },
  {
    title: 'a schedule past its end is finished and stays readable; a change wakes it, a relative one too',
    input: (beganMs) => ({
      ...everyMinute(),
      spec: { expressions: '* * * * *', endAt: at({ beganMs }, minutes(3)) },
    }),
    steps: [
      pass('5m'),
      act(async (seen) => {
        expect(await seen.describe()).toMatchObject({ state: 'finished', nextTimesMs: [] });
        const changed = await seen.handle.change(everyTenMinutesAfter);
        expect(changed.state).toBe('active');
        expect(changed.nextTimesMs).toHaveLength(1);
      }),
      pass('11m'),
    ],
    ledger: repeat(4, 'started'),
  },
];

playScenarios(scenarios);
