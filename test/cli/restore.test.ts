/** What a snapshot brings back beside definitions: named calendars, and what was said of single nominal times. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type SnapshotEntry, writeSnapshot } from '../../src/cli/snapshot-file.ts';
import { createNames, isoInstant } from '../../src/contract/ids.ts';
import { freshDeployment } from '../support/shared.ts';
import { runCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const WAIT = { timeout: 60_000, interval: 200 };
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
vi.setConfig({ testTimeout: 300_000 });

let system: WholeSystem;
let folder: string;
beforeAll(async () => {
  system = await startWholeSystem(createNames(freshDeployment()));
  folder = mkdtempSync(join(tmpdir(), 'escapement-restore-'));
});
afterAll(async () => {
  await system?.close();
  rmSync(folder, { recursive: true });
});

const cli = (...args: string[]) => runCli(args, system.environment);

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

interface Restored {
  readonly calendars: readonly { readonly id: string; readonly outcome: string; readonly reason?: string }[];
  readonly schedules: readonly {
    readonly id: string;
    readonly outcome: string;
    readonly reason?: string;
    readonly lost?: readonly string[];
    readonly catchUp?: { readonly instants: number };
  }[];
}

async function restore(...args: string[]): Promise<Restored & { readonly code: number | null }> {
  const { code, stdout } = await cli('restore', ...args, '--json');
  return { code, ...(JSON.parse(stdout) as Restored) };
}

/** In the middle between two fires of a daily cron, so that none comes while a test looks. */
const at = new Date(Math.floor((Date.now() - 12 * HOUR) / 60_000) * 60_000);
const DAILY = `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`;
const day = (n: number) => isoInstant(at.getTime() + n * DAY);

describe('a restore', () => {
  const create = () =>
    done(
      'schedule',
      'create',
      'report',
      '--cron',
      DAILY,
      '--target',
      'echo',
      '--exclude-calendar',
      'holidays',
    );

  test('puts calendars back before their schedules, and asks where one differs', async () => {
    const file = join(folder, 'calendars.json');
    await done('calendar', 'put', 'holidays', '--dates', '2026-12-25', '--dates=--05-01');
    await create();
    await vi.waitFor(async () => {
      await done('snapshot', '--to', file);
      const { schedules } = await restore(file, '--dry-run');
      expect(schedules.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(['report left']);
    }, WAIT);

    await done('schedule', 'delete', 'report');
    await done('calendar', 'delete', 'holidays');
    const would = await restore(file, '--dry-run');
    expect(would).toMatchObject({ code: 0, calendars: [{ id: 'holidays', outcome: 'would' }] });
    expect(await restore(file)).toMatchObject({
      code: 0,
      calendars: [{ id: 'holidays', outcome: 'created' }],
      schedules: [{ id: 'report', outcome: 'created' }],
    });
    expect(JSON.parse(await done('calendar', 'describe', 'holidays', '--json'))).toMatchObject({
      dates: ['2026-12-25', '--05-01'],
      scheduleIds: ['report'],
    });
    expect(await restore(file)).toMatchObject({ calendars: [{ outcome: 'left' }] });

    await done('calendar', 'put', 'holidays', '--dates', '2027-01-06');
    await done('schedule', 'delete', 'report');
    const asks = /^revision 2, which is there, differs .*: say --calendars keep, or --calendars replace$/;
    expect(await restore(file)).toMatchObject({
      code: 1,
      calendars: [{ outcome: 'differs', reason: expect.stringMatching(asks) as string }],
      schedules: [{ outcome: 'failed', reason: expect.stringMatching(/^calendar "holidays": /) as string }],
    });
    expect(await restore(file, '--calendars', 'keep')).toMatchObject({
      code: 0,
      calendars: [{ outcome: 'left' }],
      schedules: [{ outcome: 'created' }],
    });
    expect(await restore(file, '--calendars', 'replace')).toMatchObject({
      code: 0,
      calendars: [{ outcome: 'replaced' }],
      schedules: [{ outcome: 'left' }],
    });
    const { dates } = JSON.parse(await done('calendar', 'describe', 'holidays', '--json')) as {
      dates: unknown;
    };
    expect(dates).toEqual(['2026-12-25', '--05-01']);
  });

  test('keeps what was said of single times to come', async () => {
    const file = join(folder, 'occurrences.json');
    await done('schedule', 'create', 'single', '--cron', DAILY, '--target', 'echo');
    await done('schedule', 'occurrence', 'skip', 'single', day(1), '--reason', 'freeze', '--actor', 'ann');
    await done('schedule', 'occurrence', 'hold', 'single', day(2), '--actor', 'bob');
    await done('schedule', 'occurrence', 'move', 'single', day(3), '--to', day(3.5), '--actor', 'ann');
    const before = JSON.parse(await done('schedule', 'describe', 'single', '--json')) as Record<
      string,
      unknown
    >;
    await vi.waitFor(async () => {
      await done('snapshot', '--to', file);
      expect((await restore(file, '--dry-run', '--only', 'single')).schedules).toHaveLength(1);
    }, WAIT);
    await done('schedule', 'delete', 'single');
    const restored = await restore(file, '--only', 'single');
    expect(restored.schedules).toEqual([{ id: 'single', outcome: 'created', state: 'active' }]);
    const after = JSON.parse(await done('schedule', 'describe', 'single', '--json')) as Record<
      string,
      unknown
    >;
    expect(after['occurrences']).toEqual(before['occurrences']);
    expect(after['state']).toBe('active');
  });

  test('does not catch up with what was not to run, and says what it could not keep', async () => {
    const file = join(folder, 'passed.json');
    const entry: SnapshotEntry = {
      ...{
        id: 'passed',
        state: 'active',
        revision: 1,
        createdAt: day(-9),
        changedAt: day(-9),
        seenAt: day(-3.5),
      },
      schedule: { spec: DAILY, target: 'echo', catchUp: { mode: 'all', window: '10d' } },
      occurrences: [
        { at: day(-3), act: 'skip' },
        { at: day(-2), act: 'hold', actor: 'bob' },
        { at: day(-1), act: 'move', to: day(1) },
        { at: day(2), act: 'skip' },
      ],
    };
    await writeSnapshot(file, { takenAt: day(-3.5), deployment: '', calendars: [], schedules: [entry] });
    const { code, schedules } = await restore(file, '--catch-up');
    expect(code).toBe(0);
    expect(schedules).toMatchObject([{ outcome: 'created', catchUp: { instants: 1 } }]);
    expect(schedules[0]?.lost).toEqual([
      `${day(-2)}, held: run it by hand`,
      `${day(-1)}, moved to ${day(1)}: run it by hand`,
    ]);
    await vi.waitFor(async () => {
      const { items } = await system.store.listFires({ scheduleId: 'passed' });
      const ran = items.filter(({ outcome }) => outcome === 'started').map(({ toMs }) => isoInstant(toMs));
      expect(ran).toEqual([day(0)]);
    }, WAIT);
    const { occurrences } = JSON.parse(await done('schedule', 'describe', 'passed', '--json')) as {
      occurrences: readonly { nominal: string }[];
    };
    expect(occurrences.map(({ nominal }) => nominal)).toEqual([day(2)]);
  });
});
