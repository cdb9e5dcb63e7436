/**
 * The command line as a person meets it: a process with arguments, an environment of its own, an exit code and two
 * texts. Used by the tests of this folder.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedProgram } from '../support/shared.ts';

const { main: MAIN } = await sharedProgram();

/** Where a system is; nothing of the environment of the test run itself reaches the command. */
export type CliEnvironment = Readonly<Record<string, string>>;

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], environment: CliEnvironment): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(ESCAPEMENT|TEMPORAL)_/.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    USER: 'tester',
    ESCAPEMENT_STATE: join(tmpdir(), 'escapement-no-such-state'),
    // Nobody listens there: a test that forgets to say where its system is fails instead of meeting another.
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    ESCAPEMENT_GATEWAY_URL: 'http://127.0.0.1:1',
    ...environment,
  };
  return spawn(process.execPath, [MAIN, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs a command to its end. */
export async function runCli(args: readonly string[], environment: CliEnvironment = {}): Promise<CliResult> {
  const child = start(args, environment);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** A command that stays until it is told to stop. */
export interface CliProcess {
  /** The first line of stdout or stderr, past or future, that contains `text`. */
  line(text: string): Promise<string>;
  lines(): readonly string[];
  /** Sends a signal and waits for the end. Answers the exit code; null where a signal ended it. */
  end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | null>;
}

export function startCli(args: readonly string[], environment: CliEnvironment): CliProcess {
  const child = start(args, environment);
  const ended = once(child, 'close') as Promise<[number | null]>;
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
  }
  return {
    lines: () => lines,
    line: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => line.includes(text));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
        void ended.then(([code]) => {
          const all = lines.join('\n');
          reject(new Error(`${args.join(' ')} ended with ${code} before it wrote "${text}":\n${all}`));
        });
      }),
    end: async (signal) => {
      child.kill(signal);
      const [code] = await ended;
      return code;
    },
  };
}
