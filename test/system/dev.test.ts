/** `escapement dev` (npm start): stays, keeps its state, has one owner, and goes on where it ended. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliProcess, runCli, startCli } from '../cli/run-cli.ts';
import { temporalBinary } from '../support/temporal-binary.ts';

describe('one machine', () => {
  let folder: string;
  let environment: Record<string, string>;
  const started: CliProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'escapement-dev-test-'));
    environment = {
      ESCAPEMENT_STATE: join(folder, 'state'),
      ESCAPEMENT_TEMPORAL_CLI: await temporalBinary(),
      // Not set: its own server is used, and commands find it by the note in its state.
      TEMPORAL_ADDRESS: '',
    };
  });

  afterAll(async () => {
    for (const dev of started) await dev.end('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  });

  async function up(): Promise<CliProcess> {
    const dev = startCli(['dev', '--capacity', '1'], environment);
    started.push(dev);
    await dev.line('Stop: Ctrl-C');
    return dev;
  }

  /** Commands in the same folder take the addresses from the state, not from settings. */
  const here = async (...args: string[]) => {
    const { ESCAPEMENT_STATE = '' } = environment;
    return await runCli(args, { ESCAPEMENT_STATE, TEMPORAL_ADDRESS: '', ESCAPEMENT_GATEWAY_URL: '' });
  };

  it('keeps schedules over a stop and a start, and lets nobody else have its state', {
    timeout: 120_000,
  }, async () => {
    const first = await up();
    expect(first.lines().join('\n')).toMatch(/Escapement is up/);
    const created = await here(
      'schedule',
      'create',
      'hello',
      '--spec',
      'triggered',
      '--command',
      'echo hello',
    );
    expect(created).toMatchObject({ code: 0, stderr: '' });
    const waited = await here('schedule', 'trigger', 'hello', '--wait');
    expect(waited.stdout).toContain('succeeded on local\nhello');

    const second = await runCli(['dev'], environment);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/is in use by process \d+: use the one that runs, or stop it/);

    expect(await first.end('SIGTERM')).toBe(0);
    const away = await here('schedule', 'list');
    expect(away.code).toBe(1);
    expect(away.stderr).toMatch(/is out of reach: start it/);

    const again = await up();
    expect(again.lines().join('\n')).toContain('goes on where it ended');
    const fires = await here('--json', 'schedule', 'fires', 'hello');
    expect(JSON.parse(fires.stdout)).toMatchObject([{ outcome: 'started', run: { status: 'succeeded' } }]);
    const described = await here('--json', 'schedule', 'describe', 'hello');
    expect(JSON.parse(described.stdout)).toMatchObject({
      id: 'hello',
      state: 'active',
      counts: { started: 1 },
    });
    expect(await again.end('SIGINT')).toBe(0);
  });
});
