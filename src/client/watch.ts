/**
 * An account of all schedules, made by a process of its own: which fires are late or without outcome, and which schedules
 * ended without having been deleted. Asks Temporal what there is and the ledger what was recorded; what should have
 * been it computes itself (core/account). Used by `escapement watch`; an SDK user may call it as well.
 */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { Calendar } from '../contract/calendars.ts';
import { NotExistsError } from '../contract/errors.ts';
import { type Names, parseWorkflowId } from '../contract/ids.ts';
import type { Fire } from '../contract/ledger.ts';
import type { ScheduleDescription } from '../contract/messages.ts';
import { type FireFinding, findingsOf, stretchOf } from '../core/account/findings.ts';
import { type CompiledSpec, compileSpec } from '../core/cron/spec.ts';
import { PAGE_LIMIT_MAX } from '../core/limits.ts';
import { ASKED_AT_ONCE, createAsking } from './ask-schedules.ts';
import { eachAtOnce } from './each-at-once.ts';
import type { GatewayClient } from './gateway-client.ts';
import type { Schedules } from './schedules.ts';

/** What is wrong with one schedule. */
export type Finding = { readonly scheduleId: string } & (
  | FireFinding
  /** Its workflow is over, and nobody deleted it. */
  | {
      readonly kind: 'ended';
      readonly status: 'terminated' | 'failed' | 'timed-out';
      readonly closedAtMs?: number;
    }
  /** It cannot be asked what it is: no orchestration worker runs, or its workflow fails on those that do. */
  | { readonly kind: 'no-answer'; readonly message: string }
  /** Its spec is not understood here, so nothing can be expected of it. */
  | { readonly kind: 'unreadable'; readonly message: string }
);

export interface WatchReport {
  readonly atMs: number;
  /** Schedules looked at. */
  readonly schedules: number;
  readonly findings: readonly Finding[];
}

export interface WatchOptions {
  /** A fire may be so late, and its row so long on its way. Default 30 s. */
  readonly graceMs?: number;
  /** How far back is looked. Default 1 h. */
  readonly backMs?: number;
}

const GRACE_MS_DEFAULT = 30_000;
const BACK_MS_DEFAULT = 3_600_000;
/** Pages of the ledger read for one schedule; a stretch with more rows is cut to its newer part. */
const PAGES_MAX = 30;

export interface Watched {
  readonly client: Client;
  readonly names: Names;
  readonly gateway: GatewayClient;
  readonly schedules: Schedules;
}

/**
 * Looks again and again at one system. What a schedule said last is kept, so that the account goes on while nobody answers
 * for it.
 * @example
 * const watcher = new Watcher(await Scheduler.connect());
 * for (const finding of (await watcher.look()).findings) console.log(finding.scheduleId, finding.kind);
 */
export class Watcher {
  readonly #watched: Watched;
  readonly #options: Required<WatchOptions>;
  #known = new Map<string, ScheduleDescription>();
  /** Of the present look. */
  #calendars = new Map<string, Promise<Calendar | undefined>>();

  constructor(watched: Watched, options: WatchOptions = {}) {
    const { graceMs = GRACE_MS_DEFAULT, backMs = BACK_MS_DEFAULT } = options;
    this.#watched = watched;
    this.#options = { graceMs, backMs };
  }

  /** One look at everything. @throws UnavailableError where Temporal or the gateway do not answer */
  async look(): Promise<WatchReport> {
    const atMs = Date.now();
    this.#calendars = new Map();
    const ended = await this.#ended();
    const known = new Map<string, ScheduleDescription>();
    const ask = createAsking(this.#watched.schedules);
    const found = await eachAtOnce(
      this.#watched.schedules.list(),
      { atOnce: ASKED_AT_ONCE },
      async ({ id }) => {
        const askedAtMs = Date.now();
        const asked = await ask(id);
        if (asked.kind === 'gone') return [];
        const said = asked.kind === 'said';
        const description = said ? { ...NOTHING_WAITS, ...asked.description } : this.#known.get(id);
        if (description !== undefined) known.set(id, description);
        const silent = said ? [] : [{ kind: 'no-answer' as const, message: asked.error.message }];
        const findings = description === undefined ? [] : await this.#accountOf(description, askedAtMs);
        return [...silent, ...findings].map((finding) => ({ scheduleId: id, ...finding }));
      },
    );
    this.#known = known;
    const findings = [...ended, ...found.flat()];
    return { atMs, schedules: found.length + ended.length, findings };
  }

  async #accountOf(schedule: ScheduleDescription, nowMs: number) {
    const { graceMs, backMs } = this.#options;
    const { contents, changedAtMs } = await this.#calendarsOf(schedule);
    const compiled = compileSpec(schedule.definition.spec, {
      firesAfterMs: -Infinity,
      calendars: contents,
      missingCalendars: 'ignore',
    });
    if (!compiled.ok) {
      const message = compiled.issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
      return [{ kind: 'unreadable' as const, message }];
    }
    // A calendar that changed is told to its schedules, which takes a moment.
    const afterMs = Math.max(nowMs - backMs, changedAtMs + graceMs);
    const options = { nowMs, graceMs, afterMs };
    const { rows, sinceMs } = await this.#rowsOf(schedule, compiled.compiled, options);
    return findingsOf(schedule, compiled.compiled, rows, { ...options, afterMs: sinceMs });
  }

  /** What the spec leaves out, and when that changed last. */
  async #calendarsOf({ definition }: ScheduleDescription) {
    const contents: Record<string, Calendar> = {};
    for (const id of definition.spec.exclude?.calendars ?? []) {
      let asked = this.#calendars.get(id);
      if (asked === undefined) {
        asked = this.#watched.gateway.getCalendar(id).catch(unlessAbsent);
        this.#calendars.set(id, asked);
      }
      const calendar = await asked;
      if (calendar !== undefined) contents[id] = calendar;
    }
    const changes = Object.values(contents).map((calendar) => calendar.changedAtMs);
    return { contents, changedAtMs: Math.max(-Infinity, ...changes) };
  }

  /** The rows of the stretch; of a relative schedule the newest. */
  async #rowsOf(
    schedule: ScheduleDescription,
    spec: CompiledSpec,
    options: { readonly nowMs: number; readonly graceMs: number; readonly afterMs: number },
  ): Promise<{ readonly rows: readonly Fire[]; readonly sinceMs: number }> {
    const { afterMs } = stretchOf(schedule, spec, options);
    if (spec.timing.kind === 'triggered') return { rows: [], sinceMs: afterMs };
    const isRelative = spec.timing.kind === 'relative';
    const filter = { scheduleId: schedule.id, ...(!isRelative && { fromMs: afterMs + 1 }) };
    const rows: Fire[] = [];
    let cursor: string | undefined;
    for (let pages = 1; ; pages += 1) {
      const page = await this.#watched.gateway.listFires(filter, { limit: PAGE_LIMIT_MAX, cursor });
      rows.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === undefined || isRelative || pages === PAGES_MAX) break;
    }
    const own = rows.filter(({ creation }) => creation === schedule.creation);
    return { rows: own, sinceMs: cursor === undefined ? afterMs : (rows.at(-1)?.toMs ?? afterMs) };
  }

  /** Schedules whose last run ended otherwise than by a delete. */
  async #ended(): Promise<readonly Finding[]> {
    const { client, names } = this.#watched;
    const query = `WorkflowType = "scheduleWorkflow" AND ExecutionStatus IN ("Failed", "Terminated", "TimedOut")`;
    const ids = new Set<string>();
    for await (const { workflowId } of client.workflow.list({ query })) {
      if (parseWorkflowId(workflowId)?.deployment === names.deployment) ids.add(workflowId);
    }
    const found = await eachAtOnce(ids, { atOnce: ASKED_AT_ONCE }, async (workflowId) => {
      const last = await client.workflow.getHandle(workflowId).describe();
      const status = ENDS.get(last.status.name);
      const scheduleId = parseWorkflowId(workflowId)?.id;
      if (status === undefined || scheduleId === undefined) return [];
      const closedAtMs = last.closeTime?.getTime();
      return [
        { scheduleId, kind: 'ended' as const, status, ...(closedAtMs !== undefined && { closedAtMs }) },
      ];
    });
    return found.flat();
  }
}

const ENDS: ReadonlyMap<WorkflowExecutionInfo['status']['name'], 'terminated' | 'failed' | 'timed-out'> =
  new Map([
    ['TERMINATED', 'terminated'],
    ['FAILED', 'failed'],
    ['TIMED_OUT', 'timed-out'],
  ] as const);

/** What a worker of an older version does not say. */
const NOTHING_WAITS = { pending: [], pendingCount: 0, backlogs: [], occurrences: [] };

function unlessAbsent(error: unknown): undefined {
  if (error instanceof NotExistsError) return undefined;
  throw error;
}
