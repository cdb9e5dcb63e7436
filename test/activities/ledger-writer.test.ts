/** The ledger's writer: what it says of a write, and that it stops asking a database that is away. */
import { describe, expect, test } from 'vitest';
import { createLedgerWriter } from '../../activities/ledger-writer.ts';
import { UnavailableError } from '../../src/contract/errors.ts';
import type { LedgerRow } from '../../src/contract/ledger.ts';
import type { Store } from '../../src/store/store.ts';

const row: LedgerRow = {
  scheduleId: 's',
  creation: 'c',
  key: 'k',
  kind: 'fire',
  outcome: 'started',
  fromMs: 0,
  toMs: 0,
  count: 1,
  decidedAtMs: 0,
};

function writerOn(writeLedger: () => Promise<number>) {
  let asked = 0;
  let nowMs = 0;
  const store = {
    writeLedger: async () => {
      asked += 1;
      return await writeLedger();
    },
  } as unknown as Store;
  const writer = createLedgerWriter(store, () => nowMs);
  return { write: () => writer.write([row]), asked: () => asked, pass: (ms: number) => (nowMs += ms) };
}

const refused = async () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  throw new UnavailableError('database', 'start it', { cause });
};

describe('a write', () => {
  test('that is done in time is in', async () => {
    expect(await writerOn(async () => 1).write()).toBe('yes');
  });

  test('that never left is out: its rows may be joined', async () => {
    expect(await writerOn(refused).write()).toBe('no');
  });

  test('whose reply was lost, or that takes too long, is unknown', async () => {
    expect(await writerOn(() => Promise.reject(new Error('reset'))).write()).toBe('unknown');
    expect(await writerOn(() => new Promise(() => {})).write()).toBe('unknown');
  });
});

test('after three failures in a row nobody is asked for a while', async () => {
  const { write, asked, pass } = writerOn(refused);
  for (let n = 0; n < 5; n += 1) await write();
  expect(asked()).toBe(3);
  pass(5_000);
  await write();
  expect(asked()).toBe(4);
});
