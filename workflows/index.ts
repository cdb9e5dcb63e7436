/** The workflow functions of Escapement, and nothing else: everything exported here can be started. */
export { invocationWorkflow } from './invocation.ts';
export { poolWorkflow } from './pool.ts';
export { scheduleWorkflow } from './schedule.ts';
