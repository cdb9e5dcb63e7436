/**
 * One schedule whose workflow cannot answer, among others that can: its workflow task fails again and again, so the server
 * refuses every query to it. `watch` and `snapshot` name it and do their work with the rest.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Schedules } from '../../src/client/schedules.ts';
import { UnavailableError } from '../../src/contract/errors.ts';
import { createNames } from '../../src/contract/ids.ts';
import { freshDeployment } from '../support/shared.ts';
import { runCli, startCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const { WorkflowTaskFailedCause } = temporal.api.enums.v1;
const WAIT = { timeout: 120_000, interval: 300 };
const names = createNames(freshDeployment());
vi.setConfig({ testTimeout: 300_000 });

let system: WholeSystem;
let folder: string;
let schedules: Schedules;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  system = await startWholeSystem(names);
  folder = mkdtempSync(join(tmpdir(), 'escapement-wedged-'));
  const { TEMPORAL_ADDRESS: address = '', TEMPORAL_NAMESPACE: namespace = '' } = system.environment;
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  schedules = new Schedules(client, names);
  ends.push(
    () => rmSync(folder, { recursive: true }),
    () => system.close(),
    () => connection.close(),
  );
  await cli('schedule', 'create', 'healthy', '--spec', '@daily', '--target', 'echo');
  await cli('schedule', 'create', 'other', '--spec', '@daily', '--target', 'echo');
  const taskQueue = `${names.deployment}-wedged`;
  const workflowId = names.scheduleWorkflowId('wedged');
  await client.workflow.start('scheduleWorkflow', { taskQueue, workflowId });
  await failTasks(client, taskQueue);
  await vi.waitFor(async () => {
    const listed = [];
    for await (const { id } of schedules.list()) listed.push(id);
    expect(listed.sort()).toEqual(['healthy', 'other', 'wedged']);
  }, WAIT);
});
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

/** As a worker does that cannot run the workflow, until the server refuses queries to it. */
async function failTasks({ connection, options: { namespace } }: Client, taskQueue: string): Promise<void> {
  const { workflowService } = connection as Connection;
  for (let attempt = 0; attempt <= FAILED_TASKS_REFUSED; ) {
    const polled = await connection.withDeadline(Date.now() + 90_000, () =>
      workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
    );
    const { taskToken } = polled;
    if (taskToken.length === 0) continue;
    attempt = polled.attempt;
    const cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE;
    await workflowService.respondWorkflowTaskFailed({ namespace, taskToken, cause });
  }
}

/** Of Temporal's server: after so many failures of its task it hands no query to a workflow. */
const FAILED_TASKS_REFUSED = 3;

const cli = (...args: string[]) => runCli(args, system.environment);

test('a schedule that cannot answer is out of reach, in words that say what to do', async () => {
  const error: unknown = await schedules
    .get('wedged')
    .describe()
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UnavailableError);
  expect((error as Error).message).toMatch(
    /^schedule "wedged" is out of reach: Temporal says ".*[Tt]ask.*": is an orchestration worker /,
  );
  const { code, stderr } = await cli('schedule', 'describe', 'wedged');
  expect({ code, lines: stderr.trimEnd().split('\n').length }).toEqual({ code: 1, lines: 1 });
  expect(stderr).toMatch(/^error: schedule "wedged" is out of reach/);
});

describe('watch', () => {
  test('names the one that does not answer and looks at the others', async () => {
    const { code, stdout, stderr } = await cli('watch', '--once', '--json');
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      schedules: 3,
      findings: [{ scheduleId: 'wedged', kind: 'no-answer', message: expect.any(String) }],
    });
  });

  test('stays and can see', async () => {
    const watch = startCli(['watch', '--every', '1s'], system.environment);
    const address = /http:\S+/.exec(await watch.line('health:'))?.[0] ?? '';
    expect(JSON.parse(await watch.line('"wedged"'))).toMatchObject({ level: 'warn', kind: 'no-answer' });
    expect((await fetch(address)).status).toBe(200);
    expect(await watch.end('SIGTERM')).toBe(0);
  });
});

describe('a snapshot', () => {
  interface Taken {
    readonly schedules: readonly { readonly id: string }[];
    readonly unanswered: readonly { readonly id: string; readonly reason: string }[];
  }
  const PARTS = {
    schedules: [{ id: 'healthy' }, { id: 'other' }],
    unanswered: [{ id: 'wedged', reason: expect.stringMatching(/is out of reach/) as string }],
  };

  test('has the rest, says whom it lacks, and ends with exit code 1', async () => {
    const file = join(folder, 'rest.json');
    const { code, stdout, stderr } = await cli('snapshot', '--to', file);
    expect({ code, stdout }).toEqual({ code: 1, stdout: `2 schedules written to ${file}\n` });
    expect(stderr).toMatch(/^warning: .*"wedged".*out of reach/);
    expect(JSON.parse(readFileSync(file, 'utf8')) as Taken).toMatchObject(PARTS);
    const told = await cli('snapshot', '--to', file, '--json');
    expect(JSON.parse(told.stdout)).toMatchObject({ schedules: 2, unanswered: PARTS.unanswered });
    const printed = await cli('snapshot');
    expect({ code: printed.code, ...(JSON.parse(printed.stdout) as Taken) }).toMatchObject({
      code: 1,
      ...PARTS,
    });
  });

  test('can be restored, which says again who is not in it', async () => {
    const file = join(folder, 'rest.json');
    await cli('snapshot', '--to', file);
    const { code, stdout, stderr } = await cli('restore', file, '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^healthy +left[^]*\nother +left/m);
    expect(stderr).toMatch(/^warning: .*"wedged"/);
  });

  test('is taken again and again, and its process says once who is missing', async () => {
    const many = join(folder, 'many');
    const taking = startCli(['snapshot', '--every', '1s', '--to', many], system.environment);
    const address = /http:\S+/.exec(await taking.line('health:'))?.[0] ?? '';
    await taking.line('"wedged"');
    await vi.waitFor(() => {
      expect(readdirSync(many).filter((name) => name.startsWith('snapshot-')).length).toBeGreaterThan(1);
    }, WAIT);
    const answer = await fetch(address);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ role: 'snapshot', unanswered: PARTS.unanswered });
    expect(await taking.end('SIGTERM')).toBe(0);
    expect(taking.lines().filter((line) => line.includes('"level":"warn"'))).toHaveLength(1);
  });
});
