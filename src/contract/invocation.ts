/** What an invocation's workflow is started with: by `advance` for schedules, by the SDK for jobs. Types only. */
import type { RunPolicy } from './schedule.ts';
import type { Why } from './target.ts';

export interface InvocationInput {
  readonly run: RunPolicy;
  readonly why: Why;
  readonly scheduleId?: string;
  /** The schedule's creation, so that a re-created schedule is another. */
  readonly creation?: string;
  readonly jobId?: string;
  /** The instant the spec names; for a job its due time. */
  readonly nominalAtMs?: number;
  /** When the start was asked for; with `dueAtMs` it tells when the first try began, over all tries. */
  readonly requestedAtMs: number;
  /** A job waits for it; in the past it runs at once. */
  readonly dueAtMs?: number;
  /** Schedule workflow that is told `invocationEnded`; absent where no policy needs it. */
  readonly notify?: string;
}

/** What a succeeded invocation's workflow returns. */
export interface InvocationResult {
  readonly result?: unknown;
  readonly workerId: string;
  readonly attempts: number;
}
