/**
 * A command in a process group of its own, which ends as a whole: on demand, when the command's own
 * process ends, and when this process dies, be it by SIGKILL. Used by the `command` target.
 * POSIX only (it needs /bin/sh). Promise: nothing that the command started outlives it, as the capacity it
 * used is given back at that moment (but for a process that leaves the group by setsid).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface GroupOptions {
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed. */
  readonly stdin?: string | undefined;
  readonly onStdout: (chunk: Buffer) => void;
  readonly onStderr: (chunk: Buffer) => void;
}

export interface ProcessGroup {
  /** The leader's pid and the group's id. */
  readonly pid: number;
  /** Its exit code, 128 + n for signal n. Resolves once the whole group has ended and its output is read. */
  readonly ended: Promise<number>;
  /** SIGTERM to the group, SIGKILL to what is left after `graceMs`. Idempotent. */
  end(graceMs: number): void;
}

/**
 * Runs the command beside a watcher that reads file descriptor 3, a pipe whose other end only this process
 * has: when this process dies in whatever way, the read ends and the watcher kills the group. The shell
 * traps SIGTERM without effect so that it waits for a command that cleans up; the command itself gets the
 * default handling back.
 */
const SUPERVISE = `
exec 4<&0 </dev/null
"$@" <&4 3<&- 4<&- &
child=$!
exec 4<&-
( trap '' TERM; read -r _ <&3; kill -KILL -$$ ) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
trap : TERM INT HUP
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
kill -KILL "$watcher"
exit "$code"
`;

/** Pipes held open by a process that left the group are not waited for. */
const DRAIN_MS = 1_000;

/** Starts it. @throws Error of Node where it cannot be started (such as a missing working directory) */
export async function startGroup(options: GroupOptions): Promise<ProcessGroup> {
  const child = spawn('/bin/sh', ['-c', SUPERVISE, 'command', ...options.argv], {
    cwd: options.cwd,
    env: { ...options.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const { pid, stdin, stdout, stderr } = child;
  if (pid === undefined || stdin === null || stdout === null || stderr === null) {
    throw new Error('the command was started without its pipes');
  }
  stdout.on('data', options.onStdout);
  stderr.on('data', options.onStderr);
  // A command that does not read its input closes it: no error of ours.
  stdin.on('error', () => {});
  stdin.end(options.stdin ?? '');
  let killTimer: NodeJS.Timeout | undefined;
  const ended = groupEnd(child, pid, [stdout, stderr]).finally(() => clearTimeout(killTimer));
  return {
    pid,
    ended,
    end(graceMs) {
      if (killTimer !== undefined) return;
      signalGroup(pid, 'SIGTERM');
      killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
    },
  };
}

function groupEnd(child: ChildProcess, pid: number, outputs: readonly Readable[]): Promise<number> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      signalGroup(pid, 'SIGKILL');
      const timer = setTimeout(() => {
        for (const output of outputs) output.destroy();
      }, DRAIN_MS);
      child.once('close', () => {
        clearTimeout(timer);
        resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15));
      });
    });
  });
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // No such group: all of it has ended.
  }
}
