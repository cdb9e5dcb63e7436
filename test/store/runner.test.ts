/** Natural batching, told without a database: the runner and a batch that ends when the test says so. */
import { expect, test } from 'vitest';
import { UnavailableError } from '../../src/contract/errors.ts';
import type { Answer, Operation } from '../../src/store/batch.ts';
import { createRunner } from '../../src/store/runner.ts';

const finish = (evalId: string): Operation => ({
  kind: 'finish',
  request: { poolId: 'p', evalId, release: 'withdrawn' },
});
const done: Answer = { kind: 'finish', result: { accepted: true, grants: [] } };
const idOf = (operation: Operation) => (operation.kind === 'finish' ? operation.request.evalId : undefined);

/** A runner whose batches are recorded and wait for `release`. */
function createBench(fails: (ids: readonly (string | undefined)[]) => Error | undefined = () => undefined) {
  const batches: (string | undefined)[][] = [];
  const gates: (() => void)[] = [];
  const runner = createRunner(async (_, operations) => {
    const ids = operations.map(idOf);
    batches.push(ids);
    await new Promise<void>((resolve) => gates.push(resolve));
    const error = fails(ids);
    if (error !== undefined) throw error;
    return operations.map(() => done);
  });
  const release = async () => {
    while (gates.length === 0) await new Promise((resolve) => setImmediate(resolve));
    gates.shift()?.();
  };
  return { batches, runner, release };
}

test('a lone request goes at once; what comes meanwhile is the next batch', async () => {
  const { batches, runner, release } = createBench();
  const first = runner.submit('p', finish('1'));
  await new Promise((resolve) => setImmediate(resolve));
  const later = [runner.submit('p', finish('2')), runner.submit('p', finish('3'))];
  expect(batches).toEqual([['1']]);
  await release();
  expect(await first).toEqual(done);
  await release();
  expect(await Promise.all(later)).toEqual([done, done]);
  expect(batches).toEqual([['1'], ['2', '3']]);
});

test('pools do not wait for each other', async () => {
  const { batches, runner, release } = createBench();
  const both = [runner.submit('p', finish('1')), runner.submit('q', finish('2'))];
  await new Promise((resolve) => setImmediate(resolve));
  expect(batches).toEqual([['1'], ['2']]);
  await release();
  await release();
  await Promise.all(both);
});

test('work that needs the pool alone takes its turn between batches', async () => {
  const { batches, runner, release } = createBench();
  let before: unknown;
  const all = [
    runner.submit('p', finish('1')),
    runner.alone('p', async () => {
      before = [...batches];
    }),
    runner.submit('p', finish('2')),
  ];
  await release();
  await release();
  await Promise.all(all);
  expect(before).toEqual([['1']]);
  expect(batches).toEqual([['1'], ['2']]);
  await expect(runner.alone('p', () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
});

test('a batch that fails is done again one by one, so that the bad one fails alone', async () => {
  const { batches, runner, release } = createBench((ids) =>
    ids.includes('bad') ? new Error('bad data') : undefined,
  );
  const all = ['1', 'bad', '2'].map((id) => runner.submit('p', finish(id)));
  for (let n = 0; n < 4; n += 1) await release();
  expect((await Promise.all(all)).map((answer) => answer.kind)).toEqual(['finish', 'failed', 'finish']);
  expect(batches).toEqual([['1', 'bad', '2'], ['1'], ['bad'], ['2']]);
});

test('with the database out of reach nothing is tried one by one', async () => {
  const { batches, runner, release } = createBench(() => new UnavailableError('database', 'start it'));
  const all = ['1', '2'].map((id) => runner.submit('p', finish(id)));
  await release();
  expect((await Promise.all(all)).map((answer) => answer.kind)).toEqual(['failed', 'failed']);
  expect(batches).toHaveLength(1);
});

/** Express batches that end as the test says, before a runner of the usual kind. */
function createExpressBench() {
  const sent: { readonly ids: readonly (string | undefined)[]; end(error?: Error): void }[] = [];
  const usual: (string | undefined)[][] = [];
  const runner = createRunner(
    async (_, operations) => {
      usual.push(operations.map(idOf));
      return operations.map(() => done);
    },
    (_, operations) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error) =>
          error === undefined ? resolve(operations.map(() => done)) : reject(error);
        sent.push({ ids: operations.map(idOf), end });
      }),
  );
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { runner, sent, usual, turn };
}

test('of express batches the next goes while one is under way, and no third', async () => {
  const { runner, sent, turn } = createExpressBench();
  const all: Promise<Answer>[] = [];
  for (const id of ['1', '2', '3', '4']) {
    all.push(runner.submit('p', finish(id)));
    await turn();
  }
  expect(sent.map(({ ids }) => ids)).toEqual([['1'], ['2']]);
  sent[0]?.end();
  expect(await all[0]).toEqual(done);
  await turn();
  expect(sent.map(({ ids }) => ids)).toEqual([['1'], ['2'], ['3', '4']]);
  sent[1]?.end();
  sent[2]?.end();
  expect(await Promise.all(all)).toEqual([done, done, done, done]);
});

test('express batches that come to nothing go the usual way, once nothing else is under way', async () => {
  const { runner, sent, usual, turn } = createExpressBench();
  const all: Promise<Answer>[] = [];
  for (const id of ['1', '2']) {
    all.push(runner.submit('p', finish(id)));
    await turn();
  }
  let alone: unknown;
  const waits = runner.alone('p', async () => {
    alone = [...usual];
  });
  sent[0]?.end(new Error('not as expected'));
  await turn();
  expect(usual).toEqual([]);
  sent[1]?.end(new Error('not as expected'));
  expect(await Promise.all(all)).toEqual([done, done]);
  await waits;
  expect(usual).toEqual([['1', '2']]);
  expect(alone).toEqual(usual);
});

test('an express batch of which nobody knows whether it went through is not tried again', async () => {
  const { runner, sent, usual, turn } = createExpressBench();
  const asked = runner.submit('p', finish('1'));
  await turn();
  sent[0]?.end(new UnavailableError('database', 'start it'));
  expect((await asked).kind).toBe('failed');
  expect(usual).toEqual([]);
});
