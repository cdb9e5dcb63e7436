/** The library's front door. Sub-paths hold the rest: `escapement/client`, `/worker`, `/contract`, `/workflows`. */

// To start, signal and inspect schedules and jobs.
export { Scheduler, type SchedulerOptions } from './client/scheduler.ts';
// To write the code that runs.
export { defineTarget, type TargetContext, type TargetHandler } from './worker/targets/target.ts';
// To tell errors apart.
export {
  AlreadyExistsError,
  EscapementError,
  InvalidInputError,
  NotExistsError,
  PoolDisbandedError,
  UnavailableError,
} from './contract/errors.ts';
