/**
 * What the suites' schedules start, ours and native ones: a workflow that does nothing, under the name of our
 * invocations. Bundled by `hosts.ts` and hosted instead of the real one, so that only the schedulers differ.
 * Imports nothing.
 */
export async function invocationWorkflow(): Promise<void> {}
