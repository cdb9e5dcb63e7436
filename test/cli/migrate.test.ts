/** `escapement migrate` as a person runs it: the owner migrates and grants, and the lesser role then needs no more. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestDatabase } from '../support/postgres.ts';
import { freshDatabase } from '../support/shared.ts';
import { runCli } from './run-cli.ts';

const role = `runs_${randomBytes(6).toString('hex')}`;
const password = randomBytes(12).toString('hex');

let database: TestDatabase;
let administrator: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  administrator = new pg.Client({ connectionString: database.url });
  await administrator.connect();
  await administrator.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
});
afterAll(async () => {
  await administrator.query(`DROP OWNED BY ${role}`);
  await administrator.query(`DROP ROLE ${role}`);
  await administrator.end();
  await database.drop();
});

const owner = () => ({ ESCAPEMENT_DATABASE_URL: database.url });

function lesser() {
  const url = new URL(database.url);
  url.username = role;
  url.password = password;
  return { ESCAPEMENT_DATABASE_URL: url.href };
}

test('the owner migrates and grants; before that the lesser role is told what to do', {
  timeout: 120_000,
}, async () => {
  const early = await runCli(['migrate'], lesser());
  expect(early).toMatchObject({ code: 1, stdout: '' });
  expect(early.stderr).toContain('escapement migrate --database-url');
  expect(early.stderr).not.toContain(password);

  const done = await runCli(['migrate', '--grant-to', role, '--json'], owner());
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(done.stdout)).toEqual({ schema: 'escapement', grantedTo: role });
  expect(await runCli(['migrate'], lesser())).toMatchObject({
    code: 0,
    stdout: 'schema "escapement" is up to date\n',
  });
});

test('a role that is not there, and a database that is not named, change nothing', {
  timeout: 120_000,
}, async () => {
  const absent = await runCli(['migrate', '--grant-to', 'nobody-here'], owner());
  expect(absent).toMatchObject({ code: 2, stdout: '' });
  expect(absent.stderr).toContain('there is no role "nobody-here"');
  const unnamed = await runCli(['migrate']);
  expect(unnamed).toMatchObject({ code: 2, stdout: '' });
  expect(unnamed.stderr).toContain('ESCAPEMENT_DATABASE_URL');
});
