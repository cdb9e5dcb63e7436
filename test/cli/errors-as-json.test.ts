/** With `--json` a command that fails says why as one JSON object on stderr, in one line, so that a script can go by it. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createNames } from '../../src/contract/ids.ts';
import { freshDeployment } from '../support/shared.ts';
import { type CliEnvironment, runCli } from './run-cli.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

vi.setConfig({ testTimeout: 240_000 });

let system: WholeSystem;

beforeAll(async () => {
  system = await startWholeSystem(createNames(freshDeployment()));
});
afterAll(async () => {
  await system?.close();
});

const CREATE = ['schedule', 'create', 'nightly', '--target', 'echo', '--spec'];

async function failure(args: readonly string[], environment?: CliEnvironment) {
  const { code, stdout, stderr } = await runCli([...args, '--json'], environment);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^\{.*\}\n$/);
  const { error } = JSON.parse(stderr) as { readonly error: Readonly<Record<string, unknown>> };
  return { code, error };
}

test.each([
  [
    'what is wrong with a field',
    [...CREATE, '0 0 30 2 *'],
    {
      name: 'InvalidInputError',
      code: 'InvalidInput',
      message: expect.stringMatching(/^schedule "nightly": /) as string,
      issues: [
        { path: expect.any(String) as string, message: expect.stringMatching(/names no date/) as string },
      ],
    },
  ],
  [
    'what is missing, each by its flag',
    ['schedule', 'create', 'nightly'],
    { issues: [expect.objectContaining({ path: '--spec' }), expect.objectContaining({ path: '--target' })] },
  ],
  ['a flag that there is not', ['schedule', 'list', '--bogus'], { message: "unknown option '--bogus'" }],
  ['that a command is missing', ['schedule'], { message: expect.stringMatching(/--help/) as string }],
  [
    'what is wrong with an expression',
    ['next', '* * *'],
    {
      code: 'InvalidInput',
      issues: [{ path: 'expression', message: expect.stringMatching(/\* \* \*/) as string }],
    },
  ],
])('bad input tells %s', async (_what, args, told) => {
  expect(await failure(args)).toEqual({ code: 2, error: expect.objectContaining(told) as object });
});

test('what is out of reach, what is there already and what is not are told apart', async () => {
  expect(await failure(['schedule', 'list'])).toMatchObject({
    code: 1,
    error: { name: 'UnavailableError', code: 'Unavailable' },
  });
  const { environment } = system;
  expect(await failure(['schedule', 'describe', 'nowhere'], environment)).toMatchObject({
    code: 1,
    error: { name: 'NotExistsError', code: 'ScheduleNotExists', scheduleId: 'nowhere' },
  });
  expect(await runCli([...CREATE, '@daily'], environment)).toMatchObject({ code: 0 });
  expect(await failure([...CREATE, '@daily'], environment)).toMatchObject({
    code: 1,
    error: { name: 'AlreadyExistsError', code: 'ScheduleExists', scheduleId: 'nightly' },
  });
});

test('a conflict of revisions tells the present one', async () => {
  const { environment } = system;
  await runCli([...CREATE, '@daily'], environment);
  const change = ['schedule', 'change', 'nightly', '--spec', '@hourly', '--revision'];
  const { code, error } = await failure([...change, '7'], environment);
  expect({ code, error }).toMatchObject({ code: 1, error: { code: 'RevisionConflict', revision: 1 } });
  expect(await runCli([...change, String(error['revision'])], environment)).toMatchObject({ code: 0 });
});

test('without --json an error is lines for a person', async () => {
  const { code, stderr } = await runCli(['schedule', 'create', 'nightly']);
  expect(code).toBe(2);
  expect(stderr.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^error: .*--spec: is missing/),
    expect.stringMatching(/^error: .*--target: is missing/),
  ]);
});

test('a person is told the command to use, and a long id is cut; a script is told all of it', async () => {
  const { environment } = system;
  await runCli([...CREATE, '@daily'], environment);
  const { stderr } = await runCli([...CREATE, '@daily'], environment);
  expect(stderr).toBe(
    'error: schedule "nightly" exists already: change it (`escapement schedule change`), or delete it first\n',
  );
  const long = 'x'.repeat(200);
  const describeIt = ['schedule', 'describe', long];
  expect((await runCli(describeIt, environment)).stderr).toMatch(/^error: schedule "x{60}…" does not exist/);
  const { error } = await failure(describeIt, environment);
  expect(error).toMatchObject({ scheduleId: long, message: expect.stringContaining(long) as string });
});
