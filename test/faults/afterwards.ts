/**
 * What must be so after one scenario and not after every other, each a plain function over what was seen, as the invariants are:
 * it answers what is wrong. Asked by the scenarios; the tests of this folder plant bugs to show that each of them sees.
 */
import type { Seen } from './invariants.ts';

/** Whatever that process began it also ended, be it by stopping: nothing runs on that belongs to another now. */
export function stoppedItself({ journal }: Seen, pid: number): readonly string[] {
  const lines = journal.filter((line) => line.pid === pid);
  const open =
    lines.filter(({ what }) => what === 'begun').length - lines.filter(({ what }) => what !== 'begun').length;
  return open === 0 ? [] : [`the thawed worker still runs ${open} targets that it has lost`];
}

/**
 * A worker that was told to stop leaves nothing to others: what its process had begun was begun nowhere else, cost no evaluation,
 * and was given back by its end. `runsNow` is the process that has its place since.
 */
export function leftNothingUndone(
  { journal, results, changes }: Seen,
  workerId: string,
  runsNow: number,
): readonly string[] {
  const begun = journal.filter(({ what }) => what === 'begun');
  const its = begun.filter((line) => line.workerId === workerId && line.pid !== runsNow);
  const ids = new Set(its.map(({ invocationId }) => invocationId));
  const again = its.flatMap(({ invocationId, attempt }) => {
    const times = begun.filter((one) => one.invocationId === invocationId && one.attempt === attempt).length;
    return times === 1 ? [] : [`try ${attempt} of ${invocationId} was begun ${times} times`];
  });
  return [
    ...(its.length === 0 ? [`worker ${workerId} ran nothing before it was told to stop`] : []),
    ...new Set(again),
    ...results
      .filter(({ invocationId, lost }) => ids.has(invocationId) && lost > 0)
      .map(({ invocationId, lost }) => `${invocationId} has lost ${lost} evaluations`),
    ...givenUp(changes)
      .filter((end) => end.workerId === workerId)
      .map(({ id }) => `${id} was given up when worker ${workerId} left`),
  ];
}

/** An outage is nobody's silence: no worker is taken out, and no run is given up, be it that it goes on or has ended meanwhile. */
export function nobodyExpired({ changes }: Seen): readonly string[] {
  const workers = changes.flatMap(({ table, old, new: row }) =>
    table === 'workers' && row === undefined
      ? [`worker ${String(old?.['id'])} expired though it was healthy`]
      : [],
  );
  const runs = givenUp(changes).map(({ id, workerId }) => `${id} expired though worker ${workerId} had it`);
  return [...workers, ...runs];
}

/** Ends that no holder asked for: their epoch is negative. Of a grant that nobody had taken up there is none, as it only waits again. */
function givenUp(changes: Seen['changes']) {
  return changes.flatMap(({ table, new: end }) =>
    table === 'ended' && end?.['release'] === 'expired' && Number(end['epoch']) < 0
      ? [{ id: String(end['id']), workerId: String(end['worker_id']) }]
      : [],
  );
}
