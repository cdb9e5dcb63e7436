/**
 * Every default and bound of the system, each with its reason. Read by all parts; imports nothing.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// -- runs ------------------------------------------------------------------------------------------
export const RETRY_LIMIT_DEFAULT = 5;
export const MIN_BACKOFF_MS_DEFAULT = SECOND;
export const MAX_BACKOFF_MS_DEFAULT = HOUR;
export const BACKOFF_COEFFICIENT_DEFAULT = 2;
export const ATTEMPT_TIMEOUT_MS_DEFAULT = HOUR;
export const HEARTBEAT_TIMEOUT_MS_DEFAULT = 10 * SECOND;
export const SCHEDULE_TO_START_MS_DEFAULT = 10 * SECOND;
export const WARM_WAIT_MS_DEFAULT = 30 * SECOND;
/**
 * Largest input of a schedule, a job or a trigger, as JSON: a schedule carries its own and those that wait on from run to run, and
 * Temporal takes no more than 2 MB of it at once.
 */
export const INPUT_CHARS_MAX = 64 * 1024;
/** Largest definition of a schedule, as JSON, for the same reason. */
export const DEFINITION_CHARS_MAX = 128 * 1024;
/** Largest message to a schedule, as JSON. Temporal's SDK cannot even refuse one of 2 MB. */
export const MESSAGE_CHARS_MAX = 256 * 1024;
/** Largest text of a message: a reason, an actor, a key. */
export const TEXT_CHARS_MAX = 1_000;
/** Largest result of a run, as JSON: it travels through three histories and a database row. */
export const RESULT_BYTES_MAX = 256 * 1024;
/** Largest result that is handed on to the schedule's next run: it travels through its history twice. */
export const LAST_RESULT_BYTES_MAX = 64 * 1024;
/** Memo of a schedule or job, as JSON: it goes onto every invocation, and is read with every list of them. */
export const MEMO_BYTES_MAX = 16 * 1024;
/** Search attributes of a schedule or job of the user's own; Temporal's default limit is 100 in all. */
export const SEARCH_ATTRIBUTES_MAX = 50;

// -- pools -----------------------------------------------------------------------------------------
export const POOL_DEFAULT = 'default';
export const WORKER_TTL_MS_DEFAULT = 15 * SECOND;
export const REPLICA_TTL_MS_DEFAULT = MINUTE;
export const ALLOC_TTL_MS_DEFAULT = 30 * SECOND;
/** Evaluations lost to dead workers before a dead letter (MAX_RETRY of the ancestor). */
export const LOST_MAX_DEFAULT = 5;
export const RESERVE_AFTER_MS_DEFAULT = 30 * SECOND;
/**
 * Evaluations of one try, whatever they were spent on: a bound that no pool's `retryMax` and no evaluation that the
 * store calls ended can get past. At about 13 events for one that loses its worker, a quarter of what a history holds.
 */
export const EVALUATIONS_MAX = 1_000;
/** How often a gateway gives a sign of life: one row for all of them, so two writes a second for each gateway. */
export const GATEWAY_SIGN_MS = 500;
/**
 * No sign for longer than this (two were missed) and no gateway lives: workers cannot renew. Shorter outages go
 * unseen, which a TTL of 2 s or more survives, as workers renew every third of it.
 */
export const GATEWAY_SILENT_MS = 2 * GATEWAY_SIGN_MS;
/** Losing workers named with each placement: about 15 bytes each, kept with the alloc and with the run's record. */
export const NAMED_LOSERS_MAX = 3;
/** Reasons kept of one eval's waiting: as many as a person reads. */
export const WAITED_KEPT_MAX = 8;
/** Evals of one invocation kept with the record of its end, the newest. */
export const STORIES_KEPT_MAX = 20;
/** Past runs of a target from which on an estimate rests on them. */
export const ESTIMATE_RUNS_MIN = 3;
/** Waiting evals that an estimate looks at: past it the estimate is unknown. */
export const ESTIMATE_QUEUE_MAX = 1_000;
/** Simulated courses of the queue behind one estimate. */
export const ESTIMATE_COURSES = 60;
/** Fewer courses where much runs and waits: about 1 µs for each of these steps, while a gateway does nothing else. */
export const ESTIMATE_COURSES_MIN = 5;
export const ESTIMATE_STEPS_MAX = 150_000;
/** Runs counted for one target; past it the older ones weigh half, so that what has changed shows. */
export const RUN_TIMES_COUNTED_MAX = 2_000;
/** Below a second, network jitter alone would expire healthy workers. */
export const TTL_MS_MIN = SECOND;
/** A pool without workers stays for ever. */
export const POOL_TTL_MS_DEFAULT = 0;
/** Longer is as good as for ever. */
export const POOL_TTL_MS_MAX = 365 * DAY;
export const CAPACITY_MAX = 1_000_000;
export const DATASETS_PER_WORKER_MAX = 1_000;
export const TARGETS_PER_WORKER_MAX = 1_000;
export const PAGE_LIMIT_MAX = 100;

// -- schedules -------------------------------------------------------------------------------------
/**
 * A wake-up is armed this much before its nominal time, and `advance` waits for the rest, so that nothing starts early
 * and the way from the server's timer to the start (15 ms on a quiet machine, 150 ms on a busy one) costs no lateness.
 * It holds a workflow-task slot as long, and messages that come in between are taken after the fire.
 */
export const WAKE_EARLY_MS = 200;
/**
 * Nominal times closer than this are armed ahead of time. The server reads its timer queue up to 1 s ahead, and a timer
 * that comes below that mark is moved up to it: at 1 s intervals each wake-up is therefore 1 to 3 ms later than the
 * last, for ever. The early wake-up is the room it drifts in; past `DRIFT_MS_MAX` one nominal time goes without a
 * timer: the task waits through to it, and the timers after it are on time again.
 */
export const SHORT_GAP_MS = 1_200;
export const DRIFT_MS_MAX = 150;
/** Longest wait inside a workflow task, at most one in each: messages wait as long. Bridges any short gap. */
export const NAP_MS_MAX = 1_200;
/** Short gaps are armed ahead as far as this; the server gives a timer its place when the one before it fires. */
export const ARM_AHEAD_MS = 3 * SECOND;
export const ARM_AHEAD_MAX = 3;
/** Nominal times kept ahead of the tick: a wake-up up to this many fires late needs no extra `plan`. */
export const PLAN_AHEAD = 5;
/** A tick this early is accepted as if it were on time (LUCI's machine). */
export const TICK_EARLY_ACCEPTED_MS = 50;
/** A tick earlier than this is armed again; between the two the host made an error. */
export const TICK_EARLY_RETRY_MS = SECOND;
/** A zone's rules can change while a yearly timer sleeps: plans older than this are made again. */
export const PLAN_AGE_MS_MAX = 7 * DAY;
/** Messages taken in one run of the workflow before it continues as new; Temporal refuses at 10,000. */
export const SIGNALS_PER_RUN_MAX = 1_000;
/**
 * Messages that one client sends to one schedule. While a workflow task runs the server keeps 100 events back for it, and
 * fails the task with the next: at this rate a task may take a second.
 */
export const MESSAGES_PER_SECOND = 100;
/** Sent at once to a schedule that was left in peace. */
export const MESSAGES_BURST = 50;
/**
 * Starts in one `advance`, and messages followed in one workflow task: at 5 to 10 ms each a task takes a tenth of a second.
 * The server fails a task in which more than a hundred messages have come (it buffers no more), so at 100 a second one
 * must not last for long.
 */
export const STARTS_PER_ADVANCE_MAX = 10;
export const NOTES_PER_TURN_MAX = 20;
/** A wait inside the task is made in pieces, each a task of its own, so that messages are not buffered for long. */
export const NAP_PIECE_MS = 500;
/**
 * So many messages at once have nearly filled the server's buffer. A task that it fails for that while a local activity runs
 * may leave a history that cannot be replayed (the SDK mixes both tries): the run is continued as new at once.
 */
export const CROWD_NOTES = 50;
/** With more messages than this in a turn the schedule does not wait inside its task for a fire that is near. */
export const NAP_NOTES_MAX = 3;
/** Starts of a backlog in one go: a quarter of a second. Where messages come meanwhile, that is not too long yet. */
export const BACKLOG_STARTS_MAX = 50;
/** Ledger rows kept in the workflow's state while the database is away; past it they collapse into spans. */
export const UNSENT_ROWS_MAX = 200;
/** What `advance` may spend on the ledger: a fire never waits for the database. */
export const LEDGER_BUDGET_MS = 300;
export const PROBLEMS_KEPT_MAX = 10;
export const SKIPS_UNTIL_STUCK = 3;
/** First safety look-up of a run that a relative schedule waits for; doubles up to the second. */
export const LOOK_UP_MS_MIN = 10 * SECOND;
export const LOOK_UP_MS_MAX = 10 * MINUTE;

// -- policies --------------------------------------------------------------------------------------
/** Due no longer ago than this is on time, whatever the catch-up policy says. */
export const LATE_AFTER_MS = 10 * SECOND;
/** A window below the time in which a fire counts as on time would miss fires for no reason. */
export const CATCH_UP_WINDOW_MS_MIN = 10 * SECOND;
export const CATCH_UP_WINDOW_MS_DEFAULT = DAY;
/** At about 5 ms for each start, a tenth of one `advance`'s time; live fires keep the rest. */
export const CATCH_UP_PER_SECOND_DEFAULT = 10;
export const CATCH_UP_PER_SECOND_MAX = 50;
/** What `advance` waits for a run that it has asked to stop; after that the schedule waits for it. */
export const CANCEL_WAIT_MS = SECOND;
/** Triggers that wait in one schedule: about 150 bytes each in its state. */
export const PENDING_MAX = 1_000;
/** Inputs of all that are pending, as JSON: they are carried on together, and one run may be told of all of them. */
export const PENDING_CHARS_MAX = 512 * 1024;
/** As many as can wait. */
export const MAX_BATCH_DEFAULT = 1_000;
/** Runs whose ends one schedule waits for: each may have to be looked up. */
export const MAX_CONCURRENT_MAX = 100;
export const PENDING_TIMEOUT_MS_DEFAULT = 7 * DAY;
/** Nearer to 1 the logarithm grows without bound. */
export const LOGARITHMIC_BASE_MIN = 1.0001;
/** Instants of one backfill; each may become an invocation. */
export const BACKFILL_INSTANTS_MAX = 10_000;
/** Backfills that are over and whose keys are still known. */
export const BACKFILLS_KEPT_MAX = 100;
export const BACKLOGS_MAX = 10;
/** Occurrences of one schedule that are skipped, moved or held at a time. */
export const OCCURRENCES_MAX = 100;
/** Revisions kept for a look back and a revert; their definitions together stay within the bytes. */
export const REVISIONS_KEPT_MAX = 10;
export const REVISIONS_BYTES_MAX = 24_000;

// -- the record ------------------------------------------------------------------------------------
/** Rows of the ledger and records of runs: a quarter of a year can be looked back on. Never less than Temporal's own time. */
export const LEDGER_RETENTION_MS_DEFAULT = 90 * DAY;
/** Less would forget today's fires before somebody has looked at them. */
export const LEDGER_RETENTION_MS_MIN = DAY;
/** Silent runs looked up in one turn, a millisecond or two each. */
export const LOOK_UPS_PER_TURN_MAX = 20;
/** Pending triggers that `describe` lists; the ledger has them all in the end. */
export const PENDING_SHOWN_MAX = 20;
