/**
 * What one does to all schedules at once, against a whole system: switch and delete many, take a snapshot, lose everything,
 * restore it, catch up.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createNames } from '../../src/contract/ids.ts';
import type { Fire } from '../../src/contract/ledger.ts';
import { freshDeployment } from '../support/shared.ts';
import { runCli, startCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const WAIT = { timeout: 120_000, interval: 300 };
vi.setConfig({ testTimeout: 300_000 });

let system: WholeSystem;
let folder: string;

beforeAll(async () => {
  system = await startWholeSystem(createNames(freshDeployment()));
  folder = mkdtempSync(join(tmpdir(), 'escapement-upkeep-'));
});
afterAll(async () => {
  await system.close();
  rmSync(folder, { recursive: true });
});

const cli = (...args: string[]) => runCli(args, system.environment);

async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

interface Line {
  readonly id: string;
  readonly outcome: string;
  readonly state?: string;
}
const lines = (found: readonly Line[]) => found.map(({ id, outcome }) => `${id} ${outcome}`);

async function create(id: string, spec: string, ...flags: string[]): Promise<void> {
  expect(await cli('schedule', 'create', id, '--spec', spec, '--target', 'echo', ...flags)).toMatchObject({
    code: 0,
  });
}

/** Until visibility knows them all. */
async function listed(...ids: readonly string[]): Promise<void> {
  await vi.waitFor(async () => {
    const found = await json<readonly { id: string; state?: string }[]>('schedule', 'list');
    expect(found.filter(({ state }) => state !== undefined).map(({ id }) => id)).toEqual(ids);
  }, WAIT);
}

async function firesOf(scheduleId: string): Promise<readonly Fire[]> {
  return (await system.store.listFires({ scheduleId })).items;
}

describe('many schedules', () => {
  test('are paused by a query and deleted all together, after a look at which', async () => {
    await create('a', '@daily');
    await create('b', '@daily', '--disabled');
    await create('c', '@daily', '--note', 'third');
    await listed('a', 'b', 'c');
    const query = 'EscapementState = "active"';
    const would = await json<readonly Line[]>('schedule', 'pause', '--query', query, '--dry-run');
    expect(would).toEqual([
      { id: 'a', outcome: 'would', state: 'active' },
      { id: 'c', outcome: 'would', state: 'active' },
    ]);
    const paused = await cli('schedule', 'pause', '--query', query, '--reason', 'upgrade', '--until', '2h');
    expect(paused.code).toBe(0);
    expect(paused.stdout).toMatch(/^schedule +pause +state.*\na +done +paused\nc +done +paused\n$/);
    expect(await json('schedule', 'describe', 'c')).toMatchObject({
      paused: { reason: 'upgrade', actor: 'tester', until: expect.any(String) },
    });
    expect(lines(await json('schedule', 'resume', '--all'))).toEqual(['a done', 'b done', 'c done']);
    expect(lines(await json('schedule', 'delete', '--all'))).toEqual(['a done', 'b done', 'c done']);
    await listed();
    expect((await cli('schedule', 'enable', '--all')).stdout).toBe('no schedules\n');
  });

  test.each([
    [['pause'], /<id>: is missing: name a schedule, or give --all or --query/],
    [['pause', 'a', '--all'], /"a" cannot stand beside --all or --query/],
    [['delete', '--all', '--query', 'x = 1'], /--all: and --query cannot both be given/],
    [['enable', 'a', '--dry-run'], /--dry-run: is for --all and --query/],
    [
      ['delete', '--query', 'NoSuchAttribute = 1'],
      /query: Temporal does not understand "NoSuchAttribute = 1"/,
    ],
  ])('are refused as bad input where %j leaves open which', async (args, message) => {
    const { code, stdout, stderr } = await cli('schedule', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

describe('a snapshot', () => {
  test('brings back what was lost: definitions, pauses and switch-offs, and what fell due since', async () => {
    await create(
      'daily',
      '30 2 * * *',
      '--time-zone',
      'Europe/Berlin',
      '--retry-limit',
      '1',
      '--note',
      'kept',
    );
    await create('paused', '@every 3s');
    await json('schedule', 'pause', 'paused', '--reason', 'lunch', '--until', '5h');
    await create('off', 'every 1s');
    await json('schedule', 'disable', 'off', '--reason', 'broken', '--actor', 'ann');
    await create('ticking', 'every 1s', '--overlap', 'allowAll', '--catch-up', 'all');
    await listed('daily', 'off', 'paused', 'ticking');
    await vi.waitFor(async () => expect((await firesOf('ticking')).length).toBeGreaterThan(1), WAIT);
    const before = await json('schedule', 'describe', 'daily');

    const file = join(folder, 'all.json');
    expect(await json('snapshot', '--to', file)).toMatchObject({ path: file, schedules: 4 });
    await json('schedule', 'delete', '--all');
    await listed();
    const lastRun = (await firesOf('ticking')).filter(({ kind }) => kind === 'fire')[0]?.toMs ?? 0;

    const would = await json<{ schedules: readonly Line[] }>(
      'restore',
      file,
      '--dry-run',
      '--only',
      'off,daily',
    );
    expect(lines(would.schedules)).toEqual(['daily would', 'off would']);
    const restored = await json<{ schedules: readonly Line[] }>('restore', file, '--catch-up');
    expect(lines(restored.schedules)).toEqual([
      'daily created',
      'off created',
      'paused created',
      'ticking created',
    ]);
    const daily = await json('schedule', 'describe', 'daily');
    const { createdAt: _, ...spec } = (before['definition'] as { spec: Record<string, unknown> }).spec;
    expect(daily['definition']).toMatchObject({ ...(before['definition'] as object), spec });
    expect(await json('schedule', 'describe', 'paused')).toMatchObject({
      state: 'paused',
      paused: { reason: 'lunch', until: expect.any(String) },
      definition: { spec: { expressions: ['every 3s'], anchor: expect.any(String) } },
    });
    expect(await json('schedule', 'describe', 'off')).toMatchObject({
      state: 'disabled',
      disabled: { reason: 'broken', actor: 'ann' },
    });
    for (const id of ['paused', 'off']) {
      const { creation } = await json('schedule', 'describe', id);
      const own = (await firesOf(id)).filter((fire) => fire.creation === creation);
      expect(own.filter(({ outcome }) => outcome === 'started')).toEqual([]);
    }

    // Every second from the last run before the loss on has run by and by, each once.
    await vi.waitFor(async () => {
      const started = (await firesOf('ticking')).filter(({ outcome }) => outcome === 'started');
      const since = started.map(({ toMs }) => toMs).filter((atMs) => atMs >= lastRun);
      expect(since.length).toBeGreaterThan(5);
      const missed = since
        .toSorted((a, b) => a - b)
        .filter((atMs, n, all) => n > 0 && atMs - (all[n - 1] ?? 0) !== 1_000);
      expect(missed).toEqual([]);
    }, WAIT);

    const again = await json<{ schedules: readonly Line[] }>('restore', file);
    expect(lines(again.schedules)).toEqual(['daily left', 'off left', 'paused left', 'ticking left']);
    await json('schedule', 'disable', 'ticking');
  });

  test('is taken again and again into a folder that keeps the newest, until it is told to stop', async () => {
    const many = join(folder, 'many');
    const args = ['snapshot', '--every', '1s', '--keep', '2', '--to', many];
    const process = startCli(args, system.environment);
    const address = /http:\S+/.exec(await process.line('health:'))?.[0] ?? '';
    const seen = new Set<string>();
    await vi.waitFor(() => {
      for (const name of readdirSync(many)) if (name.startsWith('snapshot-')) seen.add(name);
      expect(seen.size).toBeGreaterThan(3);
    }, WAIT);
    expect((await fetch(address)).status).toBe(200);
    expect(await process.end('SIGTERM')).toBe(0);
    const left = readdirSync(many);
    expect(left).toHaveLength(2);
    const restored = await json<{ path: string }>('restore', many, '--dry-run');
    expect(restored.path).toBe(join(many, left.sort().at(-1) ?? ''));
  });

  test('that is missing is empty; one that is damaged or lacks what is named changes nothing', async () => {
    expect(await json('restore', join(folder, 'nowhere.json'))).toEqual({ calendars: [], schedules: [] });
    const damaged = join(folder, 'damaged.json');
    writeFileSync(
      damaged,
      '{"format":"escapement-snapshot","version":1,"checksum":"sha256:0","schedules":[]}',
    );
    expect(await cli('restore', damaged)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/damaged\.json: checksum: does not fit the rest/) as string,
    });
    const missing = await cli('restore', join(folder, 'all.json'), '--only', 'daily,nobody');
    expect(missing).toMatchObject({ code: 2, stdout: '' });
    expect(missing.stderr).toMatch(/--only: "nobody" is not in the snapshot/);
    const nowhere = await cli('snapshot', '--every', '1s');
    expect(nowhere.stderr).toMatch(/--to: is missing: --every writes file after file/);
  });
});

describe('catching up', () => {
  test('asks one schedule, or all, for what they missed until an instant', async () => {
    const until = new Date().toISOString();
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const one = await json<readonly Line[]>('catch-up', 'daily', '--since', since, '--until', until);
    expect(one).toMatchObject([{ id: 'daily', outcome: 'done' }]);
    const all = await json<readonly Line[]>('catch-up', '--all', '--since', since, '--until', until);
    expect(all.map(({ id }) => id)).toContain('daily');
    const before = '2026-01-01T00:00:00Z';
    const nothing = await json<readonly (Line & { reason?: string })[]>(
      'catch-up',
      '--all',
      '--until',
      before,
    );
    expect(lines(nothing)).toEqual(['daily', 'off', 'paused', 'ticking'].map((id) => `${id} nothing`));
    expect(nothing[0]?.reason).toMatch(/last changed .*, not before --until.*: give --since/);
    const table = await cli('catch-up', 'daily', '--until', before);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toMatch(/daily +nothing to do +.*last changed/);
    const none = await cli('catch-up', '--until', until);
    expect(none).toMatchObject({ code: 2, stdout: '' });
    expect(none.stderr).toMatch(/<id>: is missing: name a schedule, or give --all/);
  });
});
