/**
 * Runs a server program that must neither die before us nor outlive us. Called by everything that starts one
 * (Temporal server, test databases).
 * Promise: Ctrl-C in the terminal does not reach the program (it has a process group of its own), `stop` ends it
 * within a bound, and when this process ends in any way, SIGKILL included, a watchdog ends the program.
 * Imports nothing of the project.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';

export interface OwnedProcessOptions {
  /** Path of the program; not looked up on PATH. */
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Gets stdout and stderr, appended. */
  readonly logFile: string;
  /** The signal that asks the program to end in order. Default SIGTERM. */
  readonly stopSignal?: 'SIGTERM' | 'SIGINT';
  /** How long `stop` waits before SIGKILL. Default 10 s. */
  readonly stopTimeoutMs?: number;
  /** Run as another user (only root may). */
  readonly uid?: number;
  readonly gid?: number;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface OwnedProcess {
  readonly pid: number;
  /** Settles once the program has ended, whoever ended it; never rejects. */
  readonly exited: Promise<ProcessEnd>;
  /** Sends a signal; does nothing once the program has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Ends the program: its stop signal, then SIGKILL after the bound. Idempotent. */
  stop(): Promise<void>;
}

/** Starts the program. @throws the error of the system where it cannot be run at all (missing, not executable). */
export async function startOwnedProcess(options: OwnedProcessOptions): Promise<OwnedProcess> {
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.file, options.args, {
    detached: true,
    stdio: ['ignore', log, log],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  closeSync(log);
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  await once(child, 'spawn');
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${options.file} has started without a process id`);

  const stopSignal = options.stopSignal ?? 'SIGTERM';
  const watchdog = startWatchdog(pid, stopSignal);
  const exited = ended.then(async (end) => {
    await dismiss(watchdog);
    return end;
  });
  return {
    pid,
    exited,
    kill: (signal) => void child.kill(signal),
    stop: () => stopChild(child, exited, stopSignal, options.stopTimeoutMs ?? 10_000),
  };
}

async function stopChild(
  child: ChildProcess,
  exited: Promise<ProcessEnd>,
  stopSignal: NodeJS.Signals,
  timeoutMs: number,
): Promise<void> {
  child.kill(stopSignal);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  await exited;
  clearTimeout(timer);
}

/**
 * A line on stdin dismisses it; end of file without one means that we are gone, so it ends the program. The system
 * closes our end of the pipe however we die, which no exit handler could promise.
 */
const WATCHDOG = `
read -r line && exit 0
kill -s "$2" "$1" 2>/dev/null || exit 0
left=50
while [ "$left" -gt 0 ] && kill -0 "$1" 2>/dev/null; do left=$((left - 1)); sleep 0.1; done
kill -s KILL "$1" 2>/dev/null
`;

function startWatchdog(pid: number, stopSignal: 'SIGTERM' | 'SIGINT'): ChildProcess | undefined {
  if (process.platform === 'win32') {
    process.once('exit', () => process.kill(pid));
    return undefined;
  }
  const args = ['-c', WATCHDOG, 'escapement-watchdog', String(pid), stopSignal.replace('SIG', '')];
  const watchdog = spawn('/bin/sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // It is a safety net: a system without /bin/sh, or somebody killing it, must not take the program down.
  watchdog.on('error', () => undefined);
  watchdog.stdin?.on('error', () => undefined);
  return watchdog;
}

async function dismiss(watchdog: ChildProcess | undefined): Promise<void> {
  if (watchdog === undefined || watchdog.pid === undefined) return;
  if (watchdog.exitCode !== null || watchdog.signalCode !== null) return;
  const gone = once(watchdog, 'exit');
  watchdog.stdin?.end('\n');
  await gone;
}

/** The end of a log, for error messages; empty where there is none. */
export async function logTail(logFile: string, bytesMax = 2_000): Promise<string> {
  try {
    const file = await open(logFile, 'r');
    try {
      const { size } = await file.stat();
      const length = Math.min(size, bytesMax);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('utf8').trim();
    } finally {
      await file.close();
    }
  } catch {
    return '';
  }
}
