/** InvocationHandle and JobHandle: one invocation, and one that still waits for its time. */
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { InvalidInputError, NotExistsError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import type { InvocationResult } from '../contract/invocation.ts';
import {
  type ChangeNote,
  describeInvocation,
  type InvocationDescription,
  invocationSignals,
} from '../contract/messages.ts';

/** What Temporal and the invocation itself say of it. */
export interface InvocationStatus {
  readonly id: string;
  /** Temporal's status: RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, … */
  readonly status: string;
  readonly startedAtMs: number;
  readonly closedAtMs?: number;
  /** Absent once it has closed, or while no worker answers. */
  readonly now?: InvocationDescription;
}

export class InvocationHandle {
  constructor(
    protected readonly client: Client,
    /** Its workflow id. */
    readonly id: string,
  ) {}

  async describe(): Promise<InvocationStatus> {
    return await this.call(async () => {
      const handle = this.client.workflow.getHandle(this.id);
      const { status, startTime, closeTime } = await handle.describe();
      const now = status.name === 'RUNNING' ? await this.#ask() : undefined;
      return {
        id: this.id,
        status: status.name,
        startedAtMs: startTime.getTime(),
        ...(closeTime !== undefined && { closedAtMs: closeTime.getTime() }),
        ...(now !== undefined && { now }),
      };
    });
  }

  /** Asks it to stop; what its target holds is given back. One that has ended is left as it is. */
  async cancel(): Promise<void> {
    await this.call(() => this.client.workflow.getHandle(this.id).cancel());
  }

  /** Waits for its end, over all its tries. @throws WorkflowFailedError (Temporal's) where it did not succeed */
  async result(): Promise<InvocationResult> {
    return await this.call(
      () => this.client.workflow.getHandle(this.id).result() as Promise<InvocationResult>,
    );
  }

  protected async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof WorkflowFailedError || !(error instanceof WorkflowNotFoundError)) throw error;
      const message = `invocation "${this.id}" does not exist or has ended; its record may be in the ledger (\`escapement invocation describe\`)`;
      throw new NotExistsError('InvocationNotExists', message, { invocationId: this.id }, { cause: error });
    }
  }

  async #ask(): Promise<InvocationDescription | undefined> {
    try {
      const handle = this.client.workflow.getHandle(this.id);
      return await this.client.connection.withDeadline(Date.now() + 3_000, () =>
        handle.query(describeInvocation),
      );
    } catch {
      // Between two tries, or without a worker, there is nobody to ask: Temporal's own status stands.
      return undefined;
    }
  }
}

export class JobHandle extends InvocationHandle {
  constructor(
    client: Client,
    workflowId: string,
    readonly jobId: string,
  ) {
    super(client, workflowId);
  }

  /** Moves the due time of a job that still waits; one that has begun is left as it is. */
  async reschedule(at: Date | number, note: ChangeNote = {}): Promise<void> {
    const atMs = typeof at === 'number' ? at : at.getTime();
    if (!Number.isFinite(atMs)) {
      const message = `${String(at)} is not an instant`;
      throw new InvalidInputError(`job "${this.jobId}"`, [{ path: 'at', message }]);
    }
    await this.call(() =>
      this.client.workflow
        .getHandle(this.id)
        .signal(invocationSignals.reschedule, { at: isoInstant(atMs), ...note }),
    );
  }
}
