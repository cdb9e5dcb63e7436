/** `escapement/contract`: names, messages, definitions and errors. No dependency but types: safe in workflows. */
export type { Calendar, CalendarContent, CalendarTold } from './calendars.ts';
export {
  AlreadyExistsError,
  type ErrorCode,
  EscapementError,
  type InputIssue,
  InvalidInputError,
  NotExistsError,
  PoolDisbandedError,
  UnavailableError,
} from './errors.ts';
export type {
  EvalExplanation,
  EvalStory,
  LostBy,
  PlacementReasons,
  QueueEntry,
  StartEstimate,
} from './explanations.ts';
export { createNames, idProblem, isoInstant, type Names, parseWorkflowId, replicaId } from './ids.ts';
export type { InvocationInput, InvocationResult } from './invocation.ts';
export type { DeadLetter, Fire, LedgerRow, Outcome, RunRecord, RunStatus } from './ledger.ts';
export {
  describeInvocation,
  describeSchedule,
  type InvocationDescription,
  invocationSignals,
  type ScheduleDescription,
  scheduleSignals,
  scheduleUpdates,
  type TriggerResult,
} from './messages.ts';
export type { Alloc, Pool, PoolSettings, PoolWorker, WaitingEval, WaitReason } from './pools.ts';
export type {
  RunInput,
  ScheduleDefinition,
  ScheduleInput,
  SearchAttributesInput,
  SpecInput,
} from './schedule.ts';
export {
  type CallContext,
  type CallTrigger,
  type LastResult,
  NEVER_BEGAN,
  type TargetCall,
  type Why,
  type Window,
} from './target.ts';
export type { WorkflowTargetInput } from './workflow-target.ts';
// For data converters of your own: keeps one undecodable payload from failing a workflow for ever.
export { tolerant } from './payload-converter.ts';
