/** `schedule create --dry-run` and `preview`: what a schedule would be, told with no Temporal server to ask. */
import { describe, expect, test, vi } from 'vitest';
import { checkSchedule } from '../../src/client/definition.ts';
import { previewOf } from '../../src/client/preview.ts';
import { dueTimes } from '../../src/core/cron/jitter.ts';
import { runCli } from './run-cli.ts';

// Each command is a process that loads its sources, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

describe('a preview', () => {
  test('fills in every default and tells notes, next times, affected dates and fires per day', () => {
    const spec = {
      expressions: ['30 2 13 * fri'],
      timeZone: 'Europe/Berlin',
      exclude: { calendars: 'holidays' },
    };
    const calendars = { holidays: { dates: ['2026-01-02', '2026-01-09'] } };
    const checked = checkSchedule('s', { spec, target: 'resize' }, NOW_MS, calendars);
    const preview = previewOf(checked, NOW_MS, { count: 2 });
    expect(preview.definition.run).toMatchObject({ pool: 'default', retry: { limit: 5 } });
    expect(preview.notes).toEqual([expect.stringContaining('EITHER')]);
    expect(preview.next).toEqual([
      { dueAtMs: Date.parse('2026-01-13T01:30:00Z'), local: '2026-01-13T02:30:00+01:00' },
      { dueAtMs: Date.parse('2026-01-16T01:30:00Z'), local: '2026-01-16T02:30:00+01:00' },
    ]);
    // 52 Fridays and 12 thirteenths, three of which are one; two are holidays.
    expect(preview.firesPerDay).toBeCloseTo((52 + 12 - 3 - 2) / 365, 9);
    expect(preview.affectedDates).toEqual([]);
  });

  test('tells due times of the id that the schedule is to have', () => {
    const checked = checkSchedule(
      's',
      { spec: { expressions: '@hourly', jitter: '30m' }, target: 't' },
      NOW_MS,
    );
    const [first] = previewOf(checked, NOW_MS, { id: 'nightly' }).next;
    const due = dueTimes(checked.spec, 'nightly', 30 * 60_000).next(NOW_MS);
    expect(first).toMatchObject({ dueAtMs: due?.dueMs, nominalAtMs: due?.nominalMs });
  });

  test('of a relative schedule tells the first run alone, of a triggered one none', () => {
    const of = (spec: string) => previewOf(checkSchedule('s', { spec, target: 't' }, NOW_MS), NOW_MS);
    expect(of('with 5m interval').next.map(({ dueAtMs }) => dueAtMs)).toEqual([NOW_MS + 300_000]);
    expect(of('with 5m interval')).not.toHaveProperty('firesPerDay');
    expect(of('triggered').next).toEqual([]);
  });

  test('refuses a calendar that is missing, by its field', () => {
    const input = { spec: { expressions: '@daily', exclude: { calendars: ['gone'] } }, target: 't' };
    expect(() => checkSchedule('s', input, NOW_MS, {})).toThrow('spec.exclude.calendars[0]: there is no');
    // Nobody to ask: the schedule itself will refuse it.
    expect(checkSchedule('s', input, NOW_MS).definition.spec.exclude?.calendars).toEqual(['gone']);
  });
});

describe('schedule create --dry-run', () => {
  const create = (...flags: string[]) =>
    runCli(['schedule', 'create', 'nightly', '--command', 'date', '--dry-run', ...flags]);

  test('prints the card of what would be made, and makes nothing', async () => {
    const { code, stdout } = await create(
      ...['--spec', '30 2 * * *', '--time-zone', 'Europe/Berlin', '--exclude', '* * 25 12 *', '--count', '3'],
    );
    expect(code).toBe(0);
    expect(stdout).toContain('schedule "nightly" would be made; nothing was');
    expect(stdout).toMatch(/except\s+\* \* 25 12 \*/);
    expect(stdout.match(/T02:30:00\+0[12]:00/g)).toHaveLength(3);
    expect(stdout).toContain('is left out: runs once, at the first instant after the gap');
  });

  test('with --json prints one document with instants', async () => {
    const { code, stdout } = await create('--spec', '0 9 * * *', '--jitter', '10m', '--json');
    expect(code).toBe(0);
    const printed = JSON.parse(stdout) as { readonly next: readonly { readonly nominalAt: string }[] };
    expect(printed).toMatchObject({ id: 'nightly', dryRun: true, firesPerDay: 1, affectedDates: [] });
    expect(printed.next).toHaveLength(10);
    for (const { nominalAt } of printed.next) expect(nominalAt).toMatch(/T09:00:00Z$/);
  });

  test('refuses what would be refused', async () => {
    const { code, stderr } = await create('--spec', '0 9 * * *', '--exclude', '* 9 * * *');
    expect(code).toBe(2);
    expect(stderr).toContain('spec.exclude: leaves out every time');
  });
});

test('next leaves out what --exclude names', async () => {
  const flags = ['--exclude', '* * 2 1 *', '--from', '2026-01-01T00:00:00Z', '--count', '1', '--json'];
  const { stdout } = await runCli(['next', '@daily', ...flags]);
  expect(JSON.parse(stdout)).toEqual(['2026-01-03T00:00:00Z']);
});
