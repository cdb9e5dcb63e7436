/** Checks at creation that the namespace takes the search attributes of a run. Used by the SDK for schedules and jobs. */
import type { Client } from '@temporalio/client';
import { misfitAttributes } from '../../activities/attributes.ts';
import { type InputIssue, InvalidInputError } from '../contract/errors.ts';
import type { RunPolicy, SearchAttributesInput } from '../contract/schedule.ts';
import { readWorkflowTarget, WORKFLOW_TARGET } from '../contract/workflow-target.ts';

/**
 * Without attributes nothing is asked, and a server that does not tell is taken at its word later.
 * @throws InvalidInputError naming every attribute that is unknown or of another type
 */
export async function refuseUnknownAttributes(
  client: Client,
  subject: string,
  run: RunPolicy,
): Promise<void> {
  const read = run.target.name === WORKFLOW_TARGET ? readWorkflowTarget(run.target.input) : undefined;
  const ofWorkflow = read?.ok === true ? read.workflow.searchAttributes : undefined;
  const issues = [
    ...(await issuesOf(client, 'searchAttributes', run.searchAttributes)),
    ...(await issuesOf(client, 'input.searchAttributes', ofWorkflow)),
  ];
  if (issues.length > 0) throw new InvalidInputError(subject, issues);
}

async function issuesOf(
  client: Client,
  path: string,
  attributes: SearchAttributesInput = {},
): Promise<readonly InputIssue[]> {
  if (Object.keys(attributes).length === 0) return [];
  const misfits = (await misfitAttributes(client, attributes)) ?? [];
  return misfits.map(({ name, message }) => ({ path: `${path}.${name}`, message }));
}
