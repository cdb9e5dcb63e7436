/**
 * The cron machine: decides, from one event at a time, when the next tick is and when an invocation starts.
 * Hosted by scheduleWorkflow; loaded into the workflow bundle, so it imports nothing but bounds.
 * Pure: time, the schedule and nonces are arguments, actions are results. Its host promises: a tick cannot
 * be cancelled and may arrive twice; state and actions are committed together; a thrown error commits nothing.
 * After LUCI's cron machine (scheduler/appengine/engine/cron).
 */
import { assertNever } from '../assert.ts';
import { TICK_EARLY_ACCEPTED_MS, TICK_EARLY_RETRY_MS } from '../limits.ts';

/** Returned by a schedule that is due only by hand; no timer is ever armed for it. 2115-12-05T01:27:47Z. */
export const DISTANT_FUTURE_MS = 4_604_952_467_000;

export interface MachineState {
  readonly enabled: boolean;
  /** Grows with every change; never falls, not even by disable. */
  readonly generation: number;
  /** When counting began anew: for absolute schedules the last fire, for relative ones the end of the last run. */
  readonly lastRewindMs?: number;
  readonly lastTick?: { readonly whenMs: number; readonly nonce: string };
}

export type MachineEvent =
  | { readonly kind: 'enable' }
  | { readonly kind: 'disable' }
  | { readonly kind: 'scheduleChanged' }
  | { readonly kind: 'tick'; readonly nonce: string }
  | { readonly kind: 'rewind' };

export type MachineAction =
  | { readonly kind: 'tickLater'; readonly whenMs: number; readonly nonce: string }
  | { readonly kind: 'startInvocation'; readonly generation: number };

export interface MachineEnv {
  readonly nowMs: number;
  readonly schedule: {
    readonly absolute: boolean;
    /** Absolute: strictly after `nowMs`. Relative: counts from `previousMs`. Undefined: never again. */
    next(nowMs: number, previousMs?: number): number | undefined;
  };
  nonce(): string;
}

export interface Transition {
  readonly state: MachineState;
  readonly actions: readonly MachineAction[];
}

/** A tick came 50 ms to 1 s early: the host waits and delivers it again. Nothing has changed. */
export class TickTooEarly extends Error {
  override readonly name = 'TickTooEarly';
  constructor(
    readonly whenMs: number,
    readonly nowMs: number,
  ) {
    super(`tick for ${whenMs} came ${whenMs - nowMs} ms early: deliver it again at its time`);
  }
}

export const initialState: MachineState = { enabled: false, generation: 0 };

/** True when no timer will wake it: disabled, waiting for a rewind, or due in the distant future only. */
export function isSuspended(state: MachineState): boolean {
  return !state.enabled || state.lastTick === undefined || state.lastTick.whenMs >= DISTANT_FUTURE_MS;
}

export function equal(a: MachineState, b: MachineState): boolean {
  return (
    a.enabled === b.enabled &&
    a.generation === b.generation &&
    a.lastRewindMs === b.lastRewindMs &&
    a.lastTick?.whenMs === b.lastTick?.whenMs &&
    a.lastTick?.nonce === b.lastTick?.nonce
  );
}

/** The machine's one step. @throws TickTooEarly */
export function transition(state: MachineState, event: MachineEvent, env: MachineEnv): Transition {
  switch (event.kind) {
    case 'enable':
      if (state.enabled) return unchanged(state);
      return scheduleTick(
        { enabled: true, generation: state.generation + 1, lastRewindMs: env.nowMs },
        env.nowMs,
        env,
      );
    case 'disable':
      return unchanged({ enabled: false, generation: state.generation + 1 });
    case 'scheduleChanged':
      return scheduleChanged(state, env);
    case 'tick':
      return tick(state, event.nonce, env);
    case 'rewind':
      return rewind(state, env.nowMs, env);
    default:
      return assertNever(event);
  }
}

function scheduleChanged(state: MachineState, env: MachineEnv): Transition {
  if (!state.enabled) return unchanged(state);
  // A relative schedule without a tick waits for the end of a run: its host will rewind it then.
  if (state.lastTick === undefined) {
    return env.schedule.absolute ? rewind(state, env.nowMs, env) : unchanged(state);
  }
  return scheduleTick(state, env.nowMs, env);
}

function tick(state: MachineState, nonce: string, env: MachineEnv): Transition {
  const { lastTick } = state;
  if (isSuspended(state) || lastTick === undefined || lastTick.nonce !== nonce) return unchanged(state);
  const earlyMs = lastTick.whenMs - env.nowMs;
  if (earlyMs > TICK_EARLY_RETRY_MS) return armTick(state, lastTick.whenMs, env);
  if (earlyMs > TICK_EARLY_ACCEPTED_MS) throw new TickTooEarly(lastTick.whenMs, env.nowMs);

  const nowMs = Math.max(env.nowMs, lastTick.whenMs);
  const { lastTick: _spent, ...rest } = state;
  const fired: MachineState = { ...rest, generation: state.generation + 1 };
  const start: MachineAction = { kind: 'startInvocation', generation: fired.generation };
  if (!env.schedule.absolute) return { state: fired, actions: [start] };
  const after = rewind(fired, nowMs, env);
  return { state: after.state, actions: [start, ...after.actions] };
}

function rewind(state: MachineState, nowMs: number, env: MachineEnv): Transition {
  if (!state.enabled || state.lastTick !== undefined) return unchanged(state);
  return scheduleTick({ ...state, lastRewindMs: nowMs, generation: state.generation + 1 }, nowMs, env);
}

function scheduleTick(state: MachineState, nowMs: number, env: MachineEnv): Transition {
  const whenMs = env.schedule.next(nowMs, state.lastRewindMs);
  if (whenMs === state.lastTick?.whenMs) return unchanged(state);
  if (whenMs === undefined) {
    const { lastTick: _spent, ...rest } = state;
    return unchanged({ ...rest, generation: state.generation + 1 });
  }
  return armTick(state, whenMs, env);
}

function armTick(state: MachineState, whenMs: number, env: MachineEnv): Transition {
  const lastTick = { whenMs, nonce: env.nonce() };
  return {
    state: { ...state, generation: state.generation + 1, lastTick },
    actions: whenMs >= DISTANT_FUTURE_MS ? [] : [{ kind: 'tickLater', ...lastTick }],
  };
}

function unchanged(state: MachineState): Transition {
  return { state, actions: [] };
}
