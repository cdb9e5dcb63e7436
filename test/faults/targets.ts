/**
 * The target of the faults: works for a while, and writes into a journal what it really does, whatever anybody else believes.
 * Loaded by pool workers; a line is one write, so that two processes may share the file.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTarget } from '../../src/worker/targets/target.ts';

/** What it is to do. */
export interface WorkInput {
  readonly ms: number;
  readonly journal: string;
  /** As the run asked for. */
  readonly size: number;
  /** Its first try fails. */
  readonly fails?: boolean;
}

/** One line of the journal. */
export interface JournalLine {
  readonly what: 'begun' | 'done' | 'failed' | 'stopped';
  /** By this machine's clock. */
  readonly atMs: number;
  readonly invocationId: string;
  readonly attempt: number;
  readonly workerId: string;
  readonly pid: number;
  readonly size: number;
}

export default [
  defineTarget<WorkInput>('work', async ({ input, call, worker, signal }) => {
    const write = (what: JournalLine['what']): void => {
      const { invocationId, attempt } = call;
      const line: JournalLine = {
        ...{ what, atMs: Date.now(), invocationId, attempt, workerId: worker.id, pid: process.pid },
        size: input.size,
      };
      appendFileSync(input.journal, `${JSON.stringify(line)}\n`);
    };
    write('begun');
    try {
      await sleep(input.ms, undefined, { signal });
    } catch (error) {
      write('stopped');
      throw error;
    }
    if (input.fails === true && call.attempt === 1) {
      write('failed');
      throw new Error('its first try fails');
    }
    write('done');
    return { by: worker.id };
  }),
];
