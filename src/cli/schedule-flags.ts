/**
 * A schedule from the command line: from flags, from a file, or for `change` from flags laid over the present
 * definition. Used by schedule-write.ts. Pure but for the reading of the file.
 */
import { type Command, Option } from 'commander';
import { InvalidInputError } from '../contract/errors.ts';
import { isoInstant } from '../contract/ids.ts';
import type {
  CatchUp,
  DatasetNeed,
  Overlap,
  RunPolicy,
  ScheduleDefinition,
  ScheduleInput,
  SpecInput,
  TriggeringPolicy,
} from '../contract/schedule.ts';
import { OVERLAPS } from '../contract/message-shape.ts';
import { settingsOfCatchUp, settingsOfTriggering } from '../contract/policy-schemas.ts';
import { decimal, repeated, wholeNumber } from './arguments.ts';
import { addRunFlags, defined, readRunFlags, type RunFlags } from './run-flags.ts';

export interface ScheduleFlags extends RunFlags {
  readonly file?: string;
  readonly spec?: readonly string[];
  readonly cron?: readonly string[];
  readonly timeZone?: string;
  readonly dstGap?: 'next' | 'skip' | 'shift';
  readonly dstRepeat?: 'first' | 'last' | 'both';
  readonly phase?: string;
  readonly anchor?: string;
  readonly startAt?: string;
  readonly endAt?: string;
  readonly exclude?: readonly string[];
  readonly excludeCalendar?: readonly string[];
  readonly jitter?: string;
  readonly overlap?: Overlap;
  readonly triggering?: TriggeringPolicy['kind'];
  readonly maxConcurrent?: number;
  readonly maxBatch?: number;
  readonly triggeringBase?: number;
  readonly pendingTimeout?: string;
  readonly catchUp?: CatchUp['mode'];
  readonly catchUpWindow?: string;
  readonly catchUpRate?: number;
  readonly limitedRuns?: number;
  readonly pauseOnFailure?: boolean;
  readonly triggers?: readonly string[];
  readonly note?: string;
}

/** Flags beside `--file` that say nothing of the schedule itself. */
const BESIDE_FILE = new Set([
  ...['file', 'disabled', 'strict', 'dryRun', 'count', 'reason', 'actor', 'revision', 'json', 'verbose'],
  ...['address', 'namespace', 'profile', 'deployment', 'gatewayUrl', 'gatewayKey'],
]);

export function addScheduleFlags(command: Command): Command {
  command
    .option('--file <path>', 'the schedule from a YAML or JSON file, instead of flags')
    .option(
      '--spec <expression>',
      'when: "every 15m", "0 2 * * *", "with 3s interval", … (repeatable)',
      repeated,
    )
    .option('--cron <expression>', 'the same as --spec (repeatable)', repeated)
    .option('--time-zone <zone>', 'IANA name; default UTC')
    .addOption(
      new Option('--dst-gap <rule>', 'wall times that a clock change leaves out').choices([
        'next',
        'skip',
        'shift',
      ]),
    )
    .addOption(
      new Option('--dst-repeat <rule>', 'wall times that come twice').choices(['first', 'last', 'both']),
    )
    .option('--phase <length>', 'offset of "every …" from the grid')
    .option('--anchor <instant>', 'the instant "every …" counts from')
    .option('--start-at <instant>', 'not before it')
    .option('--end-at <instant>', 'not after it')
    .option(
      '--exclude <expression>',
      'never then: "* * 25 12 *" is all of December 25 (repeatable)',
      repeated,
    )
    .option('--exclude-calendar <id>', 'never on the dates of a named calendar (repeatable)', repeated)
    .option('--jitter <length>', 'each fire late by less than this, the same each time it is asked')
    .addOption(
      new Option('--overlap <rule>', 'while the run before still goes; default skip').choices(OVERLAPS),
    )
    .addOption(
      new Option('--triggering <policy>', 'gather triggers, instead of --overlap').choices([
        'greedy',
        'logarithmic',
        'newestFirst',
      ]),
    )
    .option('--max-concurrent <n>', 'with --triggering: runs at once; default 1', wholeNumber)
    .option('--max-batch <n>', 'with --triggering: triggers in one run; default 1000', wholeNumber)
    .option('--triggering-base <n>', 'with --triggering logarithmic; default 2', decimal)
    .option('--pending-timeout <length>', 'with --triggering newestFirst: older ones are dropped; default 7d')
    .addOption(
      new Option('--catch-up <mode>', 'fires that passed while nobody was awake; default latest').choices([
        'none',
        'latest',
        'all',
      ]),
    )
    .option('--catch-up-window <length>', 'older ones are missed; default 24h')
    .option('--catch-up-rate <n>', 'with --catch-up all: starts per second; default 10', decimal)
    .option('--limited-runs <n>', 'finished after so many automatic runs', wholeNumber)
    .option('--pause-on-failure', 'an invocation that fails for good pauses the schedule')
    .option('--no-pause-on-failure', 'with `change`: it does no longer')
    .option('--triggers <id>', 'schedule to trigger when a run has succeeded (repeatable)', repeated)
    .option('--note <text>', 'for people; shown in the Web UI');
  return addRunFlags(command);
}

/** Refuses a file beside flags that say the same. @throws InvalidInputError */
export function refuseFlagsBesideFile(subject: string, flags: ScheduleFlags): void {
  const both = Object.keys(flags).filter((name) => !BESIDE_FILE.has(name));
  if (both.length === 0) return;
  const message = `says the whole schedule, so ${both.map(flagName).join(', ')} cannot be given too: write it into the file`;
  throw new InvalidInputError(subject, [{ path: '--file', message }]);
}

function flagName(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * The schedule that the flags give; over `base` where a definition is changed. Its schema is checked later.
 * @throws InvalidInputError where flags contradict each other
 */
export function readScheduleFlags(
  subject: string,
  flags: ScheduleFlags,
  base?: ScheduleInput,
): ScheduleInput {
  const run = readRunFlags(subject, flags, base);
  const target = run.target ?? base?.target;
  const spec = specOf(flags, base?.spec);
  const missing = [
    ...(spec === undefined
      ? [{ path: '--spec', message: 'is missing: say when, such as --spec "every 15m"' }]
      : []),
    ...(target === undefined
      ? [{ path: '--target', message: 'is missing: say what, such as --command "date" or --target NAME' }]
      : []),
  ];
  if (spec === undefined || target === undefined) throw new InvalidInputError(subject, missing);
  return { ...base, ...run, target, spec, ...policyOf(subject, flags, base) };
}

function policyOf(subject: string, flags: ScheduleFlags, base?: ScheduleInput): Partial<ScheduleInput> {
  const { triggering: kind, overlap, maxConcurrent, maxBatch, limitedRuns, pauseOnFailure, note } = flags;
  const { triggeringBase, pendingTimeout } = flags;
  const gathers = defined({ kind, maxConcurrent, maxBatch, base: triggeringBase, pendingTimeout });
  const present = typeof base?.triggering === 'string' ? { kind: base.triggering } : base?.triggering;
  if (kind === undefined && present === undefined) refuseTriggeringFlags(subject, flags);
  const late = defined({ mode: flags.catchUp, window: flags.catchUpWindow, perSecond: flags.catchUpRate });
  const before = typeof base?.catchUp === 'string' ? { mode: base.catchUp } : base?.catchUp;
  return {
    // The one takes the place of the other, and both at once are refused by the schema. What a kind alone used goes with it.
    ...(overlap !== undefined && { overlap, ...(kind === undefined && { triggering: undefined }) }),
    ...(gathers !== undefined && {
      triggering: {
        ...(present && settingsOfTriggering(present, kind ?? present.kind)),
        ...gathers,
      } as ScheduleInput['triggering'],
      ...(overlap === undefined && { overlap: undefined }),
    }),
    ...(late !== undefined && {
      catchUp: { ...(before && settingsOfCatchUp(before, late.mode ?? before.mode)), ...late },
    }),
    ...defined({ limitedRuns, pauseOnFailure, triggers: flags.triggers, note }),
  };
}

/** There is no policy that they could be settings of. */
function refuseTriggeringFlags(subject: string, flags: ScheduleFlags): void {
  const message = 'is for --triggering: give that too, such as --triggering greedy';
  const issues = TRIGGERING_FLAGS.filter((name) => flags[name] !== undefined).map((name) => ({
    path: flagName(name),
    message,
  }));
  if (issues.length > 0) throw new InvalidInputError(subject, issues);
}

const TRIGGERING_FLAGS = ['maxConcurrent', 'maxBatch', 'triggeringBase', 'pendingTimeout'] as const;

/** New expressions take the place of all present ones; settings beside them stay. */
function specOf(flags: ScheduleFlags, base: SpecInput | undefined): SpecInput | undefined {
  const given = [...(flags.spec ?? []), ...(flags.cron ?? [])];
  const present = typeof base === 'object' && !Array.isArray(base) ? (base as SpecObject) : undefined;
  const expressions = given.length > 0 ? given : present?.expressions;
  if (expressions === undefined) return undefined;
  const dst = defined({ gap: flags.dstGap, repeat: flags.dstRepeat });
  return {
    ...present,
    expressions,
    ...defined({
      timeZone: flags.timeZone,
      phase: flags.phase,
      anchor: flags.anchor,
      startAt: flags.startAt,
      endAt: flags.endAt,
      exclude: excludeOf(flags, present?.exclude),
      jitter: flags.jitter,
    }),
    ...(dst !== undefined && { dst: { ...present?.dst, ...dst } }),
  };
}

/** Flags take the place of what was there of their kind. */
function excludeOf(
  { exclude: expressions, excludeCalendar: calendars }: ScheduleFlags,
  present: SpecObject['exclude'],
): SpecObject['exclude'] {
  const given = defined({ expressions, calendars });
  if (given === undefined) return undefined;
  const before = typeof present === 'object' && 'expressions' in present ? present : {};
  return { ...before, ...given };
}

type SpecObject = Exclude<SpecInput, string | readonly string[]>;

/** A definition as a person would write it, every field spelt out: what reads it back gives the same definition. */
export function inputOf(definition: ScheduleDefinition): ScheduleInput {
  const { spec, run, overlap, triggering, catchUp, limitedRuns, pauseOnFailure, triggers, note } = definition;
  const dst = defined({ gap: spec.dstGap, repeat: spec.dstRepeat });
  const instant = (atMs: number | undefined) => (atMs === undefined ? undefined : isoInstant(atMs));
  return {
    ...runInputOf(run),
    spec: {
      expressions: spec.expressions,
      timeZone: spec.timeZone,
      ...(dst !== undefined && { dst }),
      ...defined({
        phase: spec.phaseMs,
        anchor: instant(spec.anchorMs),
        startAt: instant(spec.startAtMs),
        endAt: instant(spec.endAtMs),
        exclude: spec.exclude,
        jitter: spec.jitterMs,
      }),
    },
    ...(triggering === undefined ? { overlap } : { triggering: triggeringInput(triggering) }),
    catchUp: catchUpInput(catchUp),
    ...defined({ limitedRuns, pauseOnFailure, triggers, note }),
  };
}

/** Field by field, as an earlier version kept settings of the other kinds too, and those are refused. */
function triggeringInput(policy: TriggeringPolicy) {
  const { kind, maxConcurrent } = policy;
  if (kind === 'newestFirst') return { kind, maxConcurrent, pendingTimeout: policy.pendingTimeoutMs };
  const { maxBatch } = policy;
  return { kind, maxConcurrent, maxBatch, ...(kind === 'logarithmic' && { base: policy.base }) };
}

function catchUpInput(catchUp: CatchUp) {
  const { mode } = catchUp;
  if (mode === 'none') return { mode };
  return { mode, window: catchUp.windowMs, ...(mode === 'all' && { perSecond: catchUp.perSecond }) };
}

function datasetInput({ id, mode, warmWaitMs }: DatasetNeed) {
  return { id, mode, ...(mode === 'preferred' && { warmWait: warmWaitMs }) };
}

function runInputOf({ target, dataset, retry, timeouts, startDeadlineMs, ...run }: RunPolicy) {
  return {
    ...run,
    target: target.name,
    ...defined({ input: target.input, startDeadline: startDeadlineMs }),
    ...(dataset && { dataset: datasetInput(dataset) }),
    retry: {
      limit: retry.limit,
      minBackoff: retry.minBackoffMs,
      maxBackoff: retry.maxBackoffMs,
      coefficient: retry.coefficient,
      ...defined({ ageLimit: retry.ageLimitMs }),
    },
    timeouts: {
      attempt: timeouts.attemptMs,
      heartbeat: timeouts.heartbeatMs,
      scheduleToStart: timeouts.scheduleToStartMs,
    },
  };
}
