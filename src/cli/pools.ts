/** `escapement pool create|list|describe|drain|disband`: speaks to the gateway only. */
import type { GatewayClient, PoolCounts } from '../client/gateway-client.ts';
import { AlreadyExistsError } from '../contract/errors.ts';
import { type QueueEntry, waitText } from '../contract/explanations.ts';
import type { Alloc, Pool, PoolWorker } from '../contract/pools.ts';
import { formatDuration } from '../core/duration.ts';
import { estimateText } from './explain.ts';
import { card, counted, print, section, shortInstant, table } from './output.ts';
import { defined } from './run-flags.ts';
import { collect, type GlobalOptions, openGateway } from './session.ts';

export type CreatePoolOptions = GlobalOptions & {
  readonly workerTtl?: number;
  readonly replicaTtl?: number;
  readonly allocTtl?: number;
  readonly poolTtl?: number;
  readonly retryMax?: number;
  readonly reserveAfter?: number;
  readonly spread?: boolean;
  readonly ifAbsent?: boolean;
};

/** Workers, allocs and evals shown of one pool, and pools of one system: more is for the REST interface. */
const SHOWN_MAX = 1_000;

export async function createPool(id: string, options: CreatePoolOptions): Promise<void> {
  const gateway = await openGateway(options);
  const settings = defined({
    workerTtlMs: options.workerTtl,
    replicaTtlMs: options.replicaTtl,
    allocTtlMs: options.allocTtl,
    poolTtlMs: options.poolTtl,
    retryMax: options.retryMax,
    reserveAfterMs: options.reserveAfter,
    strategy: options.spread === true ? ('spread' as const) : undefined,
  });
  try {
    const pool = await gateway.createPool(id, settings);
    print({ json: { ...pool, created: true }, text: `pool "${id}" created` }, options);
  } catch (error) {
    if (options.ifAbsent !== true || !(error instanceof AlreadyExistsError)) throw error;
    const { counts: _counts, ...pool } = await gateway.getPool(id);
    print({ json: { ...pool, created: false }, text: `pool "${id}" is there already` }, options);
  }
}

export async function listPools(options: GlobalOptions): Promise<void> {
  const gateway = await openGateway(options);
  const pools: (Pool & { readonly counts: PoolCounts })[] = [];
  for (const { id } of await collect((page) => gateway.listPools(page), SHOWN_MAX)) {
    pools.push(await gateway.getPool(id));
  }
  const rows = pools.map(({ id, state, counts }) => [
    id,
    state,
    counts.workers,
    `${counts.capacity - counts.free} of ${counts.capacity}`,
    counts.allocs,
    counts.waiting,
  ]);
  const head = ['pool', 'state', 'workers', 'used', 'running', 'waiting'];
  print({ json: pools, text: await table(head, rows, 'no pools') }, options);
}

export async function drainPool(
  id: string,
  options: GlobalOptions & { readonly off?: boolean },
): Promise<void> {
  const gateway = await openGateway(options);
  const off = options.off === true;
  await gateway.drainPool(id, { off });
  const text = off ? `pool "${id}" takes new ones again` : `pool "${id}" drains: what runs may finish`;
  print({ json: { id, draining: !off }, text }, options);
}

export async function disbandPool(id: string, options: GlobalOptions): Promise<void> {
  const gateway = await openGateway(options);
  const { refused } = await gateway.disbandPool(id);
  const waited = refused.length === 0 ? '' : `; ${counted(refused.length, 'dead letter')} of what waited`;
  print({ json: { id, refused }, text: `pool "${id}" is disbanded: what runs may finish${waited}` }, options);
}

interface PoolContents {
  readonly workers: readonly PoolWorker[];
  readonly allocs: readonly Alloc[];
  /** The first of the queue. */
  readonly waiting: readonly QueueEntry[];
}

export async function describePool(id: string, options: GlobalOptions): Promise<void> {
  const gateway = await openGateway(options);
  const pool = await gateway.getPool(id);
  const contents = await contentsOf(gateway, id);
  print({ json: { ...pool, ...contents }, text: await poolText(pool, contents) }, options);
}

async function contentsOf(gateway: GatewayClient, id: string): Promise<PoolContents> {
  const [workers, allocs, waiting] = await Promise.all([
    collect((page) => gateway.listWorkers(id, page), SHOWN_MAX),
    collect((page) => gateway.listAllocs(id, page), SHOWN_MAX),
    gateway.explainQueue(id),
  ]);
  return { workers, allocs, waiting };
}

async function poolText(pool: Pool & { readonly counts: PoolCounts }, shown: PoolContents): Promise<string> {
  const { settings, counts } = pool;
  const entries: readonly (readonly [string, string])[] = [
    [
      'used',
      `${counts.capacity - counts.free} of ${counts.capacity}, on ${counted(counts.workers, 'worker')}`,
    ],
    ['waiting', String(counts.waiting)],
    [
      'lost after',
      `worker ${formatDuration(settings.workerTtlMs)}, dataset ${formatDuration(settings.replicaTtlMs)}, alloc ${formatDuration(settings.allocTtlMs)}`,
    ],
    ...expiryEntry(pool),
    ['placement', settings.strategy === 'spread' ? 'spread: most left over' : 'pack: least left over'],
    ['dead letter', `after ${counted(settings.retryMax, 'lost worker')}`],
  ];
  const more = Math.max(0, counts.waiting - shown.waiting.length);
  return [
    `pool "${pool.id}" is ${pool.state}\n\n${card(entries)}`,
    section('workers', (await workersTable(shown.workers)).split('\n')),
    shown.allocs.length === 0 ? '' : section('running', (await allocsTable(shown.allocs)).split('\n')),
    shown.waiting.length === 0 ? '' : section('queue', (await queueTable(shown.waiting)).split('\n')),
    more > 0 ? `\n  and ${more} more` : '',
  ].join('');
}

/** Nothing of a pool that stays for ever, or was disbanded by hand. */
function expiryEntry({ state, settings, expiresAtMs }: Pool): (readonly [string, string])[] {
  const after = `after ${formatDuration(settings.poolTtlMs)} without a worker`;
  if (expiresAtMs !== undefined) {
    return [[state === 'disbanded' ? 'expired' : 'expires', `${shortInstant(expiresAtMs)} UTC, ${after}`]];
  }
  return settings.poolTtlMs === 0 || state === 'disbanded' ? [] : [['expires', after]];
}

function workersTable(workers: readonly PoolWorker[]): Promise<string> {
  const head = ['worker', 'state', 'used', 'free', 'peak', 'datasets', 'targets'];
  const rows = workers.map((worker) => [
    worker.id,
    worker.state,
    `${worker.capacity - worker.free} of ${worker.capacity}`,
    worker.free,
    worker.peakUsed,
    worker.datasets.join(', '),
    worker.targets.join(', '),
  ]);
  return table(head, rows, 'none');
}

function allocsTable(allocs: readonly Alloc[]): Promise<string> {
  const head = ['invocation', 'target', 'worker', 'size', 'since (UTC)'];
  const rows = allocs.map((alloc) => [
    alloc.invocationId,
    alloc.target,
    alloc.workerId,
    alloc.size,
    shortInstant(alloc.grantedAtMs),
  ]);
  return table(head, rows, 'none');
}

function queueTable(waiting: readonly QueueEntry[]): Promise<string> {
  const head = ['invocation', 'target', 'place', 'size', 'priority', 'since (UTC)', 'begins', 'why it waits'];
  const rows = waiting.map((wanting) => [
    wanting.invocationId,
    wanting.target,
    wanting.position,
    wanting.size,
    wanting.priority,
    shortInstant(wanting.enqueuedAtMs),
    estimateText(wanting.estimate),
    waitText(wanting.reason),
  ]);
  return table(head, rows, 'none');
}
