/** Reads from the database, from Temporal and from the journal what the invariants look at. */
import { readFile } from 'node:fs/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { TargetCall } from '../../src/contract/target.ts';
import { readChanges, type Row } from './changes.ts';
import type { Claim, Execution, Seen, SeenSchedule } from './invariants.ts';
import { CAPACITIES } from './parts.ts';
import type { System } from './system.ts';
import type { JournalLine } from './targets.ts';

/** What belongs to one scenario. */
export interface Scope {
  /** Its ids begin so, whether of schedules or of jobs. */
  readonly prefix: string;
  readonly schedules: readonly Omit<SeenSchedule, 'rows'>[];
  readonly asked: readonly string[];
  readonly workersBefore: readonly Row[];
}

/** To be called once all is quiet. */
export async function observe(system: System, scope: Scope): Promise<Seen> {
  const { sql, names, client } = system;
  const { schema } = names;
  const table = async (of: string): Promise<readonly Row[]> =>
    (await sql.query<Row>(`SELECT * FROM ${schema}.${of}`)).rows;
  const executions = await executionsOf(client, scope.prefix, names.deployment);
  const results = await sql.query<{ invocation_id: string; status: string; lost: number }>(
    `SELECT invocation_id, status, (record->>'lost')::integer AS lost FROM ${schema}.runs WHERE split_part(invocation_id, '/', 2) LIKE $1`,
    [`${scope.prefix}%`],
  );
  return {
    workersBefore: scope.workersBefore,
    changes: await readChanges(sql),
    workers: await table('workers'),
    allocs: await table('allocs'),
    evals: await table('evals'),
    claims: await claimsOf(
      client,
      results.rows.filter(({ status }) => status === 'succeeded').map((row) => row.invocation_id),
    ),
    schedules: await Promise.all(
      scope.schedules.map(async (one) => ({ ...one, rows: await rowsOf(system, one.id) })),
    ),
    executions,
    asked: scope.asked,
    results: results.rows.map(({ invocation_id: invocationId, status, lost }) => ({
      invocationId,
      status,
      lost,
    })),
    journal: await readJournal(system.journal, scope.prefix),
    capacities: CAPACITIES,
  };
}

export async function readWorkers({ sql, names }: System): Promise<readonly Row[]> {
  return (await sql.query<Row>(`SELECT * FROM ${names.schema}.workers`)).rows;
}

export async function rowsOf({ sql, names }: System, scheduleId: string): Promise<SeenSchedule['rows']> {
  const { rows } = await sql.query<{
    kind: string;
    outcome: string;
    from_ms: string;
    to_ms: string;
    count: number;
    invocation_id: string | null;
  }>(`SELECT * FROM ${names.schema}.ledger WHERE schedule_id = $1`, [scheduleId]);
  return rows.map((row) => ({
    ...{ kind: row.kind, outcome: row.outcome, count: row.count },
    fromMs: Number(row.from_ms),
    toMs: Number(row.to_ms),
    ...(row.invocation_id !== null && { invocationId: row.invocation_id }),
  }));
}

export async function readJournal(path: string, prefix: string): Promise<readonly JournalLine[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalLine)
    .filter(({ invocationId }) => invocationId.split('/')[1]?.startsWith(prefix) === true);
}

/** Runs of invocations; the retries of one are a chain that has one first run. */
export async function executionsOf(
  client: Client,
  prefix: string,
  deployment: string,
): Promise<readonly Execution[]> {
  const found: (Execution & { readonly runId: string })[] = [];
  for (const noun of ['schedule', 'job']) {
    const start = `${deployment}.${noun}/${prefix}`;
    const query = `WorkflowType = "invocationWorkflow" AND WorkflowId STARTS_WITH "${start}"`;
    for await (const { workflowId, runId, status } of client.workflow.list({ query })) {
      found.push({ invocationId: workflowId, firstRunId: runId, runId, open: status.name === 'RUNNING' });
    }
  }
  const several = (id: string) => found.filter(({ invocationId }) => invocationId === id).length > 1;
  return await Promise.all(
    found.map(async ({ runId, ...one }) => {
      if (!several(one.invocationId)) return one;
      return { ...one, firstRunId: await firstRunOf(client, one.invocationId, runId) };
    }),
  );
}

/** What a run's own beginning says of its chain. */
async function firstRunOf(client: Client, workflowId: string, runId: string): Promise<string> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  return history?.events?.[0]?.workflowExecutionStartedEventAttributes?.firstExecutionRunId ?? runId;
}

/** Of those that have succeeded: the grant under which the result that counted was made, as their histories tell it. */
async function claimsOf(client: Client, invocationIds: readonly string[]): Promise<readonly Claim[]> {
  const claims = await Promise.all(invocationIds.map((id) => claimOf(client, id)));
  return claims.filter((claim) => claim !== undefined);
}

async function claimOf(client: Client, invocationId: string): Promise<Claim | undefined> {
  try {
    const { events } = await client.workflow.getHandle(invocationId).fetchHistory();
    const all = events ?? [];
    const completed = all.findLast((event) => event.activityTaskCompletedEventAttributes);
    const scheduledId = completed?.activityTaskCompletedEventAttributes?.scheduledEventId;
    const scheduled = all.find(({ eventId }) => eventId?.toString() === scheduledId?.toString());
    const payload = scheduled?.activityTaskScheduledEventAttributes?.input?.payloads?.[0];
    if (payload === undefined) return undefined;
    const { alloc } = defaultPayloadConverter.fromPayload<TargetCall>(payload);
    return { evalId: alloc.id, epoch: alloc.epoch };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
