/**
 * The invariants of pools and schedules, each a plain function over what was seen: it answers what is wrong, in words that name
 * the ids, and nothing where all is well. The tests of this folder plant bugs to show that each of them sees.
 * Imports types only.
 */
import type { Change, Row } from './changes.ts';
import type { JournalLine } from './targets.ts';

/** A result that counted, and the grant under which it was made. */
export interface Claim {
  readonly evalId: string;
  readonly epoch: number;
}

export interface SeenSchedule {
  readonly id: string;
  readonly everyMs: number;
  /** Nominal times after the first and up to the second are due. */
  readonly createdAtMs: number;
  readonly untilMs: number;
  readonly rows: readonly {
    readonly kind: string;
    readonly outcome: string;
    readonly fromMs: number;
    readonly toMs: number;
    readonly count: number;
    readonly invocationId?: string;
  }[];
}

export interface Execution {
  readonly invocationId: string;
  /** Its first run; retries go on under it. */
  readonly firstRunId: string;
  readonly open: boolean;
}

/** What was seen of one scenario, from its quiet beginning to its quiet end. */
export interface Seen {
  readonly workersBefore: readonly Row[];
  readonly changes: readonly Change[];
  readonly workers: readonly Row[];
  readonly allocs: readonly Row[];
  readonly evals: readonly Row[];
  readonly claims: readonly Claim[];
  readonly schedules: readonly SeenSchedule[];
  readonly executions: readonly Execution[];
  /** Jobs and triggers that the scenario itself asked for. */
  readonly asked: readonly string[];
  readonly results: readonly {
    readonly invocationId: string;
    readonly status: string;
    readonly lost: number;
  }[];
  readonly journal: readonly JournalLine[];
  readonly capacities: Readonly<Record<string, number>>;
}

type Invariant = (seen: Seen) => readonly string[];

export const INVARIANTS = {
  /** The sum of live allocs never exceeds their worker's capacity. */
  capacity: ({ workersBefore, changes }) =>
    replay(workersBefore, changes).flatMap(({ workers, allocs, granted }) =>
      [...new Set(granted.map((alloc) => text(alloc['worker_id'])))].flatMap((id) => {
        const held = unitsOf(allocs, id);
        const capacity = number(workers.get(id)?.['capacity']);
        return held > capacity ? [`worker ${id} has ${held} units granted of ${capacity}`] : [];
      }),
    ),
  /** What the worker's row says is in use is what its allocs hold: each was given back once. */
  'given back once': ({ workersBefore, changes }) =>
    replay(workersBefore, changes).flatMap(({ workers, allocs }) =>
      [...workers].flatMap(([id, worker]) => {
        const held = unitsOf(allocs, id);
        const used = number(worker['used']);
        return held === used ? [] : [`worker ${id} says ${used} units are in use, its allocs hold ${held}`];
      }),
    ),
  /** After quiet nothing is held and nobody waits. */
  'free when quiet': ({ workers, allocs, evals }) => [
    ...allocs.map((alloc) => `${text(alloc['id'])} still holds ${number(alloc['size'])} units`),
    ...evals.map((one) => `${text(one['id'])} still waits`),
    ...workers
      .filter((worker) => number(worker['used']) !== 0)
      .map((worker) => `worker ${text(worker['id'])} has ${number(worker['used'])} units in use`),
  ],
  /** Nothing is accepted of a holder whose grant has passed on: epochs grow, and each result ended the grant it was made under. */
  epoch: ({ changes, claims }) => [...shrinkingEpochs(changes), ...staleClaims(changes, claims)],
  /** Who is out of the pool is granted nothing, and renews nothing. */
  'gone is gone': ({ changes }) => fromTheGone(changes),
  /** Only the database's clock decides: every instant written lies within the transaction that wrote it. */
  'database clock': ({ changes }) => changes.flatMap(strangeInstants),
  /** Nothing expires before its time. */
  'expired in time': ({ workersBefore, changes }) => expiredEarly(workersBefore, changes),
  /** One automatic invocation for each (schedule, nominal time). */
  'one invocation': ({ executions, schedules }) => [
    ...[...grouped(executions, (one) => one.invocationId)].flatMap(([id, all]) => {
      const runs = new Set(all.map(({ firstRunId }) => firstRunId)).size;
      return runs === 1 ? [] : [`${id} was started ${runs} times`];
    }),
    ...schedules.flatMap(({ rows }) =>
      [
        ...grouped(
          rows.filter(({ outcome }) => outcome === 'started'),
          (row) => row.invocationId ?? '',
        ),
      ].flatMap(([id, all]) => (all.length === 1 ? [] : [`${id} has ${all.length} rows`])),
    ),
  ],
  /** Every due time is in exactly one row. */
  'due = sum of counts': ({ schedules }) => schedules.flatMap(unaccounted),
  /** Every invocation that was started, and every job asked for, has an end on record. */
  'nothing lost': (seen) => lost(seen),
  /** A worker's process runs no more than the units it offers, whatever the database believes. */
  'units really in use': ({ journal, capacities }) => overrun(journal, capacities),
} as const satisfies Record<string, Invariant>;

/** What is wrong, each with the name of the invariant that it breaks. */
export function violations(seen: Seen): readonly string[] {
  return Object.entries(INVARIANTS).flatMap(([name, check]) => check(seen).map((what) => `${name}: ${what}`));
}

interface Commit {
  readonly workers: ReadonlyMap<string, Row>;
  readonly allocs: ReadonlyMap<string, Row>;
  /** In this transaction. */
  readonly granted: readonly Row[];
  readonly changes: readonly Change[];
}

/** The tables as each transaction left them. Transactions of one pool follow one another. */
function replay(workersBefore: readonly Row[], changes: readonly Change[]): readonly Commit[] {
  const workers = new Map(workersBefore.map((row) => [text(row['id']), row]));
  const allocs = new Map<string, Row>();
  return [...grouped(changes, ({ tx }) => tx).values()].map((made) => {
    for (const change of made) apply(change, change.table === 'workers' ? workers : allocs);
    return {
      ...{ workers: new Map(workers), allocs: new Map(allocs), changes: made },
      granted: made.flatMap((one) =>
        one.table === 'allocs' && one.old === undefined && one.new ? [one.new] : [],
      ),
    };
  });
}

function apply(change: Change, rows: Map<string, Row>): void {
  if (change.table === 'ended') return;
  if (change.new !== undefined) rows.set(text(change.new['id']), change.new);
  else if (change.old !== undefined) rows.delete(text(change.old['id']));
}

function unitsOf(allocs: ReadonlyMap<string, Row>, workerId: string): number {
  let sum = 0;
  for (const alloc of allocs.values()) if (alloc['worker_id'] === workerId) sum += number(alloc['size']);
  return sum;
}

function shrinkingEpochs(changes: readonly Change[]): readonly string[] {
  const newest = new Map<string, number>();
  return changes.flatMap(({ table, old, new: row }) => {
    if (table !== 'allocs' || row === undefined || old !== undefined) return [];
    const [id, epoch] = [text(row['id']), number(row['epoch'])];
    const before = newest.get(id) ?? 0;
    newest.set(id, epoch);
    return epoch > before ? [] : [`${id} was granted as epoch ${epoch} after ${before}`];
  });
}

function staleClaims(changes: readonly Change[], claims: readonly Claim[]): readonly string[] {
  const ended = new Map<string, number>();
  for (const { table, new: row } of changes) {
    if (table === 'ended' && row !== undefined && row['release'] !== 'expired') {
      ended.set(text(row['id']), number(row['epoch']));
    }
  }
  return claims.flatMap(({ evalId, epoch }) => {
    const last = ended.get(evalId);
    if (last === epoch) return [];
    return [
      `a result of ${evalId} made under epoch ${epoch} was accepted, and ended epoch ${last ?? 'none'}`,
    ];
  });
}

function fromTheGone(changes: readonly Change[]): readonly string[] {
  const gone = new Set<string>();
  return changes.flatMap(({ table, old, new: row }) => {
    if (table === 'workers') {
      if (old !== undefined && old['incarnation'] !== row?.['incarnation'])
        gone.add(text(old['incarnation']));
      if (row !== undefined) gone.delete(text(row['incarnation']));
    }
    const touched = table === 'allocs' && row !== undefined && gone.has(text(row['incarnation']));
    return touched
      ? [`${text(row['id'])} was granted to, or renewed by, a process that is out of the pool`]
      : [];
  });
}

const INSTANTS: Readonly<Record<Change['table'], readonly string[]>> = {
  workers: ['registered_at_ms', 'renewed_at_ms'],
  allocs: ['granted_at_ms'],
  ended: ['ended_at_ms'],
};

function strangeInstants({ table, old, new: row, fromMs, atMs }: Change): readonly string[] {
  return INSTANTS[table].flatMap((column) => {
    if (row === undefined || row[column] === old?.[column]) return [];
    const written = number(row[column]);
    // The clock's text is cut to whole milliseconds.
    if (written >= fromMs - 1 && written <= atMs + 1) return [];
    return [`${column} of ${text(row['id'])} is ${written - atMs} ms from the database's clock`];
  });
}

function expiredEarly(workersBefore: readonly Row[], changes: readonly Change[]): readonly string[] {
  return replay(workersBefore, changes).flatMap(({ workers, changes: made }) =>
    made.flatMap(({ table, new: end, atMs }) => {
      if (table !== 'ended' || end?.['release'] !== 'expired') return [];
      const alloc = made.find(
        ({ table: of, old, new: row }) => of === 'allocs' && row === undefined && old?.['id'] === end['id'],
      )?.old;
      const worker = workers.get(text(end['worker_id']));
      const there = worker !== undefined && worker['incarnation'] === alloc?.['incarnation'];
      const early = alloc !== undefined && number(alloc['expires_at_ms']) - atMs;
      return there && early !== false && early > 0
        ? [`${text(end['id'])} expired ${early} ms before its time`]
        : [];
    }),
  );
}

function unaccounted({ id, everyMs, createdAtMs, untilMs, rows }: SeenSchedule): readonly string[] {
  const automatic = rows.filter(({ kind }) => kind === 'fire' || kind === 'span');
  const due = Math.floor(untilMs / everyMs) - Math.floor(createdAtMs / everyMs);
  const counted = automatic.reduce((sum, { count }) => sum + count, 0);
  const stretch = `from ${iso(createdAtMs)} to ${iso(untilMs)}`;
  const told = automatic.map(({ outcome, toMs, count }) => `${count} ${outcome} to ${iso(toMs)}`).join(', ');
  const wrong =
    counted === due ? [] : [`${id} had ${due} due times ${stretch}, its rows count ${counted}: ${told}`];
  const fires = automatic.filter(({ kind }) => kind === 'fire').map(({ toMs }) => toMs);
  const twice = fires.filter((atMs, i) => fires.indexOf(atMs) !== i);
  return [...wrong, ...twice.map((atMs) => `${id} has two rows for ${iso(atMs)}`)];
}

function lost({ schedules, executions, asked, results }: Seen): readonly string[] {
  const started = schedules.flatMap(({ rows }) =>
    rows.flatMap(({ outcome, invocationId }) =>
      outcome === 'started' && invocationId !== undefined ? [invocationId] : [],
    ),
  );
  const known = new Set(executions.map(({ invocationId }) => invocationId));
  const ended = new Map(results.map(({ invocationId, status }) => [invocationId, status]));
  const all = new Set([...started, ...asked, ...known]);
  return [
    ...[...started, ...asked].filter((id) => !known.has(id)).map((id) => `${id} was never started`),
    ...executions.filter(({ open }) => open).map(({ invocationId }) => `${invocationId} has not ended`),
    ...[...all].filter((id) => !ended.has(id)).map((id) => `${id} has no result`),
  ];
}

function overrun(
  journal: readonly JournalLine[],
  capacities: Readonly<Record<string, number>>,
): readonly string[] {
  const used = new Map<number, number>();
  return journal.flatMap(({ what, pid, size, workerId }) => {
    const now = (used.get(pid) ?? 0) + (what === 'begun' ? size : -size);
    used.set(pid, now);
    const capacity = capacities[workerId] ?? 0;
    return now > capacity ? [`worker ${workerId} (pid ${pid}) ran ${now} units of ${capacity}`] : [];
  });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new Error(`not a text: ${JSON.stringify(value)}`);
}

function number(value: unknown): number {
  const read = typeof value === 'string' ? Number(value) : value;
  if (typeof read === 'number' && Number.isFinite(read)) return read;
  throw new Error(`not a number: ${JSON.stringify(value)}`);
}
