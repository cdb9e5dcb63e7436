/**
 * The lock file that gives one process a data directory: two processes on one PGlite directory would
 * silently lose rows. Called by `embedded.ts`. Promise: at most one living process holds a lock; a lock is
 * taken over only from a process that is dead, or whose id another process has now.
 * It guards one machine, not a directory shared between machines or process namespaces.
 */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { EscapementError } from '../contract/errors.ts';

interface Owner {
  readonly pid: number;
  /** Start of the process in the kernel's ticks; tells a re-used pid. Absent where there is no /proc. */
  readonly startedAt?: string;
}

export interface OwnerLock {
  release(): void;
}

/** A lock, the lock on taking it over, and so on: each level needs a process that died inside the one before. */
const LEVELS_MAX = 5;

/**
 * Takes the lock at `path` for this process.
 * @throws EscapementError `StateOwned` where a living process holds it, naming its pid
 */
export function takeOwnerLock(path: string, subject: string): OwnerLock {
  acquire(path, subject, 1);
  return {
    release() {
      const owner = readOwner(path);
      if (owner?.pid === process.pid) unlinkSync(path);
    },
  };
}

function acquire(path: string, subject: string, level: number): void {
  // Written first and then linked: nobody ever reads a lock that is half written.
  const mine = `${path}.${randomUUID()}`;
  writeFileSync(mine, JSON.stringify(self()), { mode: 0o600 });
  try {
    if (linked(mine, path)) return;
    const owner = readOwner(path);
    if (owner !== undefined && alive(owner)) throw owned(subject, path, owner.pid);
    if (level === LEVELS_MAX) throw owned(subject, path, owner?.pid);
    // Only one process may replace a dead one's lock, or two would each remove the other's.
    const takeover = `${path}.takeover`;
    acquire(takeover, subject, level + 1);
    try {
      const still = readOwner(path);
      if (still !== undefined && alive(still)) throw owned(subject, path, still.pid);
      renameSync(mine, path);
    } finally {
      unlinkSync(takeover);
    }
  } finally {
    removeIfThere(mine);
  }
}

function self(): Owner {
  const startedAt = startOf(process.pid);
  return startedAt === undefined ? { pid: process.pid } : { pid: process.pid, startedAt };
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
}

/** Undefined where the file is gone or was not written by us: then nobody living holds it. */
function readOwner(path: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value)) return undefined;
    if (typeof value.pid !== 'number') return undefined;
    const startedAt = 'startedAt' in value ? value.startedAt : undefined;
    return typeof startedAt === 'string' ? { pid: value.pid, startedAt } : { pid: value.pid };
  } catch (error) {
    if (isCode(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function alive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (isCode(error, 'ESRCH')) return false;
    // EPERM: it lives, under another user.
  }
  const startedAt = startOf(owner.pid);
  return startedAt === undefined || owner.startedAt === undefined || startedAt === owner.startedAt;
}

/** Field 22 of /proc/<pid>/stat. The name in field 2 may hold spaces, so counting begins behind it. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function owned(subject: string, path: string, pid: number | undefined): EscapementError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new EscapementError(
    'StateOwned',
    `${subject} is in use by ${who}: use the one that runs, or stop it${pid === undefined ? '' : ` (kill ${pid})`} and start again`,
    { path, pid },
  );
}
