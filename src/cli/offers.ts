/**
 * Whether any worker of the pool could run it now: said when a schedule or job is created. Workers may come later,
 * so it is a warning, and an error only with `--strict`. Asks the gateway; without one there is nothing to say.
 */
import type { GatewayClient } from '../client/gateway-client.ts';
import { EscapementError, NotExistsError, UnavailableError } from '../contract/errors.ts';
import type { RunPolicy } from '../contract/schedule.ts';
import { warn } from './output.ts';
import { collect } from './session.ts';

const WORKERS_MAX = 10_000;
/** A gateway that is slow must not hold up what does not need it. */
const ANSWER_MS_MAX = 3_000;

/** @throws EscapementError with `strict`, where nothing could run it or nobody can tell */
export async function heedOffers(gateway: GatewayClient, run: RunPolicy, strict: boolean): Promise<void> {
  const problem = await offerProblem(gateway, run).catch((error: unknown) => {
    if (strict || !isSilence(error)) throw error;
    return undefined;
  });
  if (problem === undefined) return;
  if (!strict) return warn('warning', [`${problem}; it will wait until one comes`]);
  throw new EscapementError(
    'Unavailable',
    `${problem}: nothing was changed (without --strict it would wait)`,
  );
}

/** No gateway, or a key that it does not know: the check is a courtesy. */
function isSilence(error: unknown): boolean {
  return (
    error instanceof UnavailableError || (error instanceof EscapementError && error.code === 'Unauthorized')
  );
}

async function offerProblem(gateway: GatewayClient, run: RunPolicy): Promise<string | undefined> {
  const { pool, size, target, dataset } = run;
  if (size === 0) return undefined;
  const page = (request: { readonly limit: number; readonly cursor?: string }) =>
    gateway.listWorkers(pool, { ...request, timeoutMs: ANSWER_MS_MAX });
  const workers = await collect(page, WORKERS_MAX);
  if (workers.length === 0) return await emptiness(gateway, pool);
  const offering = workers.filter((worker) => worker.targets.includes(target.name));
  if (offering.length === 0) return `no worker of pool "${pool}" offers the target "${target.name}"`;
  const holding =
    dataset?.mode === 'required'
      ? offering.filter((worker) => worker.datasets.includes(dataset.id))
      : offering;
  if (holding.length === 0) {
    return `no worker of pool "${pool}" that offers "${target.name}" holds the dataset "${dataset?.id}"`;
  }
  const largest = Math.max(...holding.map((worker) => worker.capacity));
  if (largest >= size) return undefined;
  return `no worker of pool "${pool}" is large enough for size ${size}: the largest has ${largest}`;
}

/** A pool that is not there lists no workers either. */
async function emptiness(gateway: GatewayClient, pool: string): Promise<string> {
  try {
    await gateway.getPool(pool, { timeoutMs: ANSWER_MS_MAX });
    return `pool "${pool}" has no worker now`;
  } catch (error) {
    if (!(error instanceof NotExistsError)) throw error;
    return `there is no pool "${pool}" (\`escapement pool create ${pool}\` makes it)`;
  }
}
