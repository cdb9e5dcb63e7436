/** The file of a snapshot: read back as it was written, whole or not there, and never taken for what it is not. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  keepNewest,
  parseSnapshot,
  readSnapshot,
  type Snapshot,
  snapshotName,
  snapshotText,
  writeSnapshot,
} from '../../src/cli/snapshot-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'escapement-snapshot-'));
afterAll(() => rmSync(folder, { recursive: true }));

const NIGHTLY: Snapshot['schedules'][number] = {
  ...{
    id: 'nightly',
    state: 'paused',
    revision: 3,
    schedule: { spec: '@daily', target: 'echo', input: { 7: [1] } },
  },
  ...{
    createdAt: '2026-01-01T00:00:00Z',
    changedAt: '2026-01-02T00:00:00.250Z',
    seenAt: '2026-01-03T00:00:00Z',
  },
  occurrences: [{ at: '2026-01-04T00:00:00Z', act: 'move', to: '2026-01-04T12:00:00Z', actor: 'ann' }],
  ...{ lastDueAt: '2026-01-02T02:00:00Z', paused: { since: '2026-01-02T10:00:00Z', reason: 'lunch' } },
};
const snapshotOf = (...schedules: Snapshot['schedules']): Snapshot => ({
  ...{ takenAt: '2026-01-03T00:00:00Z', deployment: '', schedules },
  calendars: [{ id: 'holidays', content: { dates: ['2026-12-25'], timeZone: 'UTC' } }],
});

describe('a snapshot', () => {
  test('is read back as it was written, whatever its schedules hand to their targets', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (input, note) => {
        const snapshot = snapshotOf({
          ...NIGHTLY,
          schedule: { spec: '@daily', target: 'echo', input, note },
        });
        const json = JSON.parse(JSON.stringify(snapshot)) as unknown;
        expect(parseSnapshot('s', snapshotText(snapshot))).toEqual(json);
      }),
    );
  });

  test('whose bytes were changed anywhere is refused', () => {
    const text = snapshotText(snapshotOf(NIGHTLY));
    const places = fc.integer({ min: 0, max: text.length - 2 });
    fc.assert(
      fc.property(places, (at) => {
        const damaged = text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1);
        // White space between its parts is not part of it.
        fc.pre(text[at]?.trim() !== '');
        expect(() => parseSnapshot('s', damaged)).toThrow(/damaged|no snapshot|reads up to/);
        expect(() => parseSnapshot('s', text.slice(0, at))).toThrow(/damaged|no snapshot/);
      }),
    );
  });

  test('of a newer program, or that is something else, says so', () => {
    const newer = snapshotText(snapshotOf()).replace('"version": 2', '"version": 3');
    expect(() => parseSnapshot('s.json', newer)).toThrow(
      /s\.json: version: is 3, this program reads up to 2/,
    );
    expect(() => parseSnapshot('s.json', '{"schedules": []}')).toThrow(/is no snapshot of Escapement/);
  });

  test('of the first version, which had neither calendars nor occurrences, is still read', () => {
    const { calendars: _, ...older } = snapshotOf();
    const body = { format: 'escapement-snapshot', version: 1, ...older };
    const checksum = `sha256:${createHash('sha256').update(JSON.stringify(body)).digest('hex')}`;
    expect(parseSnapshot('s', JSON.stringify({ ...body, checksum }))).toEqual({ ...older, calendars: [] });
  });

  test('is on the disk whole or not at all, with nothing beside it', async () => {
    const path = join(folder, 'deep', 'one.json');
    await writeSnapshot(path, snapshotOf());
    await writeSnapshot(path, snapshotOf(NIGHTLY));
    expect(readdirSync(join(folder, 'deep'))).toEqual(['one.json']);
    expect(await readSnapshot(path)).toEqual({ path, snapshot: snapshotOf(NIGHTLY) });
    await expect(writeSnapshot(join(path, 'below.json'), snapshotOf())).rejects.toThrow();
    expect(readFileSync(path, 'utf8')).toBe(snapshotText(snapshotOf(NIGHTLY)));
  });

  test('that is missing is none; of a folder the newest counts, and only so many are kept', async () => {
    const many = join(folder, 'many');
    expect(await readSnapshot(join(many, 'none.json'))).toBeUndefined();
    for (const second of [3, 1, 2]) {
      const takenAt = `2026-01-03T00:00:0${second}Z`;
      await writeSnapshot(join(many, snapshotName(takenAt)), { ...snapshotOf(), takenAt });
    }
    writeFileSync(join(many, 'notes.txt'), 'mine');
    await keepNewest(many, 2);
    expect(readdirSync(many).sort()).toEqual([
      'notes.txt',
      'snapshot-2026-01-03T00-00-02.000Z.json',
      'snapshot-2026-01-03T00-00-03.000Z.json',
    ]);
    expect((await readSnapshot(many))?.snapshot.takenAt).toBe('2026-01-03T00:00:03Z');
  });

  test('that lacks somebody does not push out the last that has everybody', async () => {
    const many = join(folder, 'partial');
    const unanswered = [{ id: 'wedged', reason: 'it says nothing' }];
    const take = async (second: number, lacking: Partial<Snapshot> = {}): Promise<void> => {
      const takenAt = `2026-01-03T00:00:0${second}Z`;
      await writeSnapshot(join(many, snapshotName(takenAt)), { ...snapshotOf(), takenAt, ...lacking });
      await keepNewest(many, 2);
    };
    const seconds = () => readdirSync(many).map((name) => Number(/T00-00-(\d\d)/.exec(name)?.[1]));
    await take(0);
    await take(1);
    for (const second of [2, 3, 4]) await take(second, { unanswered });
    expect(seconds().sort()).toEqual([1, 3, 4]);
    expect((await readSnapshot(many))?.snapshot.unanswered).toEqual(unanswered);
    await take(5);
    expect(seconds().sort()).toEqual([4, 5]);
  });
});
