/**
 * How an invocation's workflow is started, by `advance` for schedules and by the SDK for jobs: one place for its
 * queue, its retry policy, its search attributes and what the Web UI shows of it.
 */
import {
  defineSearchAttributeKey,
  type RetryPolicy as TemporalRetryPolicy,
  type SearchAttributePair,
} from '@temporalio/common';
import { isoInstant, type Names } from './ids.ts';
import type { InvocationInput } from './invocation.ts';
import type { RetryPolicy } from './schedule.ts';
import { searchAttributePairs } from './search-attributes.ts';

const keys = {
  schedule: defineSearchAttributeKey('EscapementSchedule', 'KEYWORD'),
  pool: defineSearchAttributeKey('EscapementPool', 'KEYWORD'),
  target: defineSearchAttributeKey('EscapementTarget', 'KEYWORD'),
  nominalTime: defineSearchAttributeKey('EscapementNominalTime', 'DATETIME'),
} as const;

/** Options for `client.workflow.start('invocationWorkflow', …)`, with memo and search attributes of the user's own. */
export function invocationStart(names: Names, workflowId: string, input: InvocationInput, dueAtMs: number) {
  const { target, retry, memo, searchAttributes } = input.run;
  const owner = input.scheduleId === undefined ? '' : ` for ${input.scheduleId}`;
  return {
    args: [input] as [InvocationInput],
    taskQueue: names.invocationsQueue,
    workflowId,
    // The default would accept a second start once the first has closed.
    workflowIdReusePolicy: 'REJECT_DUPLICATE' as const,
    retry: temporalRetry(retry),
    staticSummary: `${target.name}${owner}, due ${isoInstant(dueAtMs)}`,
    ...(memo !== undefined && { memo }),
    ...(searchAttributes !== undefined && { typedSearchAttributes: searchAttributePairs(searchAttributes) }),
  };
}

/**
 * The user's own and Escapement's. Only where the latter are registered: a start that names an unknown attribute is refused.
 */
export function invocationAttributes(input: InvocationInput): SearchAttributePair[] {
  return [
    { key: keys.pool, value: input.run.pool },
    { key: keys.target, value: input.run.target.name },
    ...(input.scheduleId === undefined ? [] : [{ key: keys.schedule, value: input.scheduleId }]),
    ...(input.nominalAtMs === undefined
      ? []
      : [{ key: keys.nominalTime, value: new Date(input.nominalAtMs) }]),
    ...searchAttributePairs(input.run.searchAttributes),
  ];
}

/**
 * The workflow's retry policy, so that the Web UI shows it. When to stop is decided in the workflow by throwing
 * retryable or not; with an age limit the count alone must not end it, so no maximum is given then.
 */
function temporalRetry(retry: RetryPolicy): TemporalRetryPolicy {
  return {
    initialInterval: retry.minBackoffMs,
    maximumInterval: retry.maxBackoffMs,
    backoffCoefficient: retry.coefficient,
    ...(retry.ageLimitMs === undefined && { maximumAttempts: retry.limit + 1 }),
  };
}

const INVALID_ARGUMENT = 3;

/** In its own words, why the server will never take a start; undefined where trying again may help. */
export function startRefusal(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === INVALID_ARGUMENT) return cause.message;
  }
  return undefined;
}
