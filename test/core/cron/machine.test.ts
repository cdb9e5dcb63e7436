/** The cron machine: its whole table, state by state and event by event, then what holds for any run of events. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DISTANT_FUTURE_MS,
  equal,
  initialState,
  isSuspended,
  type MachineAction,
  type MachineEnv,
  type MachineEvent,
  type MachineState,
  TickTooEarly,
  transition,
} from '../../../src/core/cron/machine.ts';

const NOW = 1_000_000;
const MINUTE = 60_000;

/** Every full minute. */
const everyMinute = {
  absolute: true,
  next: (nowMs: number) => (Math.floor(nowMs / MINUTE) + 1) * MINUTE,
};
/** A minute after the run before. */
const aMinuteAfter = {
  absolute: false,
  next: (nowMs: number, previousMs?: number) => Math.max((previousMs ?? nowMs) + MINUTE, nowMs),
};
const never = { absolute: true, next: () => undefined };
const byHand = { absolute: false, next: () => DISTANT_FUTURE_MS };

const NEXT_MINUTE = 1_020_000;

function at(nowMs: number, schedule: MachineEnv['schedule'] = everyMinute): MachineEnv {
  return { nowMs, schedule, nonce: () => 'new' };
}

const disabled: MachineState = { enabled: false, generation: 7 };
const ticking: MachineState = {
  enabled: true,
  generation: 7,
  lastRewindMs: NOW - 40_000,
  lastTick: { whenMs: NEXT_MINUTE, nonce: 'old' },
};
const waiting: MachineState = { enabled: true, generation: 7, lastRewindMs: NOW - 40_000 };
const distant: MachineState = {
  enabled: true,
  generation: 7,
  lastRewindMs: NOW - 40_000,
  lastTick: { whenMs: DISTANT_FUTURE_MS, nonce: 'old' },
};
const states = { disabled, ticking, waiting, distant };

const tick: MachineEvent = { kind: 'tick', nonce: 'old' };
const armed = (whenMs: number) => ({ whenMs, nonce: 'new' });
const later = (whenMs: number): MachineAction => ({ kind: 'tickLater', whenMs, nonce: 'new' });
const start = (generation: number): MachineAction => ({ kind: 'startInvocation', generation });

interface Row {
  readonly from: keyof typeof states;
  readonly event: MachineEvent;
  readonly env: MachineEnv;
  /** Absent: nothing changes, nothing is done. */
  readonly to?: MachineState;
  readonly actions?: readonly MachineAction[];
  readonly because: string;
}

const table: readonly Row[] = [
  // -- enable
  {
    from: 'disabled',
    event: { kind: 'enable' },
    env: at(NOW),
    to: { enabled: true, generation: 9, lastRewindMs: NOW, lastTick: armed(NEXT_MINUTE) },
    actions: [later(NEXT_MINUTE)],
    because: 'it counts afresh from now',
  },
  {
    from: 'disabled',
    event: { kind: 'enable' },
    env: at(NOW, aMinuteAfter),
    to: { enabled: true, generation: 9, lastRewindMs: NOW, lastTick: armed(NOW + MINUTE) },
    actions: [later(NOW + MINUTE)],
    because: 'a relative schedule is due one interval from now',
  },
  {
    from: 'disabled',
    event: { kind: 'enable' },
    env: at(NOW, byHand),
    to: { enabled: true, generation: 9, lastRewindMs: NOW, lastTick: armed(DISTANT_FUTURE_MS) },
    because: 'no timer is armed for the distant future',
  },
  {
    from: 'disabled',
    event: { kind: 'enable' },
    env: at(NOW, never),
    to: { enabled: true, generation: 8, lastRewindMs: NOW },
    because: 'there is no time left to be due at',
  },
  ...(['ticking', 'waiting', 'distant'] as const).map(
    (from): Row => ({ from, event: { kind: 'enable' }, env: at(NOW), because: 'it is enabled' }),
  ),

  // -- disable
  ...(['disabled', 'ticking', 'waiting', 'distant'] as const).map(
    (from): Row => ({
      from,
      event: { kind: 'disable' },
      env: at(NOW),
      to: { enabled: false, generation: 8 },
      because: 'its place is forgotten; a tick that still comes has no state to match',
    }),
  ),

  // -- rewind
  ...(['disabled', 'ticking', 'distant'] as const).map(
    (from): Row => ({
      from,
      event: { kind: 'rewind' },
      env: at(NOW),
      because: 'only an enabled machine without a tick counts anew',
    }),
  ),
  {
    from: 'waiting',
    event: { kind: 'rewind' },
    env: at(NOW, aMinuteAfter),
    to: { enabled: true, generation: 9, lastRewindMs: NOW, lastTick: armed(NOW + MINUTE) },
    actions: [later(NOW + MINUTE)],
    because: 'the run has ended now',
  },
  {
    from: 'waiting',
    event: { kind: 'rewind' },
    env: at(NOW, never),
    to: { enabled: true, generation: 8, lastRewindMs: NOW },
    because: 'no time is left',
  },

  // -- scheduleChanged
  { from: 'disabled', event: { kind: 'scheduleChanged' }, env: at(NOW), because: 'it is switched off' },
  {
    from: 'waiting',
    event: { kind: 'scheduleChanged' },
    env: at(NOW),
    to: { enabled: true, generation: 9, lastRewindMs: NOW, lastTick: armed(NEXT_MINUTE) },
    actions: [later(NEXT_MINUTE)],
    because: 'an absolute schedule waits for no run',
  },
  {
    from: 'waiting',
    event: { kind: 'scheduleChanged' },
    env: at(NOW, aMinuteAfter),
    because: 'a relative one waits for the end of its run',
  },
  {
    from: 'ticking',
    event: { kind: 'scheduleChanged' },
    env: at(NOW),
    because: 'the new schedule is due at the same time',
  },
  {
    from: 'ticking',
    event: { kind: 'scheduleChanged' },
    env: at(NOW, aMinuteAfter),
    because: 'it counts from the old rewind, which happens to give the same time',
  },
  {
    from: 'ticking',
    event: { kind: 'scheduleChanged' },
    env: at(NOW, { ...aMinuteAfter, next: (_now, previousMs) => (previousMs ?? 0) + 50_000 }),
    to: { ...ticking, generation: 8, lastTick: armed(NOW + 10_000) },
    actions: [later(NOW + 10_000)],
    because: 'a shorter interval counts from the old rewind',
  },
  {
    from: 'ticking',
    event: { kind: 'scheduleChanged' },
    env: at(NOW, byHand),
    to: { ...ticking, generation: 8, lastTick: armed(DISTANT_FUTURE_MS) },
    because: 'paused: the place is kept, no timer is armed',
  },
  {
    from: 'ticking',
    event: { kind: 'scheduleChanged' },
    env: at(NOW, never),
    to: { enabled: true, generation: 8, lastRewindMs: NOW - 40_000 },
    because: 'the new schedule is due no more',
  },
  {
    from: 'distant',
    event: { kind: 'scheduleChanged' },
    env: at(NOW),
    to: { ...distant, generation: 8, lastTick: armed(NEXT_MINUTE) },
    actions: [later(NEXT_MINUTE)],
    because: 'resumed: the next nominal time',
  },
  {
    from: 'distant',
    event: { kind: 'scheduleChanged' },
    env: at(NOW, aMinuteAfter),
    to: { ...distant, generation: 8, lastTick: armed(NOW + 20_000) },
    actions: [later(NOW + 20_000)],
    because: 'resumed and not yet due: the original time',
  },
  {
    from: 'distant',
    event: { kind: 'scheduleChanged' },
    env: at(NOW + MINUTE, aMinuteAfter),
    to: { ...distant, generation: 8, lastTick: armed(NOW + MINUTE) },
    actions: [later(NOW + MINUTE)],
    because: 'resumed and overdue: at once',
  },
  {
    from: 'distant',
    event: { kind: 'scheduleChanged' },
    env: at(NOW, byHand),
    because: 'it stays due by hand',
  },

  // -- tick
  ...(['disabled', 'waiting', 'distant'] as const).map(
    (from): Row => ({
      from,
      event: tick,
      env: at(NEXT_MINUTE),
      because: 'a suspended machine ignores ticks',
    }),
  ),
  {
    from: 'ticking',
    event: { kind: 'tick', nonce: 'older' },
    env: at(NEXT_MINUTE),
    because: 'that tick was replaced',
  },
  {
    from: 'ticking',
    event: tick,
    env: at(NEXT_MINUTE),
    to: { enabled: true, generation: 10, lastRewindMs: NEXT_MINUTE, lastTick: armed(NEXT_MINUTE + MINUTE) },
    actions: [start(8), later(NEXT_MINUTE + MINUTE)],
    because: 'an absolute schedule goes on at once',
  },
  {
    from: 'ticking',
    event: tick,
    env: at(NEXT_MINUTE, aMinuteAfter),
    to: { enabled: true, generation: 8, lastRewindMs: NOW - 40_000 },
    actions: [start(8)],
    because: 'a relative schedule waits for the end of the run',
  },
  {
    from: 'ticking',
    event: tick,
    env: at(NEXT_MINUTE, never),
    to: { enabled: true, generation: 9, lastRewindMs: NEXT_MINUTE },
    actions: [start(8)],
    because: 'it was the last one',
  },
  {
    from: 'ticking',
    event: tick,
    env: at(NEXT_MINUTE + 3 * MINUTE + 1),
    to: {
      enabled: true,
      generation: 10,
      lastRewindMs: NEXT_MINUTE + 3 * MINUTE + 1,
      lastTick: armed(NEXT_MINUTE + 4 * MINUTE),
    },
    actions: [start(8), later(NEXT_MINUTE + 4 * MINUTE)],
    because: 'a late tick starts once; what else was missed its host decides',
  },
  {
    from: 'ticking',
    event: tick,
    env: at(NEXT_MINUTE - 50),
    to: { enabled: true, generation: 10, lastRewindMs: NEXT_MINUTE, lastTick: armed(NEXT_MINUTE + MINUTE) },
    actions: [start(8), later(NEXT_MINUTE + MINUTE)],
    because: '50 ms early is on time, and then the nominal time is now',
  },
  {
    from: 'ticking',
    event: tick,
    env: at(NEXT_MINUTE - 1_001),
    to: { ...ticking, generation: 8, lastTick: armed(NEXT_MINUTE) },
    actions: [later(NEXT_MINUTE)],
    because: 'more than a second early: the same time again under a new nonce',
  },
];

describe('the table', () => {
  test.each(table)('$from, $event.kind: $because', ({ from, event, env, to, actions = [] }) => {
    const before = structuredClone(states[from]);
    expect(transition(states[from], event, env)).toEqual({ state: to ?? states[from], actions });
    expect(states[from]).toEqual(before);
  });

  test.each([51, 999, 1_000])('a tick %d ms early throws and nothing has changed', (earlyMs) => {
    const env = at(NEXT_MINUTE - earlyMs);
    let thrown: unknown;
    try {
      transition(ticking, tick, env);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TickTooEarly);
    expect(thrown).toMatchObject({ whenMs: NEXT_MINUTE, nowMs: NEXT_MINUTE - earlyMs });
    expect(transition(ticking, tick, at(NEXT_MINUTE)).actions).toHaveLength(2);
  });

  test('it begins disabled, and knows when no timer will wake it', () => {
    expect(initialState).toEqual({ enabled: false, generation: 0 });
    const suspended = Object.entries(states).filter(([, state]) => isSuspended(state));
    expect(suspended.map(([name]) => name)).toEqual(['disabled', 'waiting', 'distant']);
    expect(DISTANT_FUTURE_MS).toBe(4_604_952_467_000);
  });

  test('equal looks at every field', () => {
    expect(equal(ticking, structuredClone(ticking))).toBe(true);
    const others: readonly MachineState[] = [
      { ...ticking, enabled: false },
      { ...ticking, generation: 8 },
      { ...ticking, lastRewindMs: 1 },
      { ...ticking, lastTick: { whenMs: NEXT_MINUTE, nonce: 'other' } },
      { ...ticking, lastTick: { whenMs: 1, nonce: 'old' } },
      waiting,
    ];
    for (const other of others) expect(equal(ticking, other)).toBe(false);
  });
});

/** A host that keeps every promise the machine asks for and none that it does not. */
class SimulatedHost {
  state = initialState;
  nowMs = NOW;
  schedule: MachineEnv['schedule'];
  readonly fired: number[] = [];
  /** Every tick ever asked for: none can be cancelled, and each may come twice. */
  readonly ticks: { whenMs: number; nonce: string }[] = [];
  #nonces = 0;

  constructor(schedule: MachineEnv['schedule']) {
    this.schedule = schedule;
  }

  feed(event: MachineEvent): readonly MachineAction[] {
    const before = this.state;
    const { whenMs } = before.lastTick ?? {};
    const env = { nowMs: this.nowMs, schedule: this.schedule, nonce: () => `n${++this.#nonces}` };
    const { state, actions } = transition(before, event, env);
    expect(state.generation).toBeGreaterThanOrEqual(before.generation);
    if (!equal(state, before)) expect(state.generation).toBeGreaterThan(before.generation);
    const later = actions.filter((action) => action.kind === 'tickLater');
    expect(later.length).toBeLessThanOrEqual(1);
    // The tick asked for is the one kept: there are never two.
    for (const { whenMs: askedMs, nonce } of later) {
      expect(state.lastTick).toEqual({ whenMs: askedMs, nonce });
      expect(isSuspended(state)).toBe(false);
    }
    if (isSuspended(before) && event.kind === 'tick') expect(actions).toEqual([]);
    this.state = state;
    this.ticks.push(...later.map(({ whenMs: atMs, nonce }) => ({ whenMs: atMs, nonce })));
    if (actions.some((action) => action.kind === 'startInvocation')) this.fired.push(whenMs ?? Number.NaN);
    return actions;
  }

  /** Delivers a tick as timers do: not before its time. */
  deliver(tick: { whenMs: number; nonce: string }): void {
    this.nowMs = Math.max(this.nowMs, tick.whenMs);
    this.feed({ kind: 'tick', nonce: tick.nonce });
  }
}

const anyEvent = fc.oneof(
  fc.constantFrom<MachineEvent>(
    { kind: 'enable' },
    { kind: 'disable' },
    { kind: 'scheduleChanged' },
    { kind: 'rewind' },
  ),
  fc.record({ kind: fc.constant('old tick' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 0, max: 3 * MINUTE }) }),
  fc.record({
    kind: fc.constant('schedule' as const),
    to: fc.constantFrom(everyMinute, aMinuteAfter, byHand, never),
  }),
);

describe('whatever happens', () => {
  test('generations only grow, there is one tick at most, and suspended states do nothing', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
        const host = new SimulatedHost(everyMinute);
        for (const event of events) {
          if (event.kind === 'time') host.nowMs += event.ms;
          else if (event.kind === 'schedule') host.schedule = event.to;
          else if (event.kind === 'old tick') {
            const old = host.ticks[event.which % Math.max(1, host.ticks.length)];
            if (old !== undefined) host.deliver(old);
          } else host.feed(event);
        }
        expect(host.fired).not.toContain(Number.NaN);
      }),
    );
  });

  test('an absolute schedule fires every nominal time once, however ticks are doubled and shuffled', () => {
    const step = fc.record({ again: fc.array(fc.nat(), { maxLength: 4 }), twice: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const host = new SimulatedHost(everyMinute);
        host.feed({ kind: 'enable' });
        for (const { again, twice } of steps) {
          const due = host.ticks.at(-1);
          expect(due).toBeDefined();
          if (due === undefined) return;
          host.deliver(due);
          if (twice) host.deliver(due);
          for (const n of again) {
            const old = host.ticks[n % Math.max(1, host.ticks.length - 1)];
            if (old !== undefined && old.whenMs <= host.nowMs) host.deliver(old);
          }
        }
        const expected = steps.map((_, n) => NEXT_MINUTE + n * MINUTE);
        expect(host.fired).toEqual(expected);
      }),
    );
  });

  test('a relative schedule never fires before the end of its run and the interval', () => {
    const run = fc.record({
      lengthMs: fc.integer({ min: 0, max: 5 * MINUTE }),
      lateMs: fc.integer({ min: 0, max: MINUTE }),
      changes: fc.nat({ max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 30 }), (runs) => {
        const host = new SimulatedHost(aMinuteAfter);
        host.feed({ kind: 'enable' });
        let mayFireMs = NOW + MINUTE;
        for (const { lengthMs, lateMs, changes } of runs) {
          const due = host.ticks.at(-1);
          expect(due?.whenMs).toBe(mayFireMs);
          if (due === undefined) return;
          host.nowMs = due.whenMs + lateMs;
          host.deliver(due);
          expect(isSuspended(host.state)).toBe(true);
          for (let n = 0; n < changes; n += 1) host.feed({ kind: 'scheduleChanged' });
          expect(isSuspended(host.state)).toBe(true);
          host.nowMs += lengthMs;
          mayFireMs = host.nowMs + MINUTE;
          host.feed({ kind: 'rewind' });
        }
        expect(host.fired).toHaveLength(runs.length);
      }),
    );
  });

  test('a tick that comes too early is delivered again and fires at its time', () => {
    fc.assert(
      fc.property(fc.integer({ min: -2_000, max: 5_000 }), (earlyMs) => {
        const host = new SimulatedHost(everyMinute);
        host.feed({ kind: 'enable' });
        const asked = host.ticks[0];
        if (asked === undefined) throw new Error('no tick was asked for');
        host.nowMs = asked.whenMs - earlyMs;
        const event = { kind: 'tick', nonce: asked.nonce } as const;
        if (earlyMs <= 50) host.feed(event);
        else if (earlyMs <= 1_000) expect(() => host.feed(event)).toThrow(TickTooEarly);
        else expect(host.feed(event)).toHaveLength(1);
        if (earlyMs > 50) {
          const again = host.ticks.at(-1);
          if (again !== undefined) host.deliver(again);
        }
        expect(host.fired).toEqual([NEXT_MINUTE]);
      }),
    );
  });
});
