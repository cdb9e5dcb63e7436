/** Holding a schedule and switching it off: what falls due meanwhile is one row with its count, and nothing of it is replayed. */
import { expect } from 'vitest';
import { everyMinute, everyTenMinutesAfter, minutes, playScenarios } from './scenario-player.ts';
import { act, at, ledgerOf, pass, type Scenario } from './scenario.ts';

const scenarios: readonly Scenario[] = [
  {
    title: 'a pause keeps the place, is one row with its count, replays nothing, and lets triggers through',
    input: everyMinute(),
    steps: [
      pass('2m'),
      act(({ handle }) => handle.pause({ reason: 'release', actor: 'ann' })),
      act(({ handle }) => handle.pause({ reason: 'again', actor: 'bob' })),
      pass('2m'),
      act(async (seen) => {
        const { state, nextTimesMs, paused } = await seen.describe();
        expect([state, nextTimesMs]).toEqual(['paused', []]);
        expect(paused).toMatchObject({ reason: 'release', actor: 'ann' });
        expect((await seen.handle.trigger({ key: 'now' })).outcome).toBe('started');
      }),
      pass('2m'),
      act(({ handle }) => handle.resume()),
      act(({ handle }) => handle.resume()),
      pass('2m'),
    ],
    ledger: ['started', 'started', 'paused x4', 'manual started', 'started', 'started'],
    then: async (seen) => {
      const row = (await seen.fires()).find(({ outcome }) => outcome === 'paused');
      expect(row?.reason).toBe('paused by ann: release');
    },
  },
  {
    title: 'a pause with an until ends by itself',
    input: everyMinute(),
    steps: [pass('1m'), act((seen) => seen.handle.pause({ until: at(seen, minutes(5)) })), pass('7m')],
    ledger: ['started', 'paused x4', 'started', 'started', 'started'],
  },
  {
    title: 'another until takes the place of the first; without one, and said again, nothing changes',
    input: everyMinute(),
    steps: [
      pass('1m'),
      act((seen) => seen.handle.pause({ until: at(seen, minutes(10)), reason: 'release', actor: 'ann' })),
      act((seen) => seen.handle.pause({ until: at(seen, minutes(3)) })),
      act((seen) => seen.handle.pause({ reason: 'again' })),
      act(async (seen) =>
        expect((await seen.describe()).paused).toMatchObject({
          ...{ reason: 'release', actor: 'ann', untilMs: seen.beganMs + minutes(3) },
        }),
      ),
      pass('3m'),
      act((seen) => seen.handle.disable({ until: at(seen, minutes(20)) })),
      act((seen) => seen.handle.disable({ until: at(seen, minutes(6)), actor: 'bob', reason: 'sooner' })),
      pass('3m'),
    ],
    ledger: ['started', 'paused x2', 'started', 'disabled x2', 'started'],
    then: async (seen) => {
      const row = (await seen.fires()).find(({ outcome }) => outcome === 'disabled');
      expect(row?.reason).toBe('disabled by bob: sooner');
    },
  },
  {
    title: 'a schedule switched off until an instant comes back by itself',
    input: everyMinute(),
    steps: [
      pass('1m'),
      act((seen) => seen.handle.disable({ until: at(seen, minutes(5)) })),
      act(async (seen) => expect((await seen.describe()).state).toBe('disabled')),
      pass('7m'),
    ],
    ledger: ['started', 'disabled x4', 'started', 'started', 'started'],
  },
  {
    title: 'a resumed relative schedule that is not yet due runs at its original time',
    input: everyTenMinutesAfter,
    steps: [
      pass('2m'),
      act(({ handle }) => handle.pause()),
      pass('3m'),
      act(({ handle }) => handle.resume()),
      pass('6m'),
    ],
    ledger: ['paused x0', 'started'],
    then: async (seen) => {
      const [, fire] = await seen.fires();
      const { createdAtMs } = await seen.describe();
      expect(fire?.fromMs).toBe(createdAtMs + minutes(10));
    },
  },
  {
    title: 'an enabled relative schedule counts one interval from then',
    input: everyTenMinutesAfter,
    steps: [
      pass('9m'),
      act(({ handle }) => handle.disable()),
      pass('5m'),
      act(({ handle }) => handle.enable()),
      pass('9m'),
      act(async (seen) => expect(ledgerOf(await seen.fires())).toEqual(['disabled x0'])),
      pass('2m'),
    ],
    ledger: ['disabled x0', 'started'],
  },
  {
    title: 'disabled inside a pause, and paused inside a switch-off: each due time counts once',
    input: everyMinute(),
    steps: [
      pass('1m'),
      act(({ handle }) => handle.pause()),
      pass('2m'),
      act(({ handle }) => handle.disable()),
      pass('3m'),
      act(({ handle }) => handle.enable()),
      act(async (seen) => expect((await seen.describe()).state).toBe('paused')),
      pass('2m'),
      act(({ handle }) => handle.resume()),
      pass('1m'),
      act(({ handle }) => handle.disable()),
      act(({ handle }) => handle.pause()),
      pass('2m'),
      act(({ handle }) => handle.resume()),
      pass('2m'),
      act(({ handle }) => handle.enable()),
      pass('1m'),
    ],
    ledger: ['started', 'paused x2', 'disabled x3', 'paused x2', 'started', 'disabled x4', 'started'],
  },
  {
    title: 'one created switched off waits for its enable',
    input: everyMinute(0, { enabled: false }),
    steps: [
      pass('3m'),
      act(async (seen) => expect((await seen.describe()).state).toBe('disabled')),
      act(({ handle }) => handle.enable()),
      pass('2m'),
    ],
    ledger: ['disabled x3', 'started', 'started'],
  },
];

playScenarios(scenarios);
