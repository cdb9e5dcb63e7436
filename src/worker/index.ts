/** `escapement/worker`: run workers: the orchestration worker, pool workers, or our workflows inside a worker of yours. */
export { type ActivityDeps, createActivities } from '../../activities/index.ts';
export {
  createOrchestrationWorker,
  type OrchestrationOptions,
  type OrchestrationWorker,
  payloadConverterPath,
  workflowsPath,
} from './orchestration.ts';
export { PoolWorker, type PoolWorkerOptions, type PoolWorkerStatus, runPoolWorker } from './pool-worker.ts';
export { registerSearchAttributes } from './search-attributes.ts';
export type { HttpInput } from './targets/http.ts';
export { loadTargets } from './targets/load.ts';
export { createTargets, TargetRegistry } from './targets/registry.ts';
export { defineTarget, type DefineTargetOptions, type Target, type TargetContext } from './targets/target.ts';
// The database, where an orchestration worker of yours needs it.
export { createPostgresStore } from '../store/postgres.ts';
export { createEmbeddedStore } from '../store/embedded.ts';
export type { Store } from '../store/store.ts';
export { GatewayClient } from '../client/gateway-client.ts';
