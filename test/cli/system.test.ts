/**
 * The CLI against a whole system: the commands as processes, the system in this one.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createNames } from '../../src/contract/ids.ts';
import type { RunRecord } from '../../src/contract/ledger.ts';
import { freshDeployment } from '../support/shared.ts';
import { type CliEnvironment, type CliResult, runCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const WAIT = { timeout: 30_000, interval: 200 };
const names = createNames(freshDeployment());

// Each command is a process that loads its sources: a story of a dozen of them takes a while on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

let system: WholeSystem;
let environment: CliEnvironment;
let folder: string;

beforeAll(async () => {
  system = await startWholeSystem(names);
  environment = system.environment;
  folder = mkdtempSync(join(tmpdir(), 'escapement-cli-'));
});
afterAll(async () => {
  await system.close();
  rmSync(folder, { recursive: true });
});

const cli = (...args: string[]): Promise<CliResult> => runCli(args, environment);

/** The JSON document that a command printed; it must have succeeded without a word beside it. */
async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

describe('a schedule', () => {
  test('is made, seen, paused, resumed, changed, triggered and deleted', async () => {
    const made = await json(
      'schedule',
      'create',
      'nightly',
      '--cron',
      '30 2 * * *',
      '--time-zone',
      'Europe/Berlin',
      '--target',
      'echo',
      '--input',
      '{"n":1}',
    );
    expect(made).toMatchObject({
      id: 'nightly',
      workflowId: names.scheduleWorkflowId('nightly'),
      enabled: true,
    });
    expect(made['nextTimes']).toHaveLength(3);

    const again = await cli('schedule', 'create', 'nightly', '--spec', 'every 5s', '--command', 'date');
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toMatch(/^error: schedule "nightly" exists already/);

    await vi.waitFor(async () => {
      const listed = await json<readonly { id: string; state?: string }[]>('schedule', 'list');
      expect(listed).toContainEqual(expect.objectContaining({ id: 'nightly', state: 'active' }));
    }, WAIT);

    const paused = await json('schedule', 'pause', 'nightly', '--reason', 'lunch', '--until', '2h');
    expect(paused).toMatchObject({ state: 'paused', paused: { reason: 'lunch', actor: 'tester' } });

    const run = await json('schedule', 'trigger', 'nightly', '--key', 'k', '--input', '{"n":2}', '--wait');
    expect(run).toMatchObject({
      outcome: 'started',
      invocationId: names.manualInvocationId('nightly', 'k'),
      succeeded: true,
      result: { echo: { n: 2 } },
      workerId: 'w1',
    });

    expect(await json('schedule', 'resume', 'nightly')).toMatchObject({ state: 'active', revision: 1 });
    const changed = await json('schedule', 'change', 'nightly', '--spec', 'every 90d', '--retry-limit', '1');
    expect(changed).toMatchObject({
      revision: 2,
      definition: {
        run: { target: { name: 'echo', input: { n: 1 } }, retry: { limit: 1, minBackoffMs: 1_000 } },
      },
    });
    const stale = await cli('schedule', 'change', 'nightly', '--spec', 'every 20m', '--revision', '1');
    expect(stale.code).toBe(1);
    expect(stale.stderr).toMatch(/made for revision 1, but the schedule is at 2/);

    const described = await cli('schedule', 'describe', 'nightly');
    expect(described.stdout).toMatch(
      /schedule "nightly" is active, revision 2\n\n {2}when +every 90d \(Europe\/Berlin\)/,
    );
    expect(described.stdout).toMatch(/due times +1: 1 started/);
    expect(described.stdout).toMatch(/next times\n( {2}\S+\+0[12]:00 {3}\S+Z\n){5}/);

    const fires = await json<readonly unknown[]>('schedule', 'fires', 'nightly', '--outcome', 'started');
    expect(fires).toMatchObject([
      { kind: 'manual', outcome: 'started', run: { status: 'succeeded', workerId: 'w1' } },
    ]);

    expect(await json('schedule', 'delete', 'nightly')).toMatchObject({ id: 'nightly', deleted: true });
    const gone = await cli('schedule', 'pause', 'nightly');
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toMatch(/^error: schedule "nightly" does not exist/);
  });

  test('comes from a file, switched off, and says which wall times clock changes touch', async () => {
    const file = join(folder, 'one.yaml');
    writeFileSync(
      file,
      "spec: { expressions: '30 2 * * *', timeZone: Europe/Berlin, dst: { gap: skip } }\ntarget: echo\n",
    );
    const made = await json('schedule', 'create', 'from-file', '--file', file, '--disabled');
    expect(made).toMatchObject({ enabled: false, nextTimes: [] });
    const described = await json('schedule', 'describe', 'from-file');
    expect(described).toMatchObject({
      state: 'disabled',
      nextTimes: [],
      definition: { spec: { dstGap: 'skip' } },
    });
    expect(described['affectedDates']).toHaveLength(4);

    const changed = await json('schedule', 'change', 'from-file', '--file', file, '--reason', 'same again');
    expect(changed).toMatchObject({ revision: 1 });
    expect(await json('schedule', 'enable', 'from-file')).toMatchObject({ state: 'active' });
    expect(await json('schedule', 'disable', 'from-file')).toMatchObject({ state: 'disabled' });
    const both = await cli('schedule', 'change', 'from-file', '--file', file, '--size', '2');
    expect(both.code).toBe(2);
    expect(both.stderr).toMatch(/--size cannot be given too/);
  });

  test.each([
    [
      'offers the target',
      ['--target', 'unheard-of'],
      /no worker of pool "default" offers the target "unheard-of"/,
    ],
    ['is large enough', ['--target', 'echo', '--size', '3'], /is large enough for size 3: the largest has 2/],
    ['holds the dataset', ['--target', 'echo', '--dataset', 'films'], /holds the dataset "films"/],
    ['is in a pool that is not there', ['--target', 'echo', '--pool', 'none'], /there is no pool "none"/],
  ])('that no worker %s for is a warning, and an error with --strict', async (_what, flags, message) => {
    const id = randomUUID();
    const strict = await cli('schedule', 'create', id, '--spec', 'triggered', ...flags, '--strict');
    expect(strict).toMatchObject({ code: 1, stdout: '' });
    expect(strict.stderr).toMatch(message);
    const lenient = await cli('schedule', 'create', id, '--spec', 'triggered', ...flags);
    expect(lenient.code).toBe(0);
    expect(lenient.stderr).toMatch(message);
    expect(lenient.stderr).toMatch(/^warning: /);
  });

  test('with a cron of six fields is made with a note on how it is read', async () => {
    const { code, stderr } = await cli(
      'schedule',
      'create',
      'six',
      '--cron',
      '0 0 1 1 * 2099',
      '--target',
      'echo',
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/^note: .*year/im);
  });
});

describe('a job', () => {
  test('runs in a while, and its end is waited for and described', async () => {
    const done = await json('job', 'in', '10ms', '--command', 'echo hi', '--id', 'greet', '--wait');
    expect(done).toMatchObject({ id: 'greet', succeeded: true, result: { stdout: 'hi\n', exitCode: 0 } });
    const described = await json('job', 'describe', 'greet');
    expect(described).toMatchObject({ status: 'COMPLETED', run: { status: 'succeeded', jobId: 'greet' } });
    const again = await cli('job', 'in', '1s', '--command', 'date', '--id', 'greet');
    expect(again.stderr).toMatch(/^error: job "greet" exists already/);
    expect(again.code).toBe(1);
  });

  test('that fails ends the waiting command with exit code 1 and its reason', async () => {
    const failed = await cli(
      'job',
      'in',
      '0',
      '--command',
      'echo no >&2; exit 3',
      '--retry-limit',
      '0',
      '--wait',
    );
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(/failed: command .* ended with exit code 3/);
  });

  test('waits for its time, is moved to now, waits for capacity, and is cancelled', async () => {
    const far = '2099-12-31T09:00';
    const made = await cli(
      'job',
      'at',
      far,
      '--time-zone',
      'Europe/Berlin',
      '--target',
      'nobody',
      '--id',
      'far',
      '--json',
    );
    expect(JSON.parse(made.stdout)).toMatchObject({ dueAt: '2099-12-31T08:00:00Z' });
    expect(await json('job', 'describe', 'far')).toMatchObject({
      status: 'RUNNING',
      now: { phase: 'due-later' },
    });
    await json('job', 'reschedule', 'far', '0');
    await vi.waitFor(async () => {
      const { stdout } = await cli('job', 'describe', 'far');
      expect(stdout).toMatch(/waits for capacity[^]*no worker offers "nobody"/);
    }, WAIT);
    const pool = await cli('pool', 'describe', 'default');
    expect(pool.stdout).toMatch(/queue\n.*\n {2}\S*job\/far +nobody/);
    await json('job', 'cancel', 'far');
    await vi.waitFor(async () => {
      expect(await json('job', 'describe', 'far')).toMatchObject({ run: { status: 'cancelled' } });
    }, WAIT);
  });
});

describe('invocations', () => {
  test('are listed by schedule, and described from the ledger once Temporal has forgotten them', async () => {
    const id = names.fireInvocationId('long-ago', 0);
    const run: RunRecord = {
      ...{
        invocationId: id,
        scheduleId: 'long-ago',
        nominalAtMs: 0,
        target: 'echo',
        poolId: 'default',
        workerId: 'w1',
      },
      ...{
        why: 'automatic',
        status: 'succeeded',
        attempts: 1,
        lost: 0,
        startedAtMs: 1_000,
        endedAtMs: 2_000,
      },
      result: { startedAtMs: 5 },
    };
    await system.store.finish({ poolId: 'default', release: 'finished', run });
    const described = await json('invocation', 'describe', id);
    // What the target answered is left as it is.
    expect(described).toMatchObject({
      status: 'FORGOTTEN',
      run: { status: 'succeeded', nominalAt: '1970-01-01T00:00:00Z', result: { startedAtMs: 5 } },
    });
    const unknown = await cli('invocation', 'describe', names.fireInvocationId('never', 0));
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/neither Temporal nor the ledger knows it/);
    expect(await json('invocation', 'list', '--schedule', 'never')).toEqual([]);
  });
});
