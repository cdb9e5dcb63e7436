/** One process of the system under faults: started, told to stop, killed, frozen, and started again on the same ports. */
import { setTimeout as sleep } from 'node:timers/promises';
import { logTail, type OwnedProcess, startOwnedProcess } from '../../src/embedded/owned-process.ts';

export interface PartOptions {
  readonly name: string;
  /** After `node`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Answers 200 once it is fit. */
  readonly healthUrl: string;
}

export interface Part {
  readonly name: string;
  readonly logFile: string;
  /** Of the process that runs now; another one after it was started again. */
  pid(): number;
  /** Starts it, and waits until it is fit. @throws Error with the end of its log where it ends before */
  start(): Promise<void>;
  /** Its process is there, fit or not. */
  runs(): boolean;
  /** @throws Error with the end of its log where it ends before */
  untilFit(): Promise<void>;
  /** Ends it as a crash would. */
  crash(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** Asks it to stop by SIGTERM. Answers its exit code. */
  stop(): Promise<number | null>;
  /** For the end of all: stops it if it runs. */
  close(): Promise<void>;
}

const LOOK_MS = 50;

export function partOf(options: PartOptions): Part {
  let running: OwnedProcess | undefined;
  let alive = false;
  const owned = (): OwnedProcess => {
    if (running === undefined) throw new Error(`${options.name} does not run`);
    return running;
  };
  const untilFit = async (): Promise<void> => {
    const { exited } = owned();
    while (!(await answers(options.healthUrl))) {
      const end = await Promise.race([exited, sleep(LOOK_MS)]);
      if (end === undefined) continue;
      const log = await logTail(options.logFile);
      throw new Error(`${options.name} ended with ${end.signal ?? end.code}; the end of its log:\n${log}`);
    }
  };
  return {
    name: options.name,
    logFile: options.logFile,
    pid: () => owned().pid,
    async start() {
      running = await startOwnedProcess({
        file: process.execPath,
        args: options.args,
        env: environment(options.env),
        logFile: options.logFile,
        stopTimeoutMs: 45_000,
      });
      void running.exited.then(() => {
        alive = false;
      });
      alive = true;
      await untilFit();
    },
    runs: () => alive,
    untilFit,
    async crash() {
      owned().kill('SIGKILL');
      await owned().exited;
    },
    freeze: () => owned().kill('SIGSTOP'),
    thaw: () => owned().kill('SIGCONT'),
    async stop() {
      owned().kill('SIGTERM');
      const { code } = await owned().exited;
      return code;
    },
    async close() {
      running?.kill('SIGCONT');
      await running?.stop();
    },
  };
}

/** Nothing of the run's own settings, nor of the one who runs it. */
function environment(given: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(ESCAPEMENT|TEMPORAL|VITEST|NODE_OPTIONS)/.test(name)
      ? []
      : [[name, value] as const],
  );
  return { ...Object.fromEntries(kept), ...given };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
