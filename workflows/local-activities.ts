/** The activities that workflows run inside their own workflow tasks, so that one marker is all they cost. */
import { proxyLocalActivities } from '@temporalio/workflow';
import type { OrchestrationActivities } from '../src/contract/activities.ts';

/** Tried until they succeed: what they need (server, database) comes back, and nothing may be lost until then. */
const RETRY = { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '30s' } as const;

export const local = proxyLocalActivities<Omit<OrchestrationActivities, 'tendPool'>>({
  startToCloseTimeout: '10s',
  localRetryThreshold: '20s',
  retry: RETRY,
});
