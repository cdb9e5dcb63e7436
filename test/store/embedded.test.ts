/** The store on PGlite: the common suite, and what only an embedded database has: one owner, one directory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import { takeOwnerLock } from '../../src/store/owner-lock.ts';
import { calendarConformance } from './calendar-conformance.ts';
import { conformance } from './conformance.ts';
import { ledgerConformance } from './ledger-conformance.ts';
import { outageConformance } from './outage-conformance.ts';
import { retentionConformance } from './retention-conformance.ts';
import { createStage, type OpenForTest } from './stage.ts';
import { windowsConformance } from './windows-conformance.ts';

const openInMemory: OpenForTest = async () => {
  const store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
  return { store, close: () => store.close() };
};
conformance('PGlite', openInMemory);
ledgerConformance('PGlite', openInMemory);
calendarConformance('PGlite', openInMemory);
outageConformance('PGlite', openInMemory);
retentionConformance('PGlite', openInMemory);
windowsConformance('PGlite', openInMemory);

const folder = mkdtempSync(join(tmpdir(), 'escapement-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a directory keeps its state from one start to the next, and has one owner at a time', async () => {
  const dataDir = join(folder, 'deep', 'state');
  const first = await createEmbeddedStore({ dataDir, schema: 'escapement_test' });
  const { poolId, worker, granted } = await createStage(first);
  await worker('w', 1);
  const alloc = await granted('kept');
  await expect(createEmbeddedStore({ dataDir, schema: 'escapement_test' })).rejects.toMatchObject({
    code: 'StateOwned',
    details: { pid: process.pid },
  });
  await first.close();
  expect(existsSync(`${dataDir}.lock`)).toBe(false);
  const second = await createEmbeddedStore({ dataDir, schema: 'escapement_test' });
  expect((await second.listAllocs(poolId)).items).toEqual([alloc]);
  await second.close();
});

test('the lock is taken over from a dead process and from a pid that is another process now', async () => {
  const path = join(folder, 'some.lock');
  const dead = spawn(process.execPath, ['-e', '']);
  await once(dead, 'exit');
  for (const stale of [{ pid: dead.pid }, { pid: process.pid, startedAt: '1' }]) {
    writeFileSync(path, JSON.stringify(stale));
    takeOwnerLock(path, 'the state').release();
    expect(existsSync(path)).toBe(false);
  }
});

test('the lock of a living process is respected, whoever it is', async () => {
  const path = join(folder, 'held.lock');
  const owner = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(owner, 'spawn');
  const held = JSON.stringify({ pid: owner.pid });
  writeFileSync(path, held);
  expect(() => takeOwnerLock(path, 'the state')).toThrow(`process ${owner.pid}`);
  expect(readFileSync(path, 'utf8')).toBe(held);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
});
