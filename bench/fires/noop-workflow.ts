/**
 * What both sides of the suite `fires` start: a workflow that does nothing, under the name of our invocations. Bundled
 * by `race.ts` and hosted instead of the real one, so that only the schedulers differ. Imports nothing.
 */
export async function invocationWorkflow(): Promise<void> {}
