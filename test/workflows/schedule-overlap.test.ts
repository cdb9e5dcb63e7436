/** What becomes of a due time while the run before it still goes: overlap in its seven forms. */
import { expect } from 'vitest';
import { everyMinute, minutes, playScenarios } from './scenario-player.ts';
import { act, ledgerOf, pass, repeat, type Scenario, type Seen } from './scenario.ts';

/** It ends 20 s after the second due time that follows its own. */
const LONG = 140_000;

/** How the runs of the first due times ended, in Temporal's words. */
async function endsOf(seen: Seen, count: number): Promise<readonly string[]> {
  const started = (await seen.fires()).flatMap(({ invocationId }) => invocationId ?? []);
  const { workflow } = seen.world.client;
  const described = started.slice(0, count).map((id) => workflow.getHandle(id).describe());
  return (await Promise.all(described)).map(({ status }) => status.name);
}

async function reasonsOf(seen: Seen, outcome: string): Promise<readonly (string | undefined)[]> {
  return (await seen.fires()).filter((fire) => fire.outcome === outcome).map(({ reason }) => reason);
}

const scenarios: readonly Scenario[] = [
  {
    title: 'overlap skip: what comes due while a run goes on is skipped, by name of the run',
    input: everyMinute(minutes(2.5)),
    steps: [pass('9m')],
    ledger: [1, 2, 3].flatMap(() => ['started', 'skipped-overlap', 'skipped-overlap']),
    then: async (seen) => {
      const fires = await seen.fires();
      expect(fires[1]?.blockedBy).toBe(fires[0]?.invocationId);
      expect(fires[2]?.blockedBy).toBe(fires[0]?.invocationId);
      expect(fires[4]?.blockedBy).toBe(fires[3]?.invocationId);
    },
  },
  {
    title: 'overlap allowAll: every one of them runs',
    input: everyMinute(minutes(2.5), { overlap: 'allowAll' }),
    steps: [pass('9m')],
    ledger: repeat(9, 'started'),
  },
  {
    title: 'a schedule is stuck after three skips behind one run, and says so until one starts again',
    input: everyMinute(minutes(4.5)),
    steps: [
      pass('3m'),
      act(async (seen) => expect((await seen.describe()).state).toBe('active')),
      pass('1m'),
      act(async (seen) => expect(await seen.describe()).toMatchObject({ state: 'stuck', skipsInARow: 3 })),
      pass('2m'),
    ],
    ledger: ['started', ...repeat(4, 'skipped-overlap'), 'started'],
    then: async (seen) => expect((await seen.describe()).state).toBe('active'),
  },
  {
    title: 'overlap bufferOne: the first waits for the end, the others are skipped',
    input: everyMinute(LONG, { overlap: 'bufferOne' }),
    steps: [pass('7m')],
    // The sixth still waits.
    ledger: ['started', 'started', 'skipped-overlap', 'started', 'skipped-overlap', 'skipped-overlap'],
    then: async (seen) => {
      expect(await seen.describe()).toMatchObject({ pendingCount: 1, pending: [{ kind: 'fire' }] });
      expect(new Set(await reasonsOf(seen, 'skipped-overlap'))).toEqual(
        new Set(['a run was still going and another trigger waited for its end']),
      );
    },
  },
  {
    title: 'overlap bufferNewest: the newest waits, and supersedes the one before it',
    input: everyMinute(LONG, { overlap: 'bufferNewest' }),
    steps: [pass('7m')],
    ledger: ['started', 'superseded', 'started', 'superseded', 'started', 'superseded'],
    then: async (seen) => {
      expect((await seen.describe()).pendingCount).toBe(1);
      expect(new Set(await reasonsOf(seen, 'superseded'))).toEqual(
        new Set(['a newer trigger came while it waited for the run to end']),
      );
    },
  },
  {
    title:
      'overlap bufferAll: all wait in their order, by hand too; deleted with the schedule they are in the ledger',
    input: everyMinute(LONG, { overlap: 'bufferAll' }),
    steps: [
      pass('1m'),
      act(async ({ handle }) => {
        expect(await handle.trigger({ key: 'mine' })).toMatchObject({ outcome: 'waiting' });
      }),
      pass('6m'),
      act(async (seen) => {
        expect(await seen.describe()).toMatchObject({
          pendingCount: 5,
          pending: [1, 2, 3, 4, 5].map(() => ({ kind: 'fire' })),
        });
        expect(ledgerOf(await seen.fires())).toEqual(['started', 'manual started', 'started']);
      }),
      act(({ handle }) => handle.delete()),
    ],
    ledger: ['started', 'manual started', 'started', ...repeat(5, 'deleted')],
    then: async (seen) => {
      expect(new Set(await reasonsOf(seen, 'deleted'))).toEqual(
        new Set(['the schedule was deleted while it waited']),
      );
    },
  },
  {
    title: 'overlap cancelOther: the run before is asked to stop, and the next one starts',
    input: everyMinute(LONG, { overlap: 'cancelOther' }),
    steps: [pass('4m')],
    ledger: repeat(4, 'started'),
    then: async (seen) =>
      expect(await endsOf(seen, 4)).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED', 'RUNNING']),
  },
  {
    title:
      'overlap cancelOther: the next one waits for a run that takes its time to stop; only the newest does',
    input: { ...everyMinute(0, { overlap: 'cancelOther' }), input: { ms: LONG, lingerMs: 100_000 } },
    steps: [pass('5m')],
    // The fifth still waits.
    ledger: ['started', 'superseded', 'started', 'superseded'],
    then: async (seen) => {
      expect((await seen.describe()).pendingCount).toBe(1);
      expect(await endsOf(seen, 1)).toEqual(['CANCELLED']);
    },
  },
  {
    title: 'overlap terminateOther: the run before is ended at once',
    input: { ...everyMinute(0, { overlap: 'terminateOther' }), input: { ms: LONG, lingerMs: LONG } },
    steps: [pass('4m')],
    ledger: repeat(4, 'started'),
    then: async (seen) =>
      expect(await endsOf(seen, 4)).toEqual(['TERMINATED', 'TERMINATED', 'TERMINATED', 'RUNNING']),
  },
  {
    title: 'a trigger by hand may bring a rule of its own',
    input: everyMinute(LONG, { spec: 'triggered' }),
    steps: [
      act(({ handle }) => handle.trigger({ key: 'a' })),
      act(async ({ handle }) => {
        expect(await handle.trigger({ key: 'b' })).toMatchObject({ outcome: 'skipped-overlap' });
      }),
      act(async ({ handle }) => {
        expect(await handle.trigger({ key: 'c', overlap: 'allowAll' })).toMatchObject({ outcome: 'started' });
      }),
      act(async ({ handle }) => {
        expect(await handle.trigger({ key: 'd', overlap: 'terminateOther' })).toMatchObject({
          outcome: 'started',
        });
      }),
    ],
    ledger: ['manual started', 'manual skipped-overlap', 'manual started', 'manual started'],
    then: async (seen) => {
      const run = (key: string) => {
        const id = seen.handle.id;
        return seen.world.client.workflow.getHandle(seen.world.names.manualInvocationId(id, key)).describe();
      };
      expect((await run('a')).status.name).toBe('RUNNING');
      expect((await run('c')).status.name).toBe('TERMINATED');
      expect((await run('d')).status.name).toBe('RUNNING');
    },
  },
];

playScenarios(scenarios);
