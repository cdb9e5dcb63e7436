/** One eval id stands for one content: asked for again it is the same, and anything else is refused; told for every store. */
import { expect, test } from 'vitest';
import type { EvalRequest } from '../../src/contract/pools.ts';
import type { Get, Stage } from './stage.ts';

export function contents(store: Get, stage: Stage): void {
  const maps = { id: 'maps', mode: 'preferred', warmWaitMs: 1_000 } as const;
  const others: readonly (readonly [string, Partial<EvalRequest>, readonly string[]])[] = [
    ['another invocation', { invocationId: 'job/other' }, ['invocationId']],
    ['another target', { target: 'sing' }, ['target']],
    ['another size', { size: 2 }, ['size']],
    ['another priority', { priority: 1 }, ['priority']],
    ['another dataset', { dataset: { ...maps, id: 'films' } }, ['dataset.id']],
    ['a dataset that must be there', { dataset: { ...maps, mode: 'required' } }, ['dataset.mode']],
    ['more patience', { dataset: { ...maps, warmWaitMs: 2_000 } }, ['dataset.warmWaitMs']],
  ];

  test.each(others)(
    'an eval that holds or waits is not asked for again with %s',
    async (_, more, differs) => {
      const { worker, granted, allocate, free, waiting } = await stage();
      await worker('w', 1, { datasets: ['maps'] });
      const alloc = await granted('held', { dataset: maps });
      const place = await allocate('waits', { dataset: maps });
      for (const id of ['held', 'waits']) {
        await expect(allocate(id, { dataset: maps, ...more })).rejects.toMatchObject({
          ...{ name: 'AlreadyExistsError', code: 'AllocExists', details: { evalId: id, differs } },
        });
      }
      expect(await granted('held', { dataset: maps })).toEqual(alloc);
      expect(await allocate('waits', { dataset: maps })).toEqual(place);
      expect([await free('w'), await waiting()]).toEqual([0, ['waits']]);
    },
  );

  test('the error says what is held and what was asked for', async () => {
    const { worker, granted, allocate } = await stage();
    await worker('w', 3);
    await granted('said');
    await expect(allocate('said', { size: 2, dataset: maps })).rejects.toThrow(
      /eval "said" of pool .* size 1, not 2; dataset.id none, not "maps"; .*ask under another id/,
    );
  });

  test('of two in one batch the first counts; of a repeated one with more losses behind it nothing differs', async () => {
    const { worker, allocate, granted, free } = await stage();
    await worker('w', 5);
    const [first, second, beside] = await Promise.allSettled([
      allocate('both', { size: 2 }),
      allocate('both', { size: 3 }),
      allocate('beside'),
    ]);
    expect([first, beside]).toMatchObject([{ value: { kind: 'granted' } }, { value: { kind: 'granted' } }]);
    expect(second).toMatchObject({ reason: { code: 'AllocExists', details: { differs: ['size'] } } });
    expect(await granted('both', { size: 2, retry: 1 })).toMatchObject({ size: 2 });
    expect(await free('w')).toBe(2);
  });

  test('an eval that is over is over, whatever it is asked for with', async () => {
    const { worker, granted, allocate, finish, poolId } = await stage();
    await worker('w', 2);
    await finish(await granted('over'));
    expect(await allocate('over', { size: 2 })).toEqual({ kind: 'refused', code: 'EvalEnded' });
    await store().finish({ poolId, evalId: 'never-came', release: 'withdrawn' });
    expect(await allocate('never-came', { size: 2 })).toEqual({ kind: 'refused', code: 'EvalEnded' });
  });
}
