/** Single due times that are skipped, moved or held, and that undone: each has one row in the end. */
import { expect } from 'vitest';
import { everyMinute, minutes, playScenarios } from './scenario-player.ts';
import { act, at, ledgerOf, pass, repeat, type Scenario, type Seen } from './scenario.ts';

/** The n-th due time of a scenario, from 1 on; scenarios begin half a minute before the first. */
const due = (seen: Seen, n: number) => at(seen, minutes(n) - 30_000);
const row = async (seen: Seen, n: number) =>
  (await seen.fires()).find(({ key }) => key === due(seen, n).replace('.000Z', 'Z'));

const scenarios: readonly Scenario[] = [
  {
    title: 'a skipped one is recorded with who and why, and not run; a skip that was undone runs',
    input: everyMinute(),
    steps: [
      act((seen) => seen.handle.skipOccurrence(due(seen, 2), { actor: 'ann', reason: 'release' })),
      act((seen) => seen.handle.skipOccurrence(due(seen, 3))),
      act(async (seen) =>
        expect((await seen.describe()).occurrences).toMatchObject([
          { act: 'skip', actor: 'ann' },
          { act: 'skip' },
        ]),
      ),
      act((seen) => seen.handle.restoreOccurrence(due(seen, 3))),
      pass('4m'),
    ],
    ledger: ['started', 'skipped-occurrence', 'started', 'started'],
    then: async (seen) => {
      expect((await row(seen, 2))?.reason).toBe('skipped by ann: release');
      expect((await seen.describe()).occurrences).toEqual([]);
    },
  },
  {
    title: 'a held one is recorded as held, and runs when it is restored, in the same row',
    input: everyMinute(),
    steps: [
      act((seen) => seen.handle.holdOccurrence(due(seen, 2), { reason: 'not yet' })),
      pass('3m'),
      act(async (seen) => {
        expect(ledgerOf(await seen.fires())).toEqual(['started', 'held', 'started']);
        expect(await row(seen, 2)).toMatchObject({ reason: 'held: not yet' });
        expect((await seen.describe()).counts).toEqual({ started: 2, held: 1 });
      }),
      act((seen) => seen.handle.restoreOccurrence(due(seen, 2))),
      pass('1m'),
    ],
    ledger: repeat(4, 'started'),
    then: async (seen) => expect(await row(seen, 2)).toMatchObject({ reason: 'held, and restored' }),
  },
  {
    title: 'a moved one runs at its other time, later or earlier, and keeps its name',
    input: everyMinute(),
    steps: [
      act((seen) => seen.handle.moveOccurrence(due(seen, 2), at(seen, minutes(4)))),
      act((seen) => seen.handle.moveOccurrence(due(seen, 6), at(seen, minutes(5)), { actor: 'ann' })),
      pass('3m'),
      act(async (seen) => expect(ledgerOf(await seen.fires())).toEqual(['started', 'started'])),
      pass('135s'),
      act(async (seen) => expect(ledgerOf(await seen.fires())).toContain('moved')),
      pass('105s'),
    ],
    ledger: ['started', 'moved', 'started', 'started', 'started', 'moved', 'started'],
    then: async (seen) => {
      const moved = await row(seen, 2);
      expect(moved?.reason).toBe(`moved to ${at(seen, minutes(4))}`);
      expect(moved?.invocationId).toBe(seen.world.names.fireInvocationId(seen.handle.id, moved?.toMs ?? 0));
    },
  },
  {
    title: 'a move that was undone runs at its own time',
    input: everyMinute(),
    steps: [
      act((seen) => seen.handle.moveOccurrence(due(seen, 2), at(seen, minutes(4)))),
      pass('1m'),
      act((seen) => seen.handle.restoreOccurrence(due(seen, 2))),
      pass('4m'),
    ],
    ledger: repeat(5, 'started'),
  },
  {
    title: 'a change keeps those that the new spec names too, and says which it forgets',
    input: everyMinute(),
    steps: [
      act((seen) => seen.handle.moveOccurrence(due(seen, 1), at(seen, minutes(3) + 15_000))),
      act((seen) => seen.handle.skipOccurrence(due(seen, 4))),
      act((seen) => seen.handle.skipOccurrence(due(seen, 5))),
      act((seen) => seen.handle.moveOccurrence(due(seen, 6), at(seen, minutes(7)))),
      act((seen) => seen.handle.moveOccurrence(due(seen, 7), at(seen, minutes(7) + 15_000))),
      pass('1m'),
      act((seen) => seen.handle.change(everyMinute(0, { spec: '1/2 * * * *' }))),
      act(async (seen) => {
        const { occurrences, problems } = await seen.describe();
        const kept = [1, 5, 7].map((n) => due(seen, n));
        expect(occurrences.map(({ nominalMs }) => nominalMs)).toEqual(kept.map((one) => Date.parse(one)));
        const gone = [`${due(seen, 4)} (skipped)`, `${due(seen, 6)} (moved to ${at(seen, minutes(7))})`];
        for (const one of gone) expect(problems.at(-1)?.message).toContain(one.replaceAll('.000Z', 'Z'));
      }),
      pass('7m'),
    ],
    ledger: ['moved', 'started', 'skipped-occurrence', 'moved'],
  },
  {
    title: 'a pause takes a moved one whose time comes in it, and counts it once',
    input: everyMinute(),
    steps: [
      act((seen) => seen.handle.moveOccurrence(due(seen, 1), at(seen, minutes(2)))),
      act((seen) => seen.handle.moveOccurrence(due(seen, 3), at(seen, minutes(5)))),
      act((seen) => seen.handle.skipOccurrence(due(seen, 4))),
      pass('1m'),
      act(({ handle }) => handle.pause()),
      pass('3m'),
      act(({ handle }) => handle.resume()),
      pass('2m'),
    ],
    ledger: ['paused', 'paused x1', 'moved', 'skipped-occurrence', 'started', 'started'],
  },
  {
    title: 'what is moved or held when the schedule is deleted is in the ledger, if its time has passed',
    input: everyMinute(),
    steps: [
      act((seen) => seen.handle.moveOccurrence(due(seen, 2), at(seen, minutes(30)))),
      act((seen) => seen.handle.holdOccurrence(due(seen, 3))),
      act((seen) => seen.handle.moveOccurrence(due(seen, 20), at(seen, minutes(40)))),
      pass('4m'),
      act(({ handle }) => handle.delete()),
    ],
    ledger: ['started', 'deleted', 'held', 'started'],
    then: async (seen) =>
      expect((await row(seen, 2))?.reason).toBe('the schedule was deleted before it could run'),
  },
  {
    title: 'limited runs: a moved one and one that was held spend a run, and give none back',
    input: everyMinute(minutes(1.5), { limitedRuns: 3 }),
    steps: [
      act((seen) => seen.handle.holdOccurrence(due(seen, 1))),
      act((seen) => seen.handle.moveOccurrence(due(seen, 3), at(seen, minutes(2)))),
      pass('100s'),
      act(async (seen) => expect((await seen.describe()).runsLeft).toBe(2)),
      // Both come while the second one's run still goes.
      act((seen) => seen.handle.restoreOccurrence(due(seen, 1))),
      pass('1m'),
      act(async (seen) => expect((await seen.describe()).runsLeft).toBe(2)),
      pass('5m'),
    ],
    ledger: ['skipped-overlap', 'started', 'skipped-overlap', 'started', 'skipped-overlap', 'started'],
    then: async (seen) => expect(await seen.describe()).toMatchObject({ state: 'finished', runsLeft: 0 }),
  },
];

playScenarios(scenarios);
