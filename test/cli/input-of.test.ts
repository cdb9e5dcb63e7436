/** A definition as a person would write it: what `change` lays flags over, and what a snapshot keeps. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inputOf, readScheduleFlags, type ScheduleFlags } from '../../src/cli/schedule-flags.ts';
import { unset } from '../../src/cli/schedule-unset.ts';
import { OVERLAPS } from '../../src/contract/message-shape.ts';
import type { ScheduleDefinition } from '../../src/contract/schedule.ts';
import { parseSchedule } from '../../src/contract/schemas.ts';

const CREATED = Date.parse('2026-01-01T00:00:00.500Z');
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const length = fc.integer({ min: 10_000, max: 10 ** 9 });
const few = fc.integer({ min: 1, max: 9 });
const instant = fc.date({ min: new Date('2026-01-01Z'), max: new Date('2090-01-01Z'), noInvalidDate: true });
const iso = instant.map((date) => date.toISOString());
const id = fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/);
const ids = fc.array(id, { maxLength: 3 });

const spec = fc.record(
  {
    expressions: fc.array(fc.constantFrom('0 2 * * *', 'every 15m', '@every 7s', 'triggered'), {
      minLength: 1,
      maxLength: 3,
    }),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin'),
    dst: fc.record(
      { gap: fc.constantFrom('next', 'skip', 'shift'), repeat: fc.constantFrom('first', 'last', 'both') },
      { requiredKeys: [] },
    ),
    ...{ phase: length, anchor: iso, startAt: iso, endAt: iso, jitter: length },
    exclude: fc.record({ expressions: fc.constant(['* * 25 12 *']), calendars: ids }),
  },
  { requiredKeys: ['expressions'] },
);

const run = {
  target: fc.constantFrom('echo', 'http'),
  input: optional(fc.jsonValue()),
  pool: optional(id),
  size: optional(fc.integer({ min: 1, max: 9 })),
  priority: optional(fc.integer({ min: -9, max: 9 })),
  dataset: optional(
    fc.oneof(
      fc.record({ id, mode: fc.constant('required') }),
      fc.record({ id, mode: fc.constant('preferred'), warmWait: length }),
    ),
  ),
  retry: optional(
    fc.record(
      { limit: fc.nat(9), minBackoff: length, maxBackoff: fc.constant('2000h'), ageLimit: length },
      { requiredKeys: ['maxBackoff'] },
    ),
  ),
  timeouts: optional(fc.record({ attempt: length, heartbeat: length, scheduleToStart: length })),
  startDeadline: optional(length),
  consistency: optional(fc.constantFrom('atLeastOnce', 'atMostOnce')),
  memo: optional(fc.record({ team: fc.string({ maxLength: 9 }) })),
  searchAttributes: optional(fc.constant({ Colour: { type: 'keyword', value: 'blue' } })),
};

const policies = {
  catchUp: optional(
    fc.oneof(
      fc.constant({ mode: 'none' }),
      fc.record({ mode: fc.constant('latest'), window: length }),
      fc.record({ mode: fc.constant('all'), window: length, perSecond: fc.integer({ min: 1, max: 9 }) }),
    ),
  ),
  limitedRuns: optional(fc.integer({ min: 1, max: 9 })),
  pauseOnFailure: optional(fc.boolean()),
  triggers: optional(ids),
  note: optional(fc.string({ maxLength: 20 })),
};
const behind = fc.oneof(
  fc.record({ overlap: fc.constantFrom(...OVERLAPS) }),
  fc.record({
    triggering: fc.oneof(
      fc.record({ kind: fc.constant('greedy'), maxConcurrent: few, maxBatch: few }),
      fc.record({
        ...{ kind: fc.constant('logarithmic'), maxConcurrent: few, maxBatch: few },
        base: fc.constantFrom(1.5, 2),
      }),
      fc.record({ kind: fc.constant('newestFirst'), maxConcurrent: few, pendingTimeout: length }),
    ),
  }),
);

function read(input: unknown): ScheduleDefinition {
  const parsed = parseSchedule(input, CREATED);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.definition;
}

test('reading it back gives the same definition, every field of it, also by way of a file', () => {
  fc.assert(
    fc.property(fc.record({ spec, ...run, ...policies }), behind, (schedule, more) => {
      const definition = read(JSON.parse(JSON.stringify({ ...schedule, ...more })));
      expect(read(inputOf(definition))).toEqual(definition);
      expect(read(JSON.parse(JSON.stringify(inputOf(definition))))).toEqual(definition);
    }),
    { numRuns: 500 },
  );
});

test('what a kind of policy alone used goes with it when flags choose another; what they give stays', () => {
  const triggering = { kind: 'logarithmic', maxConcurrent: 2, maxBatch: 7, base: 3 };
  const catchUp = { mode: 'all', window: '1h', perSecond: 3 };
  const before = inputOf(read({ spec: '@daily', target: 'echo', triggering, catchUp }));
  const after = (flags: ScheduleFlags, base = before) => readScheduleFlags('schedule "s"', flags, base);
  expect(read(after({ triggering: 'newestFirst', pendingTimeout: '1h', catchUp: 'latest' }))).toMatchObject({
    triggering: { kind: 'newestFirst', maxConcurrent: 2, pendingTimeoutMs: 3_600_000 },
    catchUp: { mode: 'latest', windowMs: 3_600_000 },
  });
  expect(read(after({ triggering: 'greedy', catchUp: 'none' }))).toMatchObject({
    triggering: { kind: 'greedy', maxConcurrent: 2, maxBatch: 7 },
    catchUp: { mode: 'none' },
  });
  expect(read(after({}, unset(before, ['catch-up']))).catchUp).toEqual({
    mode: 'latest',
    windowMs: 3_600_000,
  });
  const wrong = parseSchedule(after({ triggering: 'greedy', triggeringBase: 5, catchUpRate: 5 }), CREATED);
  expect(wrong).toMatchObject({ ok: false, issues: [{ path: 'triggering.base' }] });
  const late = parseSchedule(after({ catchUp: 'none', catchUpRate: 5 }), CREATED);
  expect(late).toMatchObject({ ok: false, issues: [{ path: 'catchUp.perSecond' }] });
});

test('how long a preferred dataset is waited for goes with it when flags ask for one that must be there', () => {
  const dataset = { id: 'films', mode: 'preferred', warmWait: '1m' };
  const before = inputOf(read({ spec: '@daily', target: 'echo', dataset }));
  const after = (flags: ScheduleFlags, base = before) => readScheduleFlags('schedule "s"', flags, base);
  const required = { id: 'films', mode: 'required' };
  expect(inputOf(read(after({ datasetMode: 'required' }))).dataset).toEqual(required);
  expect(inputOf(read(unset(before, ['dataset-mode']))).dataset).toEqual(required);
  expect(read(after({ dataset: 'maps' })).run.dataset).toEqual({ ...read(before).run.dataset, id: 'maps' });
  const wrong = parseSchedule(after({ datasetMode: 'required', warmWait: '1m' }), CREATED);
  expect(wrong).toMatchObject({ ok: false, issues: [{ path: 'dataset.warmWait' }] });
});
