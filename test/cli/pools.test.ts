/** Pools over the command line, and why their runs wait or went where they went, against a whole system. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createNames } from '../../src/contract/ids.ts';
import { freshDeployment } from '../support/shared.ts';
import { type CliEnvironment, type CliResult, runCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const WAIT = { timeout: 30_000, interval: 200 };
const names = createNames(freshDeployment());

// Each command is a process that loads its sources: a story of a dozen of them takes a while on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

let system: WholeSystem;
let environment: CliEnvironment;

beforeAll(async () => {
  system = await startWholeSystem(names);
  environment = system.environment;
});
afterAll(async () => {
  await system.close();
});

const cli = (...args: string[]): Promise<CliResult> => runCli(args, environment);

/** The JSON document that a command printed; it must have succeeded without a word beside it. */
async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

describe('what is explained', () => {
  test('why a run waits and until when, and why it went where it went', async () => {
    const waiting = names.jobWorkflowId('explained');
    await cli('job', 'in', '0s', '--target', 'echo', '--size', '3', '--id', 'explained');
    await vi.waitFor(async () => expect(await system.store.explainInvocation(waiting)).toHaveLength(1), WAIT);
    const invocation = await cli('invocation', 'explain', waiting);
    expect(invocation.stdout).toMatch(/waits for +larger than any worker: the largest has 2/);
    expect(invocation.stdout).toMatch(/begins +unknown: no present worker could ever take it/);
    expect(invocation.stdout).toMatch(/w1 +\d +too small/);
    const found = await json('eval', 'explain', `${waiting}#1.0`);
    expect(found).toMatchObject({
      state: 'waiting',
      waiting: { reason: { kind: 'larger-than-any-worker', largest: 2 }, estimate: { why: 'nobody-could' } },
      lost: { 'too-small': 1 },
    });
    const pool = await cli('pool', 'describe', 'default');
    expect(pool.stdout).toMatch(/job\/explained +echo +\d+ +3 .*unknown: no present worker/);
    await json('job', 'cancel', 'explained');

    await json('job', 'in', '0s', '--target', 'echo', '--input', '1', '--id', 'went', '--wait');
    const went = await json('invocation', 'explain', names.jobWorkflowId('went'));
    const placement = { left: 1, lost: {}, nearest: [] };
    expect(went).toMatchObject({
      run: { status: 'succeeded' },
      evals: [{ state: 'ended', release: 'finished', workerId: 'w1', waited: [], placement }],
    });
    const unknown = await cli('eval', 'explain', 'job/never#1.0');
    expect([unknown.code, unknown.stdout]).toEqual([1, '']);
    expect(unknown.stderr).toMatch(/eval "job\/never#1.0" is not known/);
  });
});

describe('a pool', () => {
  test('is drained, goes on, and is disbanded; what waited for it is a dead letter', async () => {
    await json('pool', 'create', 'brief', '--spread');
    expect(await json('pool', 'drain', 'brief')).toMatchObject({ draining: true });
    expect((await cli('pool', 'describe', 'brief')).stdout).toMatch(
      /pool "brief" is draining[^]*placement +spread/,
    );
    expect(await json('pool', 'drain', 'brief', '--off')).toMatchObject({ draining: false });
    await cli('job', 'in', '0s', '--target', 'echo', '--pool', 'brief', '--id', 'brief');
    await vi.waitFor(async () => {
      expect((await system.store.listWaiting('brief')).items).toHaveLength(1);
    }, WAIT);
    expect(await json('pool', 'disband', 'brief')).toMatchObject({ refused: [{ target: 'echo' }] });
    await vi.waitFor(async () => {
      const described = await json('job', 'describe', 'brief');
      expect(described).toMatchObject({ run: { status: 'dead-lettered', error: { type: 'PoolDisbanded' } } });
    }, WAIT);
    expect((await cli('pool', 'drain', 'brief')).stderr).toMatch(/is disbanded/);
  });

  test('is made once, listed, and described with its workers', async () => {
    const made = await json('pool', 'create', 'gpu', '--worker-ttl', '3s', '--retry-max', '2');
    expect(made).toMatchObject({ id: 'gpu', settings: { workerTtlMs: 3_000, retryMax: 2 }, created: true });
    const again = await cli('pool', 'create', 'gpu');
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/^error: pool "gpu" exists already/);
    expect(await json('pool', 'create', 'gpu', '--if-absent')).toMatchObject({ created: false });

    const pools = await json<readonly unknown[]>('pool', 'list');
    expect(pools).toContainEqual(expect.objectContaining({ id: 'gpu' }));
    const described = await json('pool', 'describe', 'default');
    expect(described).toMatchObject({
      state: 'active',
      workers: [
        { id: 'w1', capacity: 2, datasets: ['photos'], targets: ['command', 'http', 'workflow', 'echo'] },
      ],
    });
    const missing = await cli('pool', 'describe', 'nowhere');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/pool "nowhere" does not exist/);
  });

  test('is made to expire, and says when it does and when it has', async () => {
    expect(await json('pool', 'create', 'passing', '--pool-ttl', '1h')).toMatchObject({
      settings: { poolTtlMs: 3_600_000 },
    });
    const described = () => cli('pool', 'describe', 'passing');
    await vi.waitFor(async () => {
      expect((await described()).stdout).toMatch(/expires +\d{4}-.* UTC, after 1h without a worker/);
    }, WAIT);
    await system.store.disbandPool('passing');
    expect((await described()).stdout).not.toMatch(/expire/);

    await json('pool', 'create', 'brief-one', '--pool-ttl', '1s', '--worker-ttl', '1s', '--alloc-ttl', '1s');
    await vi.waitFor(async () => {
      const { stdout } = await cli('pool', 'describe', 'brief-one');
      expect(stdout).toMatch(/is disbanded[^]*expired +\d{4}-.* UTC, after 1s without a worker/);
    }, WAIT);
    const refused = await cli('pool', 'create', 'never', '--pool-ttl', '5ms');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('settings.poolTtlMs')]);
  });

  test('is not shown to who has no key', async () => {
    const refused = await runCli(['pool', 'list', '--gateway-key', 'wrong'], environment);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^error: .*key/);
  });
});
