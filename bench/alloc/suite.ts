/**
 * Suite `alloc`: grants through the store, each followed by its release, on a PostgreSQL that writes through to the disk:
 * beside commits of one row and beside claims one at a time; in pools nearly empty and nearly full, of 1,000 workers and
 * of 10,000; fresh and after many grants; and what renewals cost. All in one run. Run by `main.ts`.
 */
import { onPostgres, type PostgresGround } from '../postgres-ground.ts';
import { percentile } from '../statistics.ts';
import { type Goal, type Measured, type Row, type Settings, type Suite, toRow } from '../suite.ts';
import { fill, grant, makePool, type Pool, type Rate, release, run, times } from './load.ts';
import { createPeers, type Peers } from './peers.ts';
import { countRenewals, type RenewalCost } from './renewals.ts';

const WORKERS = 1_000;
const MANY_WORKERS = 10_000;
const FOR_MS = 2_000;
const FEW = 64;
const MANY = 256;
/** Measurements of a repeat. */
const STEPS = 9;

export const alloc: Suite = {
  summary: 'grants per second through the store, beside one-row commits and one-at-a-time claims',
  defaults: { repeats: 5, count: 100_000 },
  counts: 'grants before those that are compared with fresh ones',
  countMax: 1_000_000,
  lengthMs: ({ repeats, count }) => 60_000 + repeats * (STEPS + 3) * FOR_MS * 1.3 + count / 5,
  run: (settings, context) => onPostgres(context, (ground) => measure(ground, settings)),
};

interface Pools {
  readonly plain: Pool;
  readonly large: Pool;
  /** A tenth of it is taken. */
  readonly empty: Pool;
  /** A twentieth of it is free. */
  readonly full: Pool;
}

/** One repeat, per second. */
interface Scores {
  readonly oneRow: number;
  readonly oneAtATime: number;
  readonly few: Rate;
  readonly many: Rate;
  readonly large: Rate;
  readonly empty: Rate;
  readonly full: Rate;
}

/** Grants of a pool that has seen many, and the commits of one row beside them. */
type Aged = Pick<Scores, 'oneRow' | 'few'>;

interface Renewals {
  readonly single: RenewalCost;
  readonly crowd: RenewalCost;
}

async function measure(ground: PostgresGround, { repeats, count }: Settings): Promise<readonly Row[]> {
  const { url, store, progress, signal } = ground;
  const peers = await createPeers(url);
  try {
    const pools = await makePools(ground);
    const scores: Scores[] = [];
    for (let repeat = 1; repeat <= repeats; repeat += 1) {
      signal.throwIfAborted();
      const score = await scoreOnce(ground, peers, pools);
      scores.push(score);
      progress(`repeat ${repeat}: ${said(score)}`);
    }
    progress(`${count} grants in one pool`);
    await times(count, MANY, async () => {
      signal.throwIfAborted();
      await release(store, await grant(store, pools.plain));
    });
    const aged: Aged[] = [];
    for (let repeat = 1; repeat <= repeats; repeat += 1) {
      const oneRow = await peers.oneRow(FOR_MS);
      aged.push({ oneRow, few: await run(store, pools.plain, { callers: FEW, forMs: FOR_MS }) });
    }
    const counted = (atOnce: number) =>
      countRenewals(url, store, { poolId: pools.plain.id, workers: WORKERS, atOnce });
    const renewals = { single: await counted(1), crowd: await counted(WORKERS) };
    return rowsOf(scores, aged, renewals, count);
  } finally {
    await peers.close();
  }
}

async function makePools({ store, progress }: PostgresGround): Promise<Pools> {
  progress(`registering ${WORKERS} workers three times, and ${MANY_WORKERS}`);
  const plain = await makePool(store, 'plain', WORKERS);
  const empty = await makePool(store, 'empty', WORKERS);
  const full = await makePool(store, 'full', WORKERS);
  const large = await makePool(store, 'large', MANY_WORKERS);
  await fill(store, empty, 0.1);
  await fill(store, full, 0.95);
  return { plain, large, empty, full };
}

async function scoreOnce({ store }: PostgresGround, peers: Peers, pools: Pools): Promise<Scores> {
  const grants = (pool: Pool, callers: number) => run(store, pool, { callers, forMs: FOR_MS });
  return {
    oneRow: await peers.oneRow(FOR_MS),
    few: await grants(pools.plain, FEW),
    many: await grants(pools.plain, MANY),
    oneAtATime: await peers.oneAtATime(FOR_MS, FEW),
    large: await grants(pools.large, FEW),
    empty: await grants(pools.empty, FEW),
    full: await grants(pools.full, FEW),
  };
}

function said({ oneRow, few, many, oneAtATime, large, empty, full }: Scores): string {
  const text = (perSecond: number) => `${Math.round(perSecond)}/s`;
  return [
    `one-row commits ${text(oneRow)}`,
    `grants ${text(few.perSecond)} (${FEW} callers), ${text(many.perSecond)} (${MANY})`,
    `one at a time ${text(oneAtATime)}`,
    `${MANY_WORKERS} workers ${text(large.perSecond)}`,
    `10 % full ${text(empty.perSecond)}, 95 % ${text(full.perSecond)}`,
  ].join('; ');
}

function rowsOf(
  scores: readonly Scores[],
  aged: readonly Aged[],
  { single, crowd }: Renewals,
  count: number,
): readonly Row[] {
  const row = (
    metric: string,
    ours: (score: Scores) => number,
    peer: (score: Scores) => number,
    goal: Goal,
  ): Measured => ({ metric, ours: scores.map(ours), peer: scores.map(peer), goal });
  const atLeast = (ratio: number): Goal => ({ atLeast: { ratio } });
  const perCommit = ({ few, oneRow }: Aged) => few.perSecond / oneRow;
  const measured: readonly Measured[] = [
    row(
      `grants/s, ${FEW} callers; one-row commits/s`,
      (s) => s.few.perSecond,
      (s) => s.oneRow,
      atLeast(1),
    ),
    row(
      `grants/s, ${MANY} callers; one-row commits/s`,
      (s) => s.many.perSecond,
      (s) => s.oneRow,
      atLeast(2.5),
    ),
    row(
      `grants/s, ${FEW} callers; one at a time`,
      (s) => s.few.perSecond,
      (s) => s.oneAtATime,
      atLeast(5),
    ),
    row(
      `grants/s, ${MANY} callers; one at a time`,
      (s) => s.many.perSecond,
      (s) => s.oneAtATime,
      atLeast(5),
    ),
    row(
      'grants/s, 95 % full; 10 % full',
      (s) => s.full.perSecond,
      (s) => s.empty.perSecond,
      atLeast(0.5),
    ),
    row(
      `grants/s, ${MANY_WORKERS} workers; ${WORKERS}`,
      (s) => s.large.perSecond,
      (s) => s.few.perSecond,
      atLeast(0.3),
    ),
    {
      metric: `grants per one-row commit, after ${count} grants; fresh`,
      ours: aged.map(perCommit),
      peer: scores.map(perCommit),
      goal: atLeast(0.8),
    },
    row(
      `claim p99 (ms), ${FEW} callers; p50`,
      (s) => percentile(s.few.grantMs, 99),
      (s) => percentile(s.few.grantMs, 50),
      { ratio: 5 },
    ),
    { metric: 'renewing statements per renewal', ours: [single.renewing], goal: { ours: 1 } },
    { metric: 'other statements per renewal', ours: [single.others] },
    {
      metric: `renewing statements per renewal, ${WORKERS} at once`,
      ours: [crowd.renewing],
      goal: { ours: 1 },
    },
  ];
  return measured.map(toRow);
}
