/** Workflows of a worker of yours: Escapement's, and your own beside them. Bundled by `examples/own-worker.ts`. */
export * from 'escapement/workflows';

export async function greetWorkflow(name: string): Promise<string> {
  return `hello ${name}`;
}
