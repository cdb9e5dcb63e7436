/**
 * A discrete-event simulator of triggering policies: triggers come at given times, runs take given lengths, and the
 * policy decides at every event (a trigger comes, a run ends, a trigger times out), as the schedule workflow has it.
 * It keeps every decision, and what was going and pending after each. No clock: time is the next event.
 */
import type { TriggeringPolicy } from '../../../src/contract/schedule.ts';
import { addPending, leader, nextTimeoutMs, release } from '../../../src/core/policy/triggering.ts';

export interface Scenario {
  readonly policy: TriggeringPolicy;
  /** When triggers come, in any order; each is known by its place in it. */
  readonly arrivalsMs: readonly number[];
  /** How long the n-th run takes; at least 1. */
  readonly lengthMs: (n: number) => number;
  /** Events after it do not happen. Default: until nothing happens any more. */
  readonly untilMs?: number;
}

export interface Run {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly triggers: readonly number[];
  /** The one that it takes its properties from. */
  readonly leader: number;
}

export interface Outcome {
  readonly runs: readonly Run[];
  readonly dropped: readonly { readonly id: number; readonly atMs: number; readonly reason: string }[];
  readonly pending: readonly number[];
  /** After each event. */
  readonly moments: readonly {
    readonly atMs: number;
    readonly running: number;
    readonly pending: number;
  }[];
}

interface Trigger {
  readonly id: number;
  readonly createdAtMs: number;
}

export function simulate({ policy, arrivalsMs, lengthMs, untilMs = Infinity }: Scenario): Outcome {
  const coming = arrivalsMs
    .map((createdAtMs, id): Trigger => ({ id, createdAtMs }))
    .sort((a, b) => a.createdAtMs - b.createdAtMs);
  const runs: Run[] = [];
  const dropped: { id: number; atMs: number; reason: string }[] = [];
  const moments: Outcome['moments'][number][] = [];
  let pending: readonly Trigger[] = [];
  let atMs = -Infinity;

  const nextEventMs = () =>
    Math.min(
      coming[0]?.createdAtMs ?? Infinity,
      nextTimeoutMs(policy, pending) ?? Infinity,
      ...runs.map(({ endedAtMs }) => (endedAtMs > atMs ? endedAtMs : Infinity)),
    );

  for (let nextMs = nextEventMs(); nextMs <= untilMs && nextMs < Infinity; nextMs = nextEventMs()) {
    if (nextMs <= atMs) throw new Error(`time stands still at ${atMs}: an event leads to itself`);
    atMs = nextMs;
    while (coming[0] !== undefined && coming[0].createdAtMs <= atMs) {
      const added = addPending(pending, coming[0]);
      coming.shift();
      pending = added.pending;
      dropped.push(...added.dropped.map(({ trigger, reason }) => ({ id: trigger.id, atMs, reason })));
    }
    const running = runs.filter(({ endedAtMs }) => endedAtMs > atMs).length;
    const released = release(policy, pending, running, atMs);
    pending = released.pending;
    dropped.push(...released.dropped.map(({ trigger, reason }) => ({ id: trigger.id, atMs, reason })));
    for (const batch of released.batches) {
      const endedAtMs = atMs + lengthMs(runs.length);
      const triggers = batch.map(({ id }) => id);
      runs.push({ startedAtMs: atMs, endedAtMs, triggers, leader: leader(batch).id });
    }
    moments.push({ atMs, running: running + released.batches.length, pending: pending.length });
  }
  return { runs, dropped, pending: pending.map(({ id }) => id), moments };
}
