/**
 * The frame of every benchmark suite: what a suite is, how its repeats become rows, and how rows are printed.
 * Called by `main.ts` and by the suites; imports no part of the product.
 * Promise: `--json` prints `{suite, results: [{metric, ours, peer, ratio, goal, ok}]}` and nothing else; what a suite
 * has to say while it runs goes to stderr.
 */
import Table from 'cli-table3';
import { median } from './statistics.ts';

export interface Settings {
  readonly repeats: number;
  /** What is counted is the suite's matter; 0 where it counts nothing. */
  readonly count: number;
}

export interface SuiteContext {
  /** Tells a person how far it is; one line each. */
  readonly progress: (line: string) => void;
  /** Aborts when the run is to stop: it was interrupted, or has taken far too long. */
  readonly signal: AbortSignal;
}

export interface Suite {
  readonly summary: string;
  /** `count` is absent where the suite takes no `--count`. */
  readonly defaults: { readonly repeats: number; readonly count?: number };
  /** What `--count` counts, for the list of suites. */
  readonly counts?: string;
  /** Default 3600, at an interval of a second an hour. */
  readonly countMax?: number;
  /** About how long a run takes, ms. */
  lengthMs(settings: Settings): number;
  run(settings: Settings, context: SuiteContext): Promise<readonly Row[]>;
}

interface Bounds {
  readonly ours?: number;
  /** Of ours to the peer's. */
  readonly ratio?: number;
}

/** Upper bounds, and lower ones where more is better; what is absent is not asked for. */
export interface Goal extends Bounds {
  readonly atLeast?: Bounds;
}

/** One measured quantity, less being better unless its goal is a lower bound. */
export interface Measured {
  readonly metric: string;
  /** One value for each repeat. */
  readonly ours: readonly number[];
  /** Absent where there is nobody to compare with. */
  readonly peer?: readonly number[];
  readonly goal?: Goal;
}

/** A line of the result; all numbers are medians over the repeats, `null` where there is none. */
export interface Row {
  readonly metric: string;
  readonly ours: number | null;
  readonly peer: number | null;
  readonly ratio: number | null;
  /** In words, such as `ours <= 6.5 and ratio <= 0.8`; null where none is set. */
  readonly goal: string | null;
  /** False only where a goal was missed, or could not be judged. */
  readonly ok: boolean;
}

export function toRow({ metric, ours, peer, goal = {} }: Measured): Row {
  const our = median(ours);
  const theirs = peer === undefined ? Number.NaN : median(peer);
  const ratio = our / theirs;
  const bounds = (['ours', 'ratio'] as const).flatMap((name) => {
    const value = { ours: our, ratio }[name];
    const [most, least] = [goal[name], goal.atLeast?.[name]];
    return [
      ...(most === undefined ? [] : [{ text: `${name} <= ${most}`, isMet: value <= most }]),
      ...(least === undefined ? [] : [{ text: `${name} >= ${least}`, isMet: value >= least }]),
    ];
  });
  return {
    metric,
    ours: printable(our),
    peer: printable(theirs),
    ratio: printable(ratio),
    goal: bounds.length === 0 ? null : bounds.map((bound) => bound.text).join(' and '),
    // Judged before rounding; NaN meets no goal.
    ok: bounds.every((bound) => bound.isMet),
  };
}

/** JSON knows neither NaN nor infinity. */
function printable(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toFixed(3)) : null;
}

export function toJson(suite: string, results: readonly Row[]): string {
  return JSON.stringify({ suite, results }, null, 2);
}

export function toTable(results: readonly Row[]): string {
  const table = new Table({
    head: ['metric', 'ours', 'peer', 'ratio', 'goal', ''],
    colAligns: ['left', 'right', 'right', 'right', 'left', 'left'],
    style: { head: [], border: [] },
  });
  for (const { metric, ours, peer, ratio, goal, ok } of results) {
    table.push([metric, text(ours), text(peer), text(ratio), goal ?? '', goal === null ? '' : verdict(ok)]);
  }
  return table.toString();
}

function verdict(ok: boolean): string {
  return ok ? 'met' : 'MISSED';
}

function text(value: number | null): string {
  if (value === null) return '';
  return value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(2)));
}
