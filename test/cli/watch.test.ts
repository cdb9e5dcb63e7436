/** `escapement watch` against a whole system in which something has gone wrong that the scheduler itself does not know. */
import { Client, Connection } from '@temporalio/client';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createNames } from '../../src/contract/ids.ts';
import { freshDeployment } from '../support/shared.ts';
import { type CliProcess, runCli, startCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const WAIT = { timeout: 120_000, interval: 500 };
const names = createNames(freshDeployment());
vi.setConfig({ testTimeout: 300_000 });

let system: WholeSystem;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  system = await startWholeSystem(names);
  connection = await Connection.connect({ address: system.environment['TEMPORAL_ADDRESS'] ?? '' });
  client = new Client({ connection, namespace: system.environment['TEMPORAL_NAMESPACE'] ?? '' });
});
afterAll(async () => {
  await connection.close();
  await system.close();
});

const cli = (...args: string[]) => runCli(args, system.environment);

interface Report {
  readonly schedules: number;
  readonly findings: readonly {
    readonly scheduleId: string;
    readonly kind: string;
    readonly count?: number;
  }[];
}

async function look(): Promise<{ readonly code: number | null; readonly report: Report }> {
  const { code, stdout } = await cli('watch', '--once', '--grace', '10s', '--json');
  return { code, report: JSON.parse(stdout) as Report };
}

/** Fires three times at least, then rests, so that what is due and recorded stands still. */
async function hasFired(id: string): Promise<void> {
  expect(
    await cli('schedule', 'create', id, '--spec', 'every 1s', '--overlap', 'allowAll', '--target', 'echo'),
  ).toMatchObject({ code: 0 });
  await vi.waitFor(async () => {
    const { items } = await system.store.listFires({ scheduleId: id });
    expect(items.length).toBeGreaterThan(2);
  }, WAIT);
  expect(await cli('schedule', 'pause', id)).toMatchObject({ code: 0 });
}

describe('watch', () => {
  test('names who lost rows and who was terminated, and nobody else', async () => {
    expect(await look()).toMatchObject({ code: 0, report: { findings: [] } });
    await hasFired('healthy');
    await hasFired('robbed');
    const { db, t } = system.store.database;
    await sql`DELETE FROM ${t.ledger} WHERE schedule_id = 'robbed' AND kind = 'fire'`.execute(db);
    await cli('schedule', 'create', 'shot', '--spec', '@daily', '--target', 'echo');
    await cli('schedule', 'create', 'deleted', '--spec', '@daily', '--target', 'echo');
    await cli('schedule', 'delete', 'deleted');
    await client.workflow.getHandle(names.scheduleWorkflowId('shot')).terminate('by the test');

    await vi.waitFor(async () => {
      const { code, report } = await look();
      expect(code).toBe(1);
      expect(report.findings.map(({ scheduleId, kind }) => `${scheduleId} ${kind}`).sort()).toEqual([
        'robbed without-outcome',
        'shot ended',
      ]);
      expect(report.findings.find(({ kind }) => kind === 'without-outcome')?.count).toBeGreaterThan(2);
    }, WAIT);
    const { stdout } = await cli('watch', '--once', '--grace', '10s');
    expect(stdout).toMatch(/^robbed +without-outcome +\d+ due 2\S+Z to 2\S+Z$/m);
    expect(stdout).toMatch(/^shot +ended +terminated 2.* and not deleted: create it again, or restore it$/m);

    await cli('schedule', 'create', 'shot', '--spec', '@daily', '--target', 'echo');
    await vi.waitFor(async () => {
      const { report } = await look();
      expect(report.findings.map(({ scheduleId }) => scheduleId)).toEqual(['robbed']);
    }, WAIT);
  });

  test('stays, tells what is new once, shows it at its health address, and stops when told', async () => {
    const watch: CliProcess = startCli(['watch', '--every', '1s', '--grace', '10s'], system.environment);
    const address = /http:\S+/.exec(await watch.line('health:'))?.[0] ?? '';
    const line = await watch.line('"robbed"');
    expect(JSON.parse(line)).toMatchObject({ level: 'warn', scheduleId: 'robbed', kind: 'without-outcome' });
    await vi.waitFor(async () => {
      const answer = await fetch(address);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ role: 'watch', findings: [{ scheduleId: 'robbed' }] });
    }, WAIT);
    await cli('schedule', 'delete', 'robbed');
    await watch.line('no longer without-outcome');
    expect(await watch.end('SIGTERM')).toBe(0);
    const warnings = watch.lines().filter((text) => text.includes('"level":"warn"'));
    expect(warnings.map((text) => JSON.parse(text) as object)).toEqual([
      expect.objectContaining({ scheduleId: 'robbed', kind: 'without-outcome' }),
    ]);
  });

  test('that cannot see says so, and does not call that healthy', async () => {
    const { code, stdout, stderr } = await runCli(['watch', '--once'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/out of reach/);
  });
});
