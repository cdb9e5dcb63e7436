/**
 * Counts in Temporal's own records: a workflow's events over all its runs, and when workflows began. Used by the suites
 * that compare. Both sides are read in the same way; nothing here knows which is which.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import proto from '@temporalio/proto';

const { HistoryEvent } = proto.temporal.api.history.v1;
/** Describes under way at once: enough to be quick, too few to be a load. */
const READS_AT_ONCE = 8;

export interface CountedEvent {
  readonly atMs: number;
  /** Its size as the protobuf message in which the server keeps it. */
  readonly bytes: number;
}

/** All events of a workflow in their order, over the runs that it continued as new. */
export async function allEvents(
  client: Client,
  workflowId: string,
  firstRunId: string,
): Promise<readonly CountedEvent[]> {
  const counted: CountedEvent[] = [];
  let runId: string | undefined = firstRunId;
  while (runId !== undefined) {
    const events: readonly Event[] = await eventsOf(client, workflowId, runId);
    for (const event of events) {
      const { seconds, nanos } = event.eventTime ?? {};
      const atMs = Number(seconds ?? 0) * 1_000 + Number(nanos ?? 0) / 1_000_000;
      counted.push({ atMs, bytes: HistoryEvent.encode(event).finish().length });
    }
    runId = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  return counted;
}

type Event = proto.temporal.api.history.v1.IHistoryEvent;

/** Those of one run. */
export async function eventsOf(client: Client, workflowId: string, runId: string): Promise<readonly Event[]> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  return events ?? [];
}

/** When each of the workflows began, ms since the epoch; undefined for one that was never started. */
export async function startTimes(
  client: Client,
  workflowIds: readonly string[],
): Promise<readonly (number | undefined)[]> {
  const times: (number | undefined)[] = [];
  for (let i = 0; i < workflowIds.length; i += READS_AT_ONCE) {
    const some = workflowIds.slice(i, i + READS_AT_ONCE);
    times.push(...(await Promise.all(some.map((id) => startTime(client, id)))));
  }
  return times;
}

export async function startTime(client: Client, workflowId: string): Promise<number | undefined> {
  try {
    const { startTime: began } = await client.workflow.getHandle(workflowId).describe();
    return began.getTime();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
