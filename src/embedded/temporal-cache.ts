/**
 * The folder of provisioned programs, outside of any clone and safe to lose, and the lock under which one process
 * fills it while others wait. Called by the ways of `find-temporal.ts` and by the tests' provisioning.
 * Promise: what has its final name there is whole. Imports nothing of the project.
 */
import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** `$ESCAPEMENT_CACHE`, or `escapement` in `$XDG_CACHE_HOME` or `~/.cache`; made if absent. */
export async function cacheFolder(env: NodeJS.ProcessEnv): Promise<string> {
  const named = env.ESCAPEMENT_CACHE;
  const shared = env.XDG_CACHE_HOME;
  const fallback = join(shared ? shared : join(env.HOME ? env.HOME : homedir(), '.cache'), 'escapement');
  const folder = named ? named : fallback;
  await mkdir(folder, { recursive: true });
  return folder;
}

/** The holder touches its lock this often; one not touched for the second length belongs to nobody. */
const LOCK_TOUCH_MS = 5_000;
const LOCK_ABANDONED_MS = 60_000;

/**
 * Runs `work` while no other process runs its work under the same lock file. `onWait` is called once if it has to
 * wait. Two processes that take over an abandoned lock in the same moment may both work: so `work` must write under a
 * name of its own and rename at the end, which makes that a waste and nothing worse.
 */
export async function withCacheLock<T>(
  lockFile: string,
  onWait: () => void,
  work: () => Promise<T>,
): Promise<T> {
  let told = false;
  while (!(await takeLock(lockFile))) {
    if (!told) onWait();
    told = true;
    if (await isAbandoned(lockFile)) await rm(lockFile, { force: true });
    else await sleep(250);
  }
  const touching = setInterval(() => {
    const now = new Date();
    utimes(lockFile, now, now).catch(() => undefined);
  }, LOCK_TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    await rm(lockFile, { force: true });
  }
}

async function takeLock(lockFile: string): Promise<boolean> {
  try {
    await writeFile(lockFile, `${process.pid} ${hostname()}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function isAbandoned(lockFile: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(lockFile, 'utf8'), stat(lockFile)]);
    if (Date.now() - mtimeMs > LOCK_ABANDONED_MS) return true;
    const [pid, host] = text.split(' ');
    // An empty file is a lock in the making. Only on its own host can a process be asked for.
    return text !== '' && host === hostname() && !isRunning(Number(pid));
  } catch {
    return false; // It has just gone: the next attempt to take it will tell.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
