/**
 * The flags that say what an invocation runs, for `schedule create|change` and `job at|in`: their definition, and
 * their reading into a `RunInput`. Ranges and ids are checked by the schemas of the contract, not here.
 */
import { type Command, Option } from 'commander';
import { type InputIssue, InvalidInputError } from '../contract/errors.ts';
import type { RunInput, SearchAttributesInput } from '../contract/schedule.ts';
import { decimal, repeated, wholeNumber } from './arguments.ts';

export interface RunFlags {
  readonly target?: string;
  readonly input?: string;
  readonly command?: string;
  readonly pool?: string;
  readonly size?: number;
  readonly priority?: number;
  readonly dataset?: string;
  readonly datasetMode?: 'required' | 'preferred';
  readonly warmWait?: string;
  readonly retryLimit?: number;
  readonly minBackoff?: string;
  readonly maxBackoff?: string;
  readonly retryCoefficient?: number;
  readonly retryAge?: string;
  readonly attemptTimeout?: string;
  readonly heartbeatTimeout?: string;
  readonly scheduleToStart?: string;
  readonly startDeadline?: string;
  readonly consistency?: 'atLeastOnce' | 'atMostOnce';
  readonly memo?: string;
  readonly searchAttribute?: readonly string[];
}

export function addRunFlags(command: Command): Command {
  return command
    .option('--target <name>', 'what is called: command, http, workflow, or one of your own')
    .option('--input <json>', 'handed to the target')
    .option('--command <line>', 'a shell line: short for --target command with its input')
    .option('--pool <id>', 'where it runs; default "default"')
    .option('--size <units>', 'capacity it takes; default 1', wholeNumber)
    .option('--priority <n>', 'larger goes first; default 0', wholeNumber)
    .option('--dataset <id>', 'runs where this dataset is')
    .addOption(new Option('--dataset-mode <mode>', 'default required').choices(['required', 'preferred']))
    .option('--warm-wait <length>', 'how long a preferred dataset is waited for; default 30s')
    .option('--retry-limit <n>', 'retries after the first try; default 5', wholeNumber)
    .option('--min-backoff <length>', 'before the first retry; default 1s')
    .option('--max-backoff <length>', 'between retries at most; default 1h')
    .option('--retry-coefficient <n>', 'growth of the backoff; default 2', decimal)
    .option('--retry-age <length>', 'retries until this long after the first run')
    .option('--attempt-timeout <length>', 'one try at most; default 1h')
    .option('--heartbeat-timeout <length>', 'silence after which a try is lost; default 10s')
    .option('--schedule-to-start <length>', 'for the granted worker to pick it up; default 10s')
    .option('--start-deadline <length>', 'too late to start at all after this')
    .addOption(
      new Option('--consistency <rule>', 'default atLeastOnce').choices(['atLeastOnce', 'atMostOnce']),
    )
    .option('--memo <json>', 'an object, put on every run')
    .option(
      '--search-attribute <name=type:value>',
      'put on every run: Team=keyword:blue, Cost=int:3, Tags=keywordList:a,b (repeatable)',
      repeated,
    );
}

/**
 * The fields that the flags give, and only those; over `base` where a definition is changed.
 * @throws InvalidInputError where flags contradict each other, or --input is no JSON
 */
export function readRunFlags(subject: string, flags: RunFlags, base?: RunInput): Partial<RunInput> {
  const what = readTarget(subject, flags);
  const dataset = datasetOf(subject, flags, base?.dataset);
  const retry = defined({
    limit: flags.retryLimit,
    minBackoff: flags.minBackoff,
    maxBackoff: flags.maxBackoff,
    coefficient: flags.retryCoefficient,
    ageLimit: flags.retryAge,
  });
  const timeouts = defined({
    attempt: flags.attemptTimeout,
    heartbeat: flags.heartbeatTimeout,
    scheduleToStart: flags.scheduleToStart,
  });
  return {
    ...what,
    ...defined({
      pool: flags.pool,
      size: flags.size,
      priority: flags.priority,
      startDeadline: flags.startDeadline,
      consistency: flags.consistency,
      searchAttributes: attributesOf(subject, flags.searchAttribute),
    }),
    ...(flags.memo !== undefined && {
      memo: parseJson(subject, '--memo', flags.memo) as NonNullable<RunInput['memo']>,
    }),
    ...(dataset !== undefined && { dataset }),
    ...(retry !== undefined && { retry: { ...base?.retry, ...retry } }),
    ...(timeouts !== undefined && { timeouts: { ...base?.timeouts, ...timeouts } }),
  };
}

/** A target without an input of its own leaves the present one alone only where the target stays too. */
function readTarget(subject: string, flags: RunFlags): Partial<RunInput> {
  const input = flags.input === undefined ? undefined : parseJson(subject, '--input', flags.input);
  if (flags.command === undefined) {
    if (flags.target !== undefined) return { target: flags.target, input };
    return flags.input === undefined ? {} : { input };
  }
  const issues: InputIssue[] = [];
  if (flags.input !== undefined) {
    issues.push({ path: '--input', message: 'is what --command makes already: give one of them' });
  }
  if (flags.target !== undefined && flags.target !== 'command') {
    issues.push({ path: '--command', message: `is for the target "command", not "${flags.target}"` });
  }
  if (issues.length > 0) throw new InvalidInputError(subject, issues);
  return { target: 'command', input: { command: flags.command, shell: true } };
}

function datasetOf(subject: string, flags: RunFlags, base: RunInput['dataset']): RunInput['dataset'] {
  const { dataset, datasetMode, warmWait } = flags;
  if (dataset === undefined && datasetMode === undefined && warmWait === undefined) return undefined;
  const present = typeof base === 'string' ? { id: base } : base;
  const id = dataset ?? present?.id;
  const mode = datasetMode ?? present?.mode;
  // How long a preferred one was waited for goes with that.
  const before = mode === 'preferred' ? present?.warmWait : undefined;
  if (id !== undefined) return { id, ...defined({ mode, warmWait: warmWait ?? before }) };
  throw new InvalidInputError(subject, [
    { path: '--dataset', message: 'is missing: --dataset-mode and --warm-wait say how to treat one' },
  ]);
}

/** `Name=type:value`, as the SDK wants them; what a type's values may be is checked by the schema. */
function attributesOf(
  subject: string,
  given: readonly string[] | undefined,
): SearchAttributesInput | undefined {
  if (given === undefined) return undefined;
  const entries = given.map((text) => {
    const [, name = '', type = '', value = ''] = /^([^=]+)=([A-Za-z]+):(.*)$/s.exec(text) ?? [];
    if (name !== '') return [name, { type, value: valueOf(type, value) }];
    const message = `"${text}" is not NAME=TYPE:VALUE: write for example Team=keyword:blue`;
    throw new InvalidInputError(subject, [{ path: '--search-attribute', message }]);
  });
  return Object.fromEntries(entries) as SearchAttributesInput;
}

/** Anything that does not fit stays text, which the schema refuses by its name. */
function valueOf(type: string, value: string): unknown {
  if (type === 'keywordList') return value.split(',');
  const isNumber = type === 'int' || type === 'double';
  if (isNumber && value.trim() !== '' && Number.isFinite(Number(value))) return Number(value);
  return type === 'bool' && /^(true|false)$/.test(value) ? value === 'true' : value;
}

/** @throws InvalidInputError */
export function parseJson(subject: string, flag: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `is no JSON (${why}): write for example '{"n": 1}', and a text as '"text"'`;
    throw new InvalidInputError(subject, [{ path: flag, message }], { cause });
  }
}

/** The fields that have a value; undefined where none has. */
export function defined<T extends object>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } | undefined {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (given.length === 0) return undefined;
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
