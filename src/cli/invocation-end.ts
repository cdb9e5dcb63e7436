/** Waiting for an invocation's end (`--wait`): what it came to, and the exit code 1 where it did not succeed. */
import { WorkflowFailedError } from '@temporalio/client';
import type { InvocationHandle } from '../client/job-handle.ts';
import { messageOf } from './failure.ts';

export interface InvocationEnd {
  readonly succeeded: boolean;
  readonly result?: unknown;
  readonly workerId?: string;
  readonly attempts?: number;
  readonly error?: string;
}

/** Over all its tries, however long that takes. */
export async function awaitEnd(handle: InvocationHandle): Promise<InvocationEnd> {
  try {
    return { succeeded: true, ...(await handle.result()) };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    process.exitCode = 1;
    return { succeeded: false, error: error.cause === undefined ? error.message : messageOf(error.cause) };
  }
}

export function endText({ succeeded, result, workerId, attempts, error }: InvocationEnd): string {
  if (!succeeded) return `failed: ${error}`;
  const on = workerId === undefined ? '' : ` on ${workerId}`;
  const where = `succeeded${on}${attempts !== undefined && attempts > 1 ? ` at try ${attempts}` : ''}`;
  return result === undefined ? where : `${where}\n${resultText(result)}`;
}

/** What a command wrote, as it wrote it; anything else as JSON. */
export function resultText(result: unknown): string {
  if (isCommandResult(result)) return result.stdout.trimEnd();
  return JSON.stringify(result, null, 2);
}

function isCommandResult(result: unknown): result is { readonly stdout: string } {
  if (typeof result !== 'object' || result === null) return false;
  return 'exitCode' in result && 'stdout' in result && typeof result.stdout === 'string';
}
