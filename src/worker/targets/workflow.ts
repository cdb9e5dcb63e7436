/**
 * The built-in target `workflow`, as a pool worker runs it: it holds capacity for a workflow that runs elsewhere, and does
 * nothing. What starts and watches that workflow is the invocation's own workflow, which cancels this when it has ended.
 */
import { WORKFLOW_TARGET } from '../../contract/workflow-target.ts';
import { defineTarget, type TargetContext } from './target.ts';

/**
 * A cancellation arrives with the answer to a heartbeat, and until then the capacity is in use: so it beats more often
 * than a heartbeat timeout would ask for.
 */
const BEAT_MS = 500;

export const workflowTarget = defineTarget(WORKFLOW_TARGET, holdCapacity);

async function holdCapacity({ input, signal, heartbeat }: TargetContext): Promise<never> {
  const beating = setInterval(() => heartbeat(input), BEAT_MS);
  try {
    return await new Promise<never>((_resolve, reject) => {
      const stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
  } finally {
    clearInterval(beating);
  }
}
