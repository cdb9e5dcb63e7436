/**
 * What all test files of a run share: one Temporal server, one PostgreSQL server, one bundle of the workflows, one
 * program for time-skipping. Called in `beforeAll` of the tests that need them; the provisioner makes each when it
 * is first asked for, which may take minutes on a machine that has to build or download (hookTimeout allows for it).
 * Files stay apart by names: a deployment prefix on the Temporal server, a database on the PostgreSQL server.
 */
import { randomBytes } from 'node:crypto';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { inject } from 'vitest';
import { createDatabase, type TestDatabase } from './postgres.ts';
import type { ProgramFiles } from './program.ts';

/** Everything the provisioner makes, by name. */
export interface Shared {
  readonly temporal: { readonly address: string; readonly namespace: string };
  /** URL of its maintenance database. */
  readonly postgres: string;
  /** Path of the bundled code. */
  readonly workflowBundle: string;
  readonly timeSkippingProgram: string;
  /** Of this repository. */
  readonly program: ProgramFiles;
}

/** Address and namespace of a real Temporal server. */
export async function sharedTemporal(): Promise<Shared['temporal']> {
  await quietRuntime();
  return await ask('temporal');
}

let quiet: Promise<void> | undefined;

/** Temporal's SDK tells of each worker's every state; only what went wrong belongs among the results. */
export function quietRuntime(): Promise<void> {
  quiet ??= import('@temporalio/worker').then(({ DefaultLogger, Runtime }) => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
  });
  return quiet;
}

/** The workflows of workflows/index.ts, bundled; for `Worker.create({ workflowBundle })`. */
export async function sharedWorkflowBundle(): Promise<{ readonly codePath: string }> {
  return { codePath: await ask('workflowBundle') };
}

/** Path of the time-skipping server; tests use `createTimeSkippingEnvironment` instead. */
export function sharedTimeSkippingProgram(): Promise<string> {
  return ask('timeSkippingProgram');
}

/** What users install: the command line as JavaScript, the workflows bundled. */
export function sharedProgram(): Promise<ProgramFiles> {
  return ask('program');
}

/** A new, empty database on the run's real PostgreSQL server. Drop it in `afterAll`. */
export async function freshDatabase(): Promise<TestDatabase> {
  return createDatabase(await ask('postgres'));
}

/** A deployment prefix nobody else has, for `createNames`: so test files do not meet on the shared server. */
export function freshDeployment(): string {
  return `t${randomBytes(5).toString('hex')}`;
}

async function ask<What extends keyof Shared>(what: What): Promise<Shared[What]> {
  // Not `fetch`: it gives up after five minutes without an answer, and a build may take longer.
  const url = `${inject('provisioner')}/${what}`;
  const { status, body } = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    get(url, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    }).on('error', reject);
  });
  if (status !== 200) throw new Error(`the shared ${what} could not be prepared: ${body}`);
  return JSON.parse(body) as Shared[What];
}
