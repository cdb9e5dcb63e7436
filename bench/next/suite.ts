/**
 * Suite `next`: next times through our spec layer on one core, in UTC and in a zone with clock changes, and how long it
 * takes to refuse a spec that never fires. Run by `main.ts`; needs no server.
 */
import type { ScheduleSpec } from '../../src/contract/schedule.ts';
import { type CompiledSpec, compileSpec } from '../../src/core/cron/spec.ts';
import { type Suite, toRow } from '../suite.ts';

const FROM_MS = Date.UTC(2026, 0, 1);
/** What people write: minutes, working days, months, nights, and a union of two. */
const PLAIN: readonly (readonly string[])[] = [
  ['*/5 * * * *'],
  ['0 9 * * mon-fri'],
  ['0 0 1 * *'],
  ['30 2 * * *'],
  ['15,45 8-18 * * 1-5'],
  ['0 0 L * *'],
  ['0 9 * * 1', '0 17 * * 5'],
];
const ZONE = 'America/New_York';
/** Zones that nothing has read before, for each repeat another: reading one is part of a refusal. */
const UNREAD = ['Europe/Berlin', 'Australia/Lord_Howe', 'America/Vancouver', 'Pacific/Apia', 'Africa/Cairo'];

const IMPOSSIBLE: readonly string[] = ['0 0 30 2 *', '0 0 29 2 * 2027', '0 0 ? 2 1#5 2027', '0 0 1 1 * 2025'];
/** What is left out: all of it, by minutes, by seconds, by days, by two halves; and a fixed rate. */
const OVER_EXCLUDED: readonly (readonly [expression: string, exclude: readonly string[]])[] = [
  ['* * * * *', ['* * * * *']],
  ['0 9 * * mon-fri', ['* * * * 1-5']],
  ['0 * * * *', ['0 * * * *']],
  ['*/2 * * * * * *', ['*/4 * * * * * *', '2/4 * * * * * *']],
  ['every 1s', ['*/2 * * * *', '1/2 * * * *']],
  ['*/5 * * * *', ['0/10 * * * *', '5/10 * * * *', '* * 25 12 *']],
];

const ASKED = 50_000;

export const next: Suite = {
  summary: 'next times per second, and how soon a spec that never fires is refused',
  defaults: { repeats: 5 },
  lengthMs: ({ repeats }) => repeats * 4_000,
  async run({ repeats }, context) {
    const figures = { plain: [], zoned: [], impossible: [], excluded: [] } as Record<string, number[]>;
    // Once before, so that what is measured is compiled.
    for (let repeat = 0; repeat <= repeats; repeat += 1) {
      context.signal.throwIfAborted();
      const zone = UNREAD[repeat % UNREAD.length] ?? 'UTC';
      const measured = {
        plain: perSecond('UTC'),
        zoned: perSecond(ZONE),
        impossible: slowest(IMPOSSIBLE.map((expression) => refusalMs(specOf([expression], zone)))),
        excluded: slowest(
          OVER_EXCLUDED.map(([expression, exclude]) => refusalMs(specOf([expression], zone, exclude))),
        ),
      };
      if (repeat === 0) continue;
      for (const [name, value] of Object.entries(measured)) figures[name]?.push(value);
      context.progress(`repeat ${repeat}: ${measured.plain.toFixed(0)} next times per second`);
    }
    const { plain = [], zoned = [], impossible = [], excluded = [] } = figures;
    return [
      toRow({ metric: 'next times per second, UTC', ours: plain, goal: { atLeast: { ours: 20_000 } } }),
      toRow({
        metric: `the same in ${ZONE}, beside UTC`,
        ours: zoned,
        peer: plain,
        goal: { atLeast: { ratio: 0.5 } },
      }),
      toRow({ metric: 'slowest refusal: impossible (ms)', ours: impossible, goal: { ours: 50 } }),
      toRow({ metric: 'slowest refusal: over-excluded (ms)', ours: excluded, goal: { ours: 50 } }),
    ];
  },
};

function specOf(
  expressions: readonly string[],
  timeZone: string,
  exclude: readonly string[] = [],
): ScheduleSpec {
  return {
    expressions,
    timeZone,
    createdAtMs: FROM_MS,
    // A time that the clock leaves out would run at another one, which is not excluded.
    dstGap: 'skip',
    ...(exclude.length > 0 && { exclude: { expressions: exclude, calendars: [] } }),
  };
}

/** Each asked for the time after the last, as a schedule asks. */
function perSecond(timeZone: string): number {
  const specs = PLAIN.map((expressions) => compiled(specOf(expressions, timeZone)));
  const beganMs = performance.now();
  let asked = 0;
  for (const spec of specs) {
    let atMs = FROM_MS;
    for (let n = 0; n < ASKED / specs.length; n += 1) {
      atMs = spec.next(atMs) ?? FROM_MS;
      asked += 1;
    }
  }
  return asked / ((performance.now() - beganMs) / 1_000);
}

function compiled(spec: ScheduleSpec): CompiledSpec {
  const result = compileSpec(spec);
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  return result.compiled;
}

function refusalMs(spec: ScheduleSpec): number {
  const beganMs = performance.now();
  const { ok } = compileSpec(spec);
  const tookMs = performance.now() - beganMs;
  if (ok) throw new Error(`${JSON.stringify(spec)} was taken`);
  return tookMs;
}

function slowest(lengthsMs: readonly number[]): number {
  return Math.max(...lengthsMs);
}
