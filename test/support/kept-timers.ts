/**
 * An interceptor for workflows on the time-skipping server: a timer that is given up is left to ring unheard. That server
 * refuses a task that cancels a timer which has rung while the task was under way, and loses count of its tasks ever after. A real server
 * takes it. Part of the bundles that are made for time-skipping.
 */
import { CancellationScope, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

export const interceptors: WorkflowInterceptorsFactory = () => ({
  outbound: [
    {
      async startTimer(input, next) {
        const { cancelRequested } = CancellationScope.current();
        await Promise.race([CancellationScope.nonCancellable(() => next(input)), cancelRequested]);
      },
    },
  ],
});
