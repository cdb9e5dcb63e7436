/**
 * What one does to a single schedule beyond switching it, against a whole system: backfills, occurrences, revisions, several
 * triggers at once, every policy by flags, and the card that shows them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createNames, isoInstant } from '../../src/contract/ids.ts';
import type { Fire } from '../../src/contract/ledger.ts';
import { freshDeployment } from '../support/shared.ts';
import { runCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const WAIT = { timeout: 120_000, interval: 300 };
const HOUR = 3_600_000;
vi.setConfig({ testTimeout: 300_000 });

const names = createNames(freshDeployment());
let system: WholeSystem;
let folder: string;

beforeAll(async () => {
  system = await startWholeSystem(names);
  folder = mkdtempSync(join(tmpdir(), 'escapement-in-full-'));
});
afterAll(async () => {
  await system.close();
  rmSync(folder, { recursive: true });
});

const cli = (...args: string[]) => runCli(['schedule', ...args], system.environment);

async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

async function refused(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  return stderr;
}

async function firesOf(scheduleId: string): Promise<readonly Fire[]> {
  return (await system.store.listFires({ scheduleId })).items;
}

describe('a backfill', () => {
  const stretch = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-01T04:00:00Z'];

  test('is looked at, run once for each due time, and not run again', async () => {
    await json('create', 'hourly', '--cron', '0 * * * *', '--target', 'echo', '--disabled');
    const look = await json(
      'backfill',
      'hourly',
      ...stretch,
      '--dry-run',
      '--order',
      'newest',
      '--count',
      '2',
    );
    expect(look).toMatchObject({
      ...{ dryRun: true, instants: 4, tooMany: false },
      times: [{ nominalAt: '2026-01-01T04:00:00Z' }, { nominalAt: '2026-01-01T03:00:00Z' }],
    });
    const said = await cli('backfill', 'hourly', ...stretch, '--dry-run', '--count', '3');
    expect(said.stdout).toMatch(
      /^4 due times would run, oldest first; nothing was done\n( {2}\S+Z\n){3} {2}and 1 more\n$/,
    );
    expect(await firesOf('hourly')).toHaveLength(0);

    expect(await json('backfill', 'hourly', ...stretch, '--key', 'one', '--concurrency', '0')).toEqual({
      ...{ id: 'one', instants: 4 },
    });
    await vi.waitFor(async () => {
      const found = (await firesOf('hourly')).filter(({ kind }) => kind === 'backfill');
      expect(found.map(({ outcome, run }) => `${outcome} ${run?.status}`)).toEqual(
        Array<string>(4).fill('started succeeded'),
      );
    }, WAIT);
    await json('backfill', 'hourly', ...stretch, '--key', 'two');
    await vi.waitFor(async () => {
      const again = (await firesOf('hourly')).filter(({ outcome }) => outcome === 'duplicate');
      expect(again).toHaveLength(4);
    }, WAIT);
    await json('delete', 'hourly');
  });

  test('that is slow shows as a backlog, and is stopped', async () => {
    await json('create', 'slow', '--cron', '0 * * * *', '--target', 'echo', '--disabled');
    await json('backfill', 'slow', ...stretch, '--key', 'b', '--per-second', '0.01');
    const [backlog] = await json<readonly unknown[]>('backlog', 'list', 'slow');
    expect(backlog).toMatchObject({
      id: 'b',
      kind: 'backfill',
      order: 'oldest',
      until: '2026-01-01T04:00:00Z',
    });
    expect((await cli('describe', 'slow')).stdout).toMatch(
      /\nbacklogs\n {2}b {3}backfill, oldest first: \d done, \d left/,
    );
    expect(await refused('backlog', 'stop', 'slow', 'c')).toMatch(
      /field "id": "c" is no backlog .* going are "b"/,
    );
    expect(await json('backlog', 'stop', 'slow', 'b')).toMatchObject({ backlogs: [] });
    expect((await cli('backlog', 'list', 'slow')).stdout).toBe('no backlogs of "slow"\n');
    await json('delete', 'slow');
  });

  test('is refused where it is too long, is still to come, or there is nothing to fill', async () => {
    await json('create', 'often', '--spec', 'every 1s', '--target', 'echo', '--disabled');
    await json('create', 'after', '--spec', 'with 5m interval', '--target', 'echo', '--disabled');
    const long = ['--from', '2000-01-01T00:00:00Z', '--to', '2001-01-01T00:00:00Z'];
    expect(await refused('backfill', 'often', ...long)).toMatch(
      /it would be 31622400 instants, at most 10000/,
    );
    const look = await cli('backfill', 'often', ...long, '--dry-run', '--count', '1');
    expect(look.stdout).toMatch(/^31622400 due times: too many .*\n {2}\S+\n {2}and 31622399 more\n$/);
    for (const more of [[], ['--dry-run']]) {
      expect(await refused('backfill', 'after', ...stretch, ...more)).toMatch(/from.*no fixed nominal times/);
      const far = ['--from', '2026-01-01T00:00:00Z', '--to', '2090-01-01T00:00:00Z', ...more];
      expect(await refused('backfill', 'often', ...far)).toMatch(/to.*still to come: live fires run that/);
    }
    await json('delete', 'often');
    await json('delete', 'after');
  });
});

describe('one occurrence', () => {
  test('is skipped, moved and held, shown, and restored', async () => {
    await json('create', 'hourly', '--cron', '0 * * * *', '--target', 'echo');
    const first = (Math.floor(Date.now() / HOUR) + 2) * HOUR;
    const [a, b, c] = [first, first + HOUR, first + 2 * HOUR].map(isoInstant) as [string, string, string];
    const to = isoInstant(first + 90_000);
    await json('occurrence', 'skip', 'hourly', a, '--reason', 'freeze');
    await json('occurrence', 'move', 'hourly', b, '--to', to);
    const held = await json('occurrence', 'hold', 'hourly', c);
    expect(held).toMatchObject({
      occurrences: [
        { nominal: a, act: 'skip', reason: 'freeze', actor: 'tester' },
        { nominal: b, act: 'move', to },
        { nominal: c, act: 'hold' },
      ],
    });

    const { nextTimes } = await json<{ nextTimes: readonly string[] }>('describe', 'hourly');
    expect(nextTimes).not.toContain(a);
    expect(nextTimes).toContain(to);
    const shown = await cli('describe', 'hourly');
    const card = [
      `${a}   skipped by tester (freeze)`,
      `${b}   moved to ${to} by tester`,
      `${c}   held by tester`,
    ];
    expect(shown.stdout).toContain(`\nnot as planned\n${card.map((line) => `  ${line}\n`).join('')}`);

    expect(await refused('occurrence', 'move', 'hourly', c, '--to', to)).toMatch(
      /field "at": .* is held already/,
    );
    expect(await refused('occurrence', 'skip', 'hourly', '2090-01-01T00:00:01Z')).toMatch(
      /is no nominal time/,
    );
    expect(await refused('occurrence', 'restore', 'hourly', to)).toMatch(
      /is neither skipped, moved nor held/,
    );
    for (const at of [a, b, c]) await json('occurrence', 'restore', 'hourly', at);
    expect(await json('describe', 'hourly')).toMatchObject({ occurrences: [] });
    await json('delete', 'hourly');
  });
});

describe('policies', () => {
  test('are given by flags, changed one by one, listed as revisions, and reverted', async () => {
    await json(
      ...['create', 'full', '--spec', '0 9 * * *', '--time-zone', 'Europe/Berlin', '--target', 'echo'],
      ...[
        '--triggering',
        'logarithmic',
        '--triggering-base',
        '3',
        '--max-batch',
        '9',
        '--max-concurrent',
        '2',
      ],
      ...['--catch-up', 'all', '--catch-up-window', '2h', '--catch-up-rate', '5', '--limited-runs', '7'],
      ...['--pause-on-failure', '--triggers', 'other', '--exclude', '* * 25 12 *', '--jitter', '1m'],
      ...['--memo', '{"team":"data"}', '--schedule-to-start', '5s', '--dst-gap', 'skip'],
    );
    const made = await json('describe', 'full');
    expect(made).toMatchObject({
      runsLeft: 7,
      definition: {
        triggering: { kind: 'logarithmic', base: 3, maxBatch: 9, maxConcurrent: 2 },
        catchUp: { mode: 'all', windowMs: 2 * HOUR, perSecond: 5 },
        ...{ limitedRuns: 7, pauseOnFailure: true, triggers: ['other'] },
        run: { memo: { team: 'data' }, timeouts: { scheduleToStartMs: 5_000 } },
        spec: { jitterMs: 60_000, exclude: { expressions: ['* * 25 12 *'], calendars: [] }, dstGap: 'skip' },
      },
    });
    const { stdout: card } = await cli('describe', 'full');
    for (const line of [
      /when +0 9 \* \* \* \(Europe\/Berlin, gap skip\)/,
      /except +\* \* 25 12 \*/,
      /jitter +less than 1m/,
      /memo +\{"team":"data"\}/,
      /triggering +logarithmic, base 3, 2 at once, batches of at most 9/,
      /catch up +all, 2h back, 5 a second/,
      /ends +after 7 automatic runs, 7 left/,
      /on failure +pauses/,
      /on success +triggers other/,
    ]) {
      expect(card).toMatch(line);
    }

    await json('change', 'full', '--overlap', 'bufferAll', '--no-pause-on-failure', '--reason', 'calmer');
    const changed = await json<{ definition: Record<string, unknown> }>('describe', 'full');
    expect(changed).toMatchObject({ revision: 2, definition: { overlap: 'bufferAll', limitedRuns: 7 } });
    expect(changed.definition).not.toHaveProperty('triggering');
    expect(changed.definition).not.toHaveProperty('pauseOnFailure');
    expect(await json('revisions', 'full')).toMatchObject([
      { revision: 2, at: expect.any(String) as string, actor: 'tester', reason: 'calmer' },
      { revision: 1 },
    ]);
    expect((await cli('revisions', 'full')).stdout).toMatch(
      /^revision .*\n2 \(present\) .* tester +calmer\n1 /,
    );

    const unset = ['exclude', 'jitter', 'limited-runs', 'triggers', 'memo', 'dst-gap'];
    const less = await json<{ definition: { spec: object; run: object } }>(
      ...['change', 'full', ...unset.flatMap((name) => ['--unset', name])],
    );
    for (const gone of ['exclude', 'jitterMs', 'dstGap'])
      expect(less.definition.spec).not.toHaveProperty(gone);
    for (const gone of ['limitedRuns', 'triggers']) expect(less.definition).not.toHaveProperty(gone);
    expect(less.definition.run).not.toHaveProperty('memo');
    expect(less).toMatchObject({ revision: 3, definition: { spec: { timeZone: 'Europe/Berlin' } } });
    await json('revert', 'full', '2');

    const late = await cli('revert', 'full', '1', '--revision', '1');
    expect(late).toMatchObject({ code: 1, stdout: '' });
    expect(late.stderr).toMatch(/made for revision 1, but the schedule is at 4/);
    expect(await refused('revert', 'full', '9')).toMatch(/field "to": revision 9 is not kept/);
    const back = await json<{ definition: unknown }>('revert', 'full', '1');
    expect(back).toMatchObject({ revision: 5, definition: (made as { definition: object }).definition });
    await json('delete', 'full');
  });
});

describe('triggers', () => {
  test('come many at a time from a file, and wait for each other where the overlap rule says so', async () => {
    await json('create', 'by-hand', '--spec', 'triggered', '--target', 'echo', '--overlap', 'bufferAll');
    const file = join(folder, 'triggers.json');
    writeFileSync(
      file,
      JSON.stringify([{ key: 'a', input: { n: 1 } }, { key: 'b' }, { key: 'c', reason: 'mine' }]),
    );
    const results = await json<readonly { outcome: string; invocationId: string }[]>(
      'trigger',
      'by-hand',
      '--file',
      file,
    );
    expect(results.map(({ invocationId }) => invocationId)).toEqual(
      ['a', 'b', 'c'].map((key) => names.manualInvocationId('by-hand', key)),
    );
    await vi.waitFor(async () => {
      const runs = (await firesOf('by-hand')).map(({ outcome, run }) => `${outcome} ${run?.status}`);
      expect(runs).toEqual(Array<string>(3).fill('started succeeded'));
    }, WAIT);
    const reasons = (await firesOf('by-hand')).map(({ reason }) => reason);
    expect(reasons).toEqual(expect.arrayContaining([expect.stringContaining('mine')]));
    const one = await json('trigger', 'by-hand', '--key', 'd', '--overlap', 'allowAll', '--wait');
    expect(one).toMatchObject({ outcome: 'started', succeeded: true });
    await json('delete', 'by-hand');
  });
});
