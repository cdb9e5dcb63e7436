/** `escapement/client`: start and signal schedules and jobs, read pools and the ledger. Loads no worker. */
export type { BulkAct, BulkOptions, BulkResult } from './bulk.ts';
export { InvocationHandle, type InvocationStatus, JobHandle } from './job-handle.ts';
export { GatewayClient, type GatewayClientOptions } from './gateway-client.ts';
export type { PreviewedTime, PreviewOptions, SchedulePreview } from './preview.ts';
export { ScheduleHandle } from './schedule-handle.ts';
export { type JobOptions, Scheduler, type SchedulerOptions } from './scheduler.ts';
export type { BackfillPreview, BackfillPreviewRequest, BackfillTime } from './backfill-preview.ts';
export type { FireQuery } from './fires.ts';
export type { ScheduleListItem } from './schedules.ts';
export { type Finding, Watcher, type WatchOptions, type WatchReport } from './watch.ts';
// What every side agrees on, and the errors to catch.
export * from '../contract/index.ts';
