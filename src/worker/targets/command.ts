/**
 * The built-in target `command`: runs a program on the granted worker.
 * Promise: its process group ends with it, with its cancellation and with this worker; its output is
 * bounded; it sees of this process's environment PATH and HOME only.
 */
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { BoundedOutput } from './bounded-output.ts';
import { type ProcessGroup, startGroup } from './process-group.ts';
import { defineTarget, type TargetContext } from './target.ts';
import { toldAsEnvironment } from './told.ts';

const ARGUMENTS_MAX = 1_000;
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
/** Between SIGTERM and SIGKILL. */
const KILL_GRACE_MS = 5_000;
const STDERR_SHOWN = 500;

const fields = {
  /** Default: where the dataset is, else the worker's own working directory. */
  cwd: z.string().min(1).optional(),
  env: z.record(z.string().regex(/^[^=\0]+$/), z.string()).optional(),
  timeoutMs: z.int().min(1).max(TIMEOUT_MS_MAX).optional(),
  stdin: z.string().optional(),
};

const commandInputSchema = z.union([
  z.strictObject({
    command: z.array(z.string()).min(1).max(ARGUMENTS_MAX),
    shell: z.literal(false).optional(),
    ...fields,
  }),
  z.strictObject({ command: z.string().min(1), shell: z.literal(true), ...fields }),
]);

/** `command` is a program with its arguments, or with `shell: true` a line for /bin/sh. */
export type CommandInput = z.input<typeof commandInputSchema>;

export interface CommandResult {
  readonly exitCode: number;
  /** The first and last 16 KB. */
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export const commandTarget = defineTarget('command', runCommand, { parse: parseCommandInput });

function parseCommandInput(input: unknown) {
  const result = commandInputSchema.safeParse(input);
  if (result.success) return result.data;
  throw new Error(
    `${z.prettifyError(result.error)} (it wants {command: ["program", "argument"]} ` +
      'or {command: "line", shell: true}, and may have cwd, env, timeoutMs, stdin)',
  );
}

async function runCommand(context: TargetContext<CommandInput>): Promise<CommandResult> {
  const { input, signal } = context;
  signal.throwIfAborted();
  const stdout = new BoundedOutput();
  const stderr = new BoundedOutput();
  const startedAt = performance.now();
  const group = await start(context, stdout, stderr);
  const end = { timedOut: false };
  const stop = () => group.end(KILL_GRACE_MS);
  const timer =
    input.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          end.timedOut = true;
          stop();
        }, input.timeoutMs);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const exitCode = await group.ended;
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  const durationMs = Math.round(performance.now() - startedAt);
  const result = { exitCode, stdout: stdout.text(), stderr: stderr.text(), durationMs };
  if (end.timedOut)
    throw failed(input, 'CommandTimedOut', `did not end within ${input.timeoutMs} ms`, result);
  if (exitCode !== 0) throw failed(input, 'CommandFailed', `ended with exit code ${exitCode}`, result);
  return result;
}

async function start(
  context: TargetContext<CommandInput>,
  stdout: BoundedOutput,
  stderr: BoundedOutput,
): Promise<ProcessGroup> {
  const { input, dataset } = context;
  try {
    return await startGroup({
      argv: typeof input.command === 'string' ? ['/bin/sh', '-c', input.command] : input.command,
      cwd: input.cwd ?? dataset?.path,
      env: environmentOf(context),
      stdin: input.stdin,
      onStdout: (chunk) => stdout.push(chunk),
      onStderr: (chunk) => stderr.push(chunk),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw ApplicationFailure.create({
      type: 'CommandNotStarted',
      message: `${shown(input)} could not be started (${reason}): does "${input.cwd ?? dataset?.path ?? '.'}" exist on this worker?`,
      ...(error instanceof Error ? { cause: error } : {}),
    });
  }
}

/** The worker's secrets stay its own: PATH and HOME, what the call is about, and what is listed. */
function environmentOf(context: TargetContext<CommandInput>): Record<string, string> {
  const { PATH, HOME } = process.env;
  return {
    ...(PATH !== undefined && { PATH }),
    ...(HOME !== undefined && { HOME }),
    ...toldAsEnvironment(context),
    ...context.input.env,
  };
}

function failed(input: CommandInput, type: string, what: string, result: CommandResult): ApplicationFailure {
  const tail = result.stderr.trimEnd().slice(-STDERR_SHOWN);
  return ApplicationFailure.create({
    type,
    message: `${shown(input)} ${what}${tail === '' ? ' and wrote nothing to standard error' : `: ${tail}`}`,
    details: [result],
  });
}

function shown({ command }: CommandInput): string {
  const line = typeof command === 'string' ? command : command.join(' ');
  return `command "${line.length > 100 ? `${line.slice(0, 100)}…` : line}"`;
}
