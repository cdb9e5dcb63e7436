/**
 * What a call is about, in the words of the world outside: environment variables for commands, headers and a JSON body for
 * HTTP. Used by the built-in targets. Promise: instants are ISO 8601 in UTC; nothing of the worker's own is in it.
 */
import { isoInstant } from '../../contract/ids.ts';
import type { CallContext, LastResult } from '../../contract/target.ts';
import type { TargetContext } from './target.ts';

/** One variable of a process's environment may have 128 KB on Linux; more would keep the command from starting. */
const VARIABLE_BYTES_MAX = 64 * 1024;

/** The call as JSON. */
export function toldAsBody({ call, dataset }: Pick<TargetContext, 'call' | 'dataset'>): unknown {
  const { nominalAtMs, actualAtMs, window, triggers, lastResult, ...rest } = call;
  return {
    ...rest,
    ...(nominalAtMs !== undefined && { nominalTime: isoInstant(nominalAtMs) }),
    actualTime: isoInstant(actualAtMs),
    ...(window && { window: { from: isoInstant(window.fromMs), to: isoInstant(window.toMs) } }),
    ...(dataset && { dataset: dataset.id }),
    ...(triggers && {
      triggers: triggers.map(({ createdAtMs, ...trigger }) => ({
        ...trigger,
        createdAt: isoInstant(createdAtMs),
      })),
    }),
    ...(lastResult && { lastResult: toldLastResult(lastResult) }),
  };
}

function toldLastResult({ endedAtMs, ...rest }: LastResult): unknown {
  return { ...rest, endedAt: isoInstant(endedAtMs) };
}

/** Short enough for headers: who calls, for when, for which window. */
export function toldAsHeaders(call: CallContext): Readonly<Record<string, string>> {
  return defined({
    'escapement-invocation': headerText(call.invocationId),
    'escapement-attempt': String(call.attempt),
    'escapement-why': call.why,
    'escapement-nominal-time': instant(call.nominalAtMs),
    'escapement-window-from': instant(call.window?.fromMs),
    'escapement-window-to': instant(call.window?.toMs),
  });
}

/** Headers carry Latin letters only; ids may hold any. */
function headerText(text: string): string {
  return encodeURI(text.replace(/\p{Surrogate}/gu, '\ufffd'));
}

export function toldAsEnvironment(context: TargetContext): Readonly<Record<string, string>> {
  const { call, dataset, worker } = context;
  return defined({
    ESCAPEMENT_INVOCATION: call.invocationId,
    ESCAPEMENT_SCHEDULE: call.scheduleId,
    ESCAPEMENT_JOB: call.jobId,
    ESCAPEMENT_NOMINAL_TIME: instant(call.nominalAtMs),
    ESCAPEMENT_ACTUAL_TIME: instant(call.actualAtMs),
    ESCAPEMENT_LATE_BY_MS: String(call.lateByMs),
    ESCAPEMENT_WHY: call.why,
    ESCAPEMENT_ATTEMPT: String(call.attempt),
    ESCAPEMENT_WINDOW_FROM: instant(call.window?.fromMs),
    ESCAPEMENT_WINDOW_TO: instant(call.window?.toMs),
    ESCAPEMENT_TRIGGER_COUNT: call.triggers && String(call.triggers.length),
    ESCAPEMENT_TRIGGERS: variable(call.triggers),
    ESCAPEMENT_LAST_RESULT: variable(call.lastResult?.result),
    ESCAPEMENT_POOL: worker.poolId,
    ESCAPEMENT_WORKER: worker.id,
    ESCAPEMENT_DATASET: dataset?.id,
    ESCAPEMENT_DATASET_PATH: dataset?.path,
  });
}

/** As JSON, left out where it is too long for the environment. */
function variable(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = JSON.stringify(value);
  return Buffer.byteLength(text) <= VARIABLE_BYTES_MAX ? text : undefined;
}

function instant(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : isoInstant(atMs);
}

function defined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) if (value !== undefined) kept[name] = value;
  return kept;
}
