/** Circles of schedules that trigger each other, as they are found before one is made. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { refuseCircle } from '../../src/client/trigger-circles.ts';
import { InvalidInputError, NotExistsError, UnavailableError } from '../../src/contract/errors.ts';
import { chainOf, createNames } from '../../src/contract/ids.ts';

type Graph = Readonly<Record<string, readonly string[]>>;

/** Those without an entry do not exist. */
const of = (graph: Graph) => async (id: string) => {
  const triggers = graph[id];
  if (triggers === undefined) throw new NotExistsError('ScheduleNotExists', `no ${id}`);
  return triggers;
};

describe('a circle of schedules that trigger each other', () => {
  test('is refused by the field, with the shortest way round', async () => {
    const graph = { b: ['far', 'c'], c: ['a'], far: ['further'], further: ['a'] };
    const refused = refuseCircle('schedule "a"', 'a', ['b'], of(graph));
    await expect(refused).rejects.toThrow(InvalidInputError);
    await expect(refused).rejects.toMatchObject({
      issues: [{ path: 'triggers', message: expect.stringContaining('"a" -> "b" -> "c" -> "a"') as string }],
    });
    await expect(refuseCircle('s', 'a', ['a'], of({}))).rejects.toThrow(/triggers: .*"a" -> "a"/);
  });

  test('is not seen where a schedule is silent or does not exist, and that is no error', async () => {
    const silent = async (id: string) => {
      if (id === 'b') throw new UnavailableError('schedule "b"', 'nobody answers');
      return ['a'];
    };
    await refuseCircle('s', 'a', ['b'], silent);
    await refuseCircle('s', 'a', ['b'], of({}));
    await refuseCircle('s', 'a', undefined, of({}));
  });

  test('is found exactly where there is one, whatever else triggers what', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    const edges = fc.record(
      Object.fromEntries(ids.map((id) => [id, fc.uniqueArray(fc.constantFrom(...ids))])),
    );
    await fc.assert(
      fc.asyncProperty(edges, async (graph) => {
        const reached = new Set(graph['a']);
        for (const id of reached) for (const next of graph[id] ?? []) reached.add(next);
        const answer = refuseCircle('s', 'a', graph['a'], of(graph));
        if (reached.has('a')) await expect(answer).rejects.toThrow(/circle/);
        else await answer;
      }),
    );
  });

  test('asks a bounded number of schedules', async () => {
    let asked = 0;
    const endless = async (id: string) => {
      asked += 1;
      return [`${id}x`, `${id}y`];
    };
    await refuseCircle('s', 'a', ['b'], endless);
    expect(asked).toBe(200);
  });
});

describe('a chain of runs', () => {
  test('is read from the id of its last one, whatever the first came from', () => {
    const names = createNames('blue');
    const first = [
      names.fireInvocationId('a', 0),
      `${names.fireInvocationId('a', 0)}/rerun/1`,
      names.manualInvocationId('a', 'key'),
    ];
    for (const id of first) {
      expect(chainOf(id)).toEqual(['a']);
      const second = names.upstreamInvocationId('b', id);
      expect(chainOf(names.upstreamInvocationId('c', second))).toEqual(['a', 'b', 'c']);
    }
    expect(chainOf(names.jobWorkflowId('a'))).toEqual([]);
    expect(chainOf('somebody else’s')).toEqual([]);
  });
});
