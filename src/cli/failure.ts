/**
 * What went wrong, as an exit code and as lines for a person or one line of JSON. Called by main.ts, and by `next`.
 * Promise: an error made on purpose prints what it says and no stack; input at fault is 2, all else 1.
 * It may not import Temporal's packages: `--help` and `next` must start at once.
 */
import { CommanderError } from 'commander';
import { EscapementError, InvalidInputError } from '../contract/errors.ts';
import { shortened } from './output.ts';

const BAD_INPUT = 2;
const FAILED = 1;

/** Prints the error to stderr where that has not been done yet. */
export function exitCodeOf(
  error: unknown,
  options: { readonly verbose: boolean; readonly json: boolean },
): number {
  // Its help, or its version.
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  if (options.json) process.stderr.write(jsonLine(error, options));
  // Commander has printed its complaint already.
  else if (!(error instanceof CommanderError)) printLines(error, options);
  if (error instanceof CommanderError) return BAD_INPUT;
  return error instanceof EscapementError && error.code === 'InvalidInput' ? BAD_INPUT : FAILED;
}

function printLines(error: unknown, { verbose }: { readonly verbose: boolean }): void {
  process.stderr.write(
    linesOf(error)
      .map((line) => `error: ${shortened(line)}\n`)
      .join(''),
  );
  const unexpected = !(error instanceof EscapementError);
  if (verbose && error instanceof Error) process.stderr.write(`${stackOf(error)}\n`);
  else if (unexpected) process.stderr.write('(--verbose shows where this comes from)\n');
}

/** `{"error": {"name", "message", …}}` with what the error knows besides: its code, issues, ids, the present revision. */
export function jsonLine(error: unknown, { verbose = false }: { readonly verbose?: boolean } = {}): string {
  const stack = verbose && error instanceof Error ? { stack: stackOf(error) } : {};
  return `${JSON.stringify({ error: { ...knownOf(error), ...stack } })}\n`;
}

function knownOf(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof CommanderError) {
    // Where it shows its help instead, there is no message.
    const isHelp = error.code === 'commander.help';
    const message = isHelp
      ? 'a command is missing: --help shows them'
      : error.message.replace(/^error: /, '');
    return { name: 'InvalidInputError', code: 'InvalidInput', message };
  }
  const message = messageOf(error);
  if (!(error instanceof EscapementError))
    return { name: error instanceof Error ? error.name : 'Error', message };
  const known = { name: error.name, code: error.code, message: error.message };
  // Again, as no detail may stand in for them.
  return { ...known, ...error.details, ...known };
}

function linesOf(error: unknown): readonly string[] {
  if (error instanceof InvalidInputError) return issueLines(error);
  if (error instanceof EscapementError) return [error.message];
  return [messageOf(error)];
}

/** Several things at fault are several lines. */
function issueLines(error: InvalidInputError): readonly string[] {
  if (error.issues.length < 2) return [error.message];
  const subject = String(error.details['subject']);
  return error.issues.map(({ path, message }) => [subject, path, message].filter(Boolean).join(': '));
}

/** gRPC and the SDK wrap what happened: the innermost cause says it best. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message.trim() === '' ? error.name : error.message;
  if (!(error.cause instanceof Error)) return own;
  const inner = messageOf(error.cause);
  return own.includes(inner) ? own : `${own}: ${inner}`;
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackOf(error.cause)}` : own;
}
