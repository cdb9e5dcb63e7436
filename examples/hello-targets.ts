/**
 * Targets of your own, the smallest form: an object of name and handler. A pool worker loads it:
 * `npx escapement dev --targets examples/hello-targets.ts`, or `npx escapement pool-worker --targets …`.
 */
import { readdir } from 'node:fs/promises';
import { defineTarget } from 'escapement';

/** Counts what is in a folder. `parse` checks the input; where it throws, the run fails at once and is not retried. */
const countEntries = defineTarget(
  'count-entries',
  async ({ input, call, signal, log }) => {
    const entries = await readdir(input.folder);
    signal.throwIfAborted();
    log.info('counted', { invocation: call.invocationId, attempt: call.attempt });
    return { folder: input.folder, entries: entries.length };
  },
  { parse: readInput },
);

function readInput(input: unknown): { readonly folder: string } {
  if (typeof input === 'object' && input !== null && 'folder' in input && typeof input.folder === 'string') {
    return { folder: input.folder };
  }
  throw new Error('it wants {"folder": "path"}');
}

export default [countEntries];
