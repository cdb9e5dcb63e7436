/**
 * The built-in target `workflow`: what its input may hold. It starts a workflow of the user's own as a child of the
 * invocation. Read at the edges, where a schedule or job is created, and again by the invocation's workflow, as a trigger
 * may bring an input of its own; so it loads no zod.
 */
import { parseDuration } from '../core/duration.ts';
import type { InputIssue } from './errors.ts';
import { isRecord } from './message-shape.ts';
import type { DurationInput, SearchAttributesInput } from './schedule.ts';
import { memoIssues, searchAttributesIssues } from './search-attributes.ts';

export const WORKFLOW_TARGET = 'workflow';

/** The input of the target `workflow`. */
export interface WorkflowTargetInput {
  /** Workflow type. */
  readonly type: string;
  /** Where workers of the user's own poll for it. */
  readonly taskQueue: string;
  /** Default: one argument, the call's context (see `CallContext`). */
  readonly args?: readonly unknown[];
  /** Default: `<invocation id>/workflow/<attempt>`. With one of its own only one of them runs at a time. */
  readonly workflowId?: string;
  readonly memo?: Readonly<Record<string, unknown>>;
  readonly searchAttributes?: SearchAttributesInput;
  /** Over all its runs; never longer than the attempt's timeout. */
  readonly executionTimeout?: DurationInput;
  /** One line that the Web UI shows beside it. */
  readonly summary?: string;
}

export type WorkflowToStart = Omit<WorkflowTargetInput, 'executionTimeout'> & {
  readonly executionTimeoutMs?: number;
};

export type ReadWorkflowTarget =
  | { readonly ok: true; readonly workflow: WorkflowToStart }
  | { readonly ok: false; readonly issues: readonly InputIssue[] };

/** Temporal takes names of up to 1,000 bytes; a character may have four. */
const NAME_LENGTH_MAX = 250;
const ARGS_MAX = 100;
const SUMMARY_LENGTH_MAX = 200;
const EXAMPLE = '{ "type": "reportWorkflow", "taskQueue": "reports" }';

/** @param path of the input, put before each issue's */
export function readWorkflowTarget(input: unknown, path = 'input'): ReadWorkflowTarget {
  if (!isRecord(input)) {
    const got = input === undefined ? 'nothing' : JSON.stringify(input);
    return { ok: false, issues: [{ path, message: `must be an object such as ${EXAMPLE}, got ${got}` }] };
  }
  const issues = Object.entries(CHECKS).flatMap(([name, check]) => {
    const at = `${path}.${name}`;
    const found = check(input[name], at);
    return typeof found === 'string' ? [{ path: at, message: found }] : found;
  });
  for (const name of Object.keys(input)) {
    if (Object.hasOwn(CHECKS, name)) continue;
    const message = `is no field of the target "workflow": known are ${Object.keys(CHECKS).join(', ')}`;
    issues.push({ path: `${path}.${name}`, message });
  }
  if (issues.length > 0) return { ok: false, issues };
  const { executionTimeout, ...workflow } = input as unknown as WorkflowTargetInput;
  const parsed = executionTimeout === undefined ? undefined : parseDuration(executionTimeout);
  return {
    ok: true,
    workflow: { ...workflow, ...(parsed?.ok === true && { executionTimeoutMs: parsed.ms }) },
  };
}

/** What is wrong with a field, as one sentence or as issues within it. */
type Check = (value: unknown, path: string) => string | readonly InputIssue[];

const CHECKS: Readonly<Record<keyof WorkflowTargetInput, Check>> = {
  type: (value) => nameProblem(value) ?? [],
  taskQueue: (value) =>
    nameProblem(value) ??
    (String(value).startsWith('/_sys/') ? `"${String(value)}" is a queue of Temporal itself` : []),
  args: (value) => {
    if (value === undefined || (Array.isArray(value) && value.length <= ARGS_MAX)) return [];
    return Array.isArray(value)
      ? `has ${value.length} arguments, at most ${ARGS_MAX} are allowed`
      : `must be a list of arguments, got ${JSON.stringify(value)}: write [${JSON.stringify(value)}] for one`;
  },
  workflowId: (value) => (value === undefined ? [] : (nameProblem(value) ?? [])),
  memo: (value, path) => (value === undefined ? [] : memoIssues(value, path)),
  searchAttributes: (value, path) => (value === undefined ? [] : searchAttributesIssues(value, path)),
  executionTimeout: (value) => {
    if (value === undefined) return [];
    if (typeof value !== 'number' && typeof value !== 'string') {
      return `must be a length of time such as "30m", got ${JSON.stringify(value)}`;
    }
    const parsed = parseDuration(value);
    if (!parsed.ok) return parsed.message;
    return parsed.ms >= 1 ? [] : `must be at least 1 ms, got ${JSON.stringify(value)}`;
  },
  summary: (value) =>
    value === undefined || (typeof value === 'string' && value.length <= SUMMARY_LENGTH_MAX)
      ? []
      : `must be text of at most ${SUMMARY_LENGTH_MAX} characters`,
};

function nameProblem(value: unknown): string | undefined {
  if (value === undefined) return `is missing: it wants for example ${EXAMPLE}`;
  if (typeof value !== 'string' || value.trim() === '') return `must be a name, got ${JSON.stringify(value)}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) return 'contains a control character';
  return value.length <= NAME_LENGTH_MAX
    ? undefined
    : `has ${value.length} characters, at most ${NAME_LENGTH_MAX} are allowed`;
}
