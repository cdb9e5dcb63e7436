/** Triggering policies: triggers gather, and the policy says when how many of them become one invocation. */
import { expect } from 'vitest';
import type { TriggerRequest } from '../../src/contract/messages.ts';
import { scheduleSignals } from '../../src/contract/messages.ts';
import { everyMinute, minutes, playScenarios } from './scenario-player.ts';
import { act, pass, repeat, type Scenario, type Seen } from './scenario.ts';

/** It ends 20 s after the second due time that follows its own. */
const LONG = 140_000;

const keyed = (keys: string, more: (key: string) => Partial<TriggerRequest> = () => ({})) =>
  [...keys].map((key): TriggerRequest => ({ key, ...more(key) }));

/** How many triggers each of its runs was for, in the order in which they began. */
async function batchSizes(seen: Seen): Promise<readonly number[]> {
  const started = (await seen.fires()).flatMap(({ invocationId }) => invocationId ?? []);
  const runs = [...new Set(started)].map(async (id) => {
    const { startTime } = await seen.world.client.workflow.getHandle(id).describe();
    return { atMs: startTime.getTime(), size: started.filter((other) => other === id).length };
  });
  return (await Promise.all(runs)).sort((a, b) => a.atMs - b.atMs).map(({ size }) => size);
}

const scenarios: readonly Scenario[] = [
  {
    title: 'greedy: all that waited become one run, told of each, with the properties of the newest',
    input: everyMinute(LONG, { triggering: 'greedy' }),
    steps: [pass('7m')],
    // The sixth and the seventh still wait.
    ledger: repeat(5, 'started'),
    then: async (seen) => {
      const fires = await seen.fires();
      expect(await batchSizes(seen)).toEqual([1, 2, 2]);
      expect((await seen.describe()).pendingCount).toBe(2);
      expect(fires[1]).toMatchObject({
        invocationId: fires[2]?.invocationId,
        reason: `in one run, ${fires[2]?.invocationId}`,
      });
      const run = seen.world.client.workflow.getHandle(fires[2]?.invocationId ?? '');
      expect(await run.result()).toMatchObject({
        triggers: [
          { kind: 'fire', key: fires[1]?.key },
          { kind: 'fire', key: fires[2]?.key },
        ],
      });
    },
  },
  {
    title: 'greedy: a run takes the oldest up to its most, and so many runs go at once',
    input: {
      ...everyMinute(),
      spec: 'triggered',
      triggering: { kind: 'greedy', maxConcurrent: 2, maxBatch: 2 },
    },
    steps: [
      act(async ({ handle }) => {
        // Each batch has the input of its newest. None ends as another is looked up: the server's time would stand still.
        const lasts: Readonly<Record<string, number>> = { b: 60_000, d: 95_000, e: 60_000 };
        const triggers = keyed('abcde', (key) => ({ input: { ms: lasts[key] ?? 0 } }));
        expect(await handle.triggerMany(triggers)).toEqual(
          ['b', 'b', 'd', 'd', 'e'].map((key) => ({
            outcome: key === 'e' ? 'waiting' : 'started',
            invocationId: expect.stringContaining(`/manual/${key}`),
          })),
        );
      }),
      act(async (seen) => {
        expect(await seen.describe()).toMatchObject({ pendingCount: 1, counts: { started: 4 } });
        expect((await seen.describe()).active).toHaveLength(2);
      }),
      pass('80s'),
      act(async (seen) => expect((await seen.describe()).active).toHaveLength(2)),
      pass('2m'),
    ],
    ledger: repeat(5, 'manual started'),
    then: async (seen) => {
      expect((await batchSizes(seen)).toSorted()).toEqual([1, 2, 2]);
      expect(await seen.describe()).toMatchObject({ pendingCount: 0, active: [] });
    },
  },
  {
    title: 'logarithmic: the more wait, the more go together',
    input: { ...everyMinute(minutes(1)), spec: 'triggered', triggering: 'logarithmic' },
    steps: [act(({ handle }) => handle.triggerMany(keyed('0123456789'))), pass('10m')],
    ledger: repeat(10, 'manual started'),
    then: async (seen) => expect(await batchSizes(seen)).toEqual([3, 2, 2, 1, 1, 1]),
  },
  {
    title: 'newestFirst: the newest runs, and what has waited too long is dropped',
    input: everyMinute(110_000, { triggering: { kind: 'newestFirst', pendingTimeout: '170s' } }),
    steps: [pass('8m')],
    // The seventh still waits.
    ledger: ['started', 'started', 'dropped', 'started', 'dropped', 'started', 'started'],
    then: async (seen) => {
      const dropped = (await seen.fires()).filter(({ outcome }) => outcome === 'dropped');
      for (const { reason, toMs, decidedAtMs } of dropped) {
        expect(reason).toBe('it was pending for 170 s, its timeout');
        expect(decidedAtMs - toMs).toBe(170_000);
      }
    },
  },
  {
    title: 'what waits when the schedule is deleted is in the ledger',
    input: everyMinute(minutes(10), { triggering: 'greedy' }),
    steps: [pass('3m'), act(({ handle }) => handle.delete())],
    ledger: ['started', 'deleted', 'deleted'],
  },
  {
    title: 'a run upstream that is told twice triggers once',
    input: { ...everyMinute(), spec: 'triggered' },
    steps: [1, 2].map(() =>
      act(({ world, handle }) =>
        world.client.workflow.getHandle(handle.workflowId).signal(scheduleSignals.trigger, {
          upstream: world.names.fireInvocationId('up', 0),
        }),
      ),
    ),
    ledger: ['upstream started', 'upstream duplicate'],
    then: async (seen) => {
      const [first, second] = await seen.fires();
      expect(first?.reason).toMatch(/has succeeded$/);
      expect(second?.blockedBy).toBe(first?.invocationId);
    },
  },
  {
    title: 'a circle of triggers ends where it began, and the ledger says why',
    input: { ...everyMinute(), spec: 'triggered' },
    steps: [
      act(async ({ world, handle }) => {
        const { names, client } = world;
        const own = names.fireInvocationId(handle.id, 0);
        const next = names.upstreamInvocationId('next', own);
        const upstream = names.upstreamInvocationId('last', next);
        await client.workflow.getHandle(handle.workflowId).signal(scheduleSignals.trigger, { upstream });
        expect(await handle.trigger({ upstream })).toMatchObject({ outcome: 'refused' });
        expect(await handle.trigger({ upstream: next })).toMatchObject({ outcome: 'refused' });
        const other = names.upstreamInvocationId('next', names.fireInvocationId('other', 0));
        expect(await handle.trigger({ upstream: other })).toMatchObject({ outcome: 'started' });
      }),
    ],
    ledger: [...repeat(3, 'upstream refused'), 'upstream started'],
    then: async (seen) => {
      const [first] = await seen.fires();
      const circle = `"${seen.handle.id}", "next", "last", "${seen.handle.id}"`;
      expect(first?.reason).toContain(`trigger each other in a circle: ${circle}`);
      expect((await seen.describe()).counts).toEqual({ started: 1, refused: 3 });
    },
  },
];

playScenarios(scenarios);
