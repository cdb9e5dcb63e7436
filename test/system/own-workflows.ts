/** A user's workflow file that hosts Escapement beside a workflow of its own. */
export * from '../../workflows/index.ts';

export async function greetWorkflow(name: string): Promise<string> {
  return `hello ${name}`;
}
