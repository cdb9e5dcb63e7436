/**
 * Every id, queue name and workflow id of the system, made and taken apart in one place.
 * Used by clients, workflows and activities alike, so it is plain string work: no Node, no zod.
 * Promise: what `make` writes `parse` reads back, and two deployments never share a name.
 */

/** Longest id a user may give a schedule, job, pool, worker or dataset, in UTF-16 units. */
export const ID_LENGTH_MAX = 200;

/** Why `id` cannot name a `noun`, or undefined where it can. */
export function idProblem(noun: string, id: unknown): string | undefined {
  if (typeof id !== 'string') return `${noun} id must be a string, got ${typeof id}`;
  if (id.length === 0) return `${noun} id is empty: give it a name such as "nightly"`;
  if (id.length > ID_LENGTH_MAX) {
    return `${noun} id has ${id.length} characters, at most ${ID_LENGTH_MAX} are allowed: "${id.slice(0, 40)}…"`;
  }
  if (id.includes('/')) return `${noun} id "${id}" contains "/": use "." or "-" to separate parts`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(id)) {
    return `${noun} id ${JSON.stringify(id)} contains a control character`;
  }
  // The database would replace it, and two ids be one.
  if (/\p{Surrogate}/u.test(id)) {
    return `${noun} id ${JSON.stringify(id)} contains half of a surrogate pair: it was cut within a character, or is no text`;
  }
  if (id.trim() !== id) return `${noun} id "${id}" begins or ends with white space`;
  return undefined;
}

/** Why `deployment` cannot prefix names, or undefined where it can. Empty is "no prefix". */
export function deploymentProblem(deployment: string): string | undefined {
  if (/^[a-z0-9][a-z0-9-]{0,39}$/.test(deployment) || deployment === '') return undefined;
  return `deployment "${deployment}" must be 1 to 40 of a-z, 0-9 and "-", beginning with a letter or digit`;
}

/** ISO 8601 in UTC; milliseconds only where they are not zero, so whole seconds stay short. */
export function isoInstant(atMs: number): string {
  return new Date(atMs).toISOString().replace('.000Z', 'Z');
}

/** The id under which one worker holds one dataset. */
export function replicaId(datasetId: string, workerId: string): string {
  return `${datasetId}@${workerId}`;
}

/** All names of one deployment. `createNames('')` is the unprefixed default. */
export function createNames(deployment = '') {
  const prefix = deployment === '' ? '' : `${deployment}.`;
  return {
    deployment,
    /** Task queue of schedule workflows and their local activities. */
    schedulesQueue: `${prefix}escapement-schedules`,
    /** Task queue of invocation and pool workflows. */
    invocationsQueue: `${prefix}escapement-invocations`,
    scheduleWorkflowId: (id: string) => `${prefix}schedule/${id}`,
    fireInvocationId: (id: string, nominalAtMs: number) =>
      `${prefix}schedule/${id}/${isoInstant(nominalAtMs)}`,
    manualInvocationId: (id: string, key: string) => `${prefix}schedule/${id}/manual/${key}`,
    /** Of schedule `id`, for an invocation of another (or the same) schedule that has succeeded: one for each. */
    upstreamInvocationId: (id: string, upstreamInvocationId: string) =>
      `${prefix}schedule/${id}/upstream/${withoutStart(upstreamInvocationId, `${prefix}schedule/`)}`,
    jobWorkflowId: (id: string) => `${prefix}job/${id}`,
    poolWorkflowId: (id: string) => `${prefix}pool/${id}`,
    /** The name under which a pool's queue of waiting evals is shown. */
    poolQueueName: (poolId: string) => `${prefix}pool/${poolId}`,
    /** Task queue that one pool worker polls. */
    workerQueueName: (poolId: string, workerId: string) => `${prefix}pool/${poolId}/${workerId}`,
    /** Database schema that holds this deployment's tables. */
    schema: deployment === '' ? 'escapement' : `escapement_${deployment.replaceAll('-', '_')}`,
  } as const;
}

export type Names = ReturnType<typeof createNames>;

function withoutStart(text: string, start: string): string {
  return text.startsWith(start) ? text.slice(start.length) : text;
}

const WORKFLOW_ID = /^(?:([a-z0-9][a-z0-9-]{0,39})\.)?(schedule|job|pool)\/([^/]+)(?:\/(.+))?$/;

/** Takes a workflow id of ours apart; undefined for one that is not ours. */
export function parseWorkflowId(
  workflowId: string,
): { deployment: string; noun: 'schedule' | 'job' | 'pool'; id: string; rest?: string } | undefined {
  const match = WORKFLOW_ID.exec(workflowId);
  if (match === null) return undefined;
  const [, deployment = '', noun, id, rest] = match;
  if (id === undefined || (noun !== 'schedule' && noun !== 'job' && noun !== 'pool')) return undefined;
  return rest === undefined ? { deployment, noun, id } : { deployment, noun, id, rest };
}

/** What made an invocation, told from the part of its workflow id after its schedule's id. */
export type InvocationOrigin =
  | { readonly kind: 'fire'; readonly nominal: string }
  | { readonly kind: 'manual'; readonly key: string }
  /** `upstream`: the other invocation's id, without deployment and `schedule/`. */
  | { readonly kind: 'upstream'; readonly upstream: string };

/**
 * The schedules of a chain of runs of which each has triggered the next, the first one first: told by the id of the last,
 * as each id holds the one before it. Empty for an id that is none of a schedule's runs.
 */
export function chainOf(invocationId: string): readonly string[] {
  const parsed = parseWorkflowId(invocationId);
  if (parsed?.noun !== 'schedule' || parsed.rest === undefined) return [];
  const ids = [parsed.id];
  for (let origin = parseOrigin(parsed.rest); origin.kind === 'upstream'; ) {
    const [id = '', ...rest] = origin.upstream.split('/');
    ids.unshift(id);
    origin = parseOrigin(rest.join('/'));
  }
  return ids;
}

/** Takes `rest` of `parseWorkflowId` apart; a nominal time stays the text that it is. */
export function parseOrigin(rest: string): InvocationOrigin {
  if (rest.startsWith('manual/')) return { kind: 'manual', key: rest.slice('manual/'.length) };
  if (rest.startsWith('upstream/')) return { kind: 'upstream', upstream: rest.slice('upstream/'.length) };
  return { kind: 'fire', nominal: rest.split('/')[0] ?? rest };
}
