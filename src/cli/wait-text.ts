/** Why an eval waits, in words. Used by `pool describe` and `invocation describe`. */
import type { WaitReason } from '../contract/pools.ts';
import { assertNever } from '../core/assert.ts';

export function waitText(reason: WaitReason): string {
  switch (reason.kind) {
    case 'no-pool':
      return 'there is no such pool';
    case 'no-workers':
      return 'the pool has no workers';
    case 'no-worker-with-target':
      return `no worker offers "${reason.target}"`;
    case 'no-worker-with-dataset':
      return `no worker holds "${reason.dataset}"`;
    case 'larger-than-any-worker':
      return `larger than any worker: the largest has ${reason.largest}`;
    case 'warming':
      return `waits a while for a worker with "${reason.dataset}"`;
    case 'draining':
      return 'its workers are draining';
    case 'reserved':
      return `freed capacity is kept for ${reason.forEval}`;
    case 'no-free-capacity':
      return `not enough is free: ${reason.largestFree} at most on one worker`;
    default:
      return assertNever(reason);
  }
}
