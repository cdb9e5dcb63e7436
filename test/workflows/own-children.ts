/** Workflows as a user would have them, for the target `workflow`. Bundled by `own-worker.ts` beside this. */
import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { CallContext } from '../../src/contract/target.ts';

const go = defineSignal('go');

export async function greet(name: string): Promise<string> {
  return `hello ${name}`;
}

/** Answers what it was told. */
export async function tell(context: CallContext): Promise<unknown> {
  const { memo, typedSearchAttributes } = workflowInfo();
  return { context, memo, attributes: typedSearchAttributes.getAll() };
}

/** Fails twice. */
export async function third({ attempt }: CallContext): Promise<number> {
  if (attempt < 3) throw ApplicationFailure.create({ type: 'NotYet', message: `try ${attempt}` });
  return attempt;
}

export async function never(): Promise<void> {
  throw ApplicationFailure.nonRetryable('no use', 'NoUse');
}

/** Runs until it is told to go, or is cancelled. */
export async function patient(): Promise<string> {
  let told = false;
  setHandler(go, () => {
    told = true;
  });
  await condition(() => told);
  return 'went';
}

export async function large(): Promise<string> {
  return 'x'.repeat(300_000);
}

/** Stands in for a schedule downstream: collects what it is triggered with. */
export async function listening(): Promise<void> {
  const heard: unknown[] = [];
  setHandler(defineSignal<[unknown]>('trigger'), (request) => {
    heard.push(request);
  });
  setHandler(defineQuery<readonly unknown[]>('heard'), () => heard);
  await condition(() => false);
}
