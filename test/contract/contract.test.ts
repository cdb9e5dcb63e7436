/** What every side agrees on: ids that read back, messages checked field by field, definitions with their defaults. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createNames,
  deploymentProblem,
  idProblem,
  isoInstant,
  parseWorkflowId,
} from '../../src/contract/ids.ts';
import { checkScheduleMessage, parseInstant, UNDECODABLE } from '../../src/contract/message-shape.ts';
import { parseRun } from '../../src/contract/run-schema.ts';
import { parseSchedule } from '../../src/contract/schemas.ts';
import { tolerant } from '../../src/contract/payload-converter.ts';
import { defaultPayloadConverter } from '@temporalio/common';

const deployment = fc.oneof(fc.constant(''), fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,39}$/));
const id = fc.string({ minLength: 1, maxLength: 200 }).filter((text) => idProblem('id', text) === undefined);
const instantMs = fc.integer({ min: 0, max: Date.UTC(2100, 0) });

describe('ids', () => {
  test('what names make is read back, for every deployment and id', () => {
    fc.assert(
      fc.property(deployment, id, id, instantMs, (where, name, key, atMs) => {
        expect(deploymentProblem(where)).toBeUndefined();
        const names = createNames(where);
        const schedule = { deployment: where, noun: 'schedule', id: name };
        expect(parseWorkflowId(names.scheduleWorkflowId(name))).toEqual(schedule);
        const fire = parseWorkflowId(names.fireInvocationId(name, atMs));
        expect(fire).toEqual({ ...schedule, rest: isoInstant(atMs) });
        expect(parseInstant(fire?.rest)).toBe(atMs);
        const manual = parseWorkflowId(names.manualInvocationId(name, key));
        expect(manual).toEqual({ ...schedule, rest: `manual/${key}` });
        expect(parseWorkflowId(names.jobWorkflowId(name))).toEqual({ ...schedule, noun: 'job' });
        expect(parseWorkflowId(names.poolWorkflowId(name))).toEqual({ ...schedule, noun: 'pool' });
      }),
    );
  });

  test('two deployments never share a name', () => {
    fc.assert(
      fc.property(deployment, deployment, id, id, (one, two, a, b) => {
        fc.pre(one !== two);
        expect(createNames(one).scheduleWorkflowId(a)).not.toBe(createNames(two).scheduleWorkflowId(b));
        expect(createNames(one).schema).not.toBe(createNames(two).schema);
      }),
    );
  });

  test.each(['', 'a/b', ' a', 'a\n', 'x'.repeat(201), 'a\ud800', '\udc00a'])('%j is no id', (text) => {
    expect(idProblem('schedule', text)).toContain('schedule id');
  });

  test('half of a pair of surrogates is named as what it is; a whole one is a character like others', () => {
    expect(idProblem('pool', 'a\ud83d')).toBe(
      'pool id "a\\ud83d" contains half of a surrogate pair: it was cut within a character, or is no text',
    );
    expect(idProblem('pool', 'a\ud83d\ude00')).toBeUndefined();
  });

  test('instants keep milliseconds only where there are any', () => {
    expect(isoInstant(0)).toBe('1970-01-01T00:00:00Z');
    expect(isoInstant(1)).toBe('1970-01-01T00:00:00.001Z');
  });
});

describe('messages', () => {
  test.each([
    ['pause', { untill: 'x' }, 'pause: unknown field "untill": known are reason, actor, until'],
    ['pause', { until: '2026-02-30T00:00:00Z' }, 'pause: field "until" must be an ISO 8601 instant'],
    ['disable', 'now', 'disable: expected an object, got "now"'],
    ['enable', { reason: 7 }, 'enable: field "reason" must be a string, got 7'],
    ['changeSchedule', {}, 'changeSchedule: field "schedule" is missing'],
    ['changeSchedule', { schedule: {}, revision: '1' }, 'field "revision" must be a number'],
    ['delete', { cancelRunning: 'yes' }, 'field "cancelRunning" must be true or false'],
    ['invocationEnded', { invocationId: 'i', status: 's' }, 'field "endedAtMs" is missing'],
    ['trigger', { [UNDECODABLE]: 'bogus' }, 'trigger: payload cannot be decoded (bogus)'],
    ['trigger', [], 'trigger: expected an object'],
  ] as const)('%s %j is refused by name', (kind, payload, problem) => {
    expect(checkScheduleMessage(kind, payload)).toMatchObject({ problem: expect.stringContaining(problem) });
  });

  test('nothing at all is as good as an empty object, and until is read', () => {
    expect(checkScheduleMessage('pause', undefined)).toEqual({ message: { kind: 'pause', request: {} } });
    expect(checkScheduleMessage('pause', { until: '1970-01-01T00:00:01Z', actor: 'ann' })).toEqual({
      message: { kind: 'pause', request: { actor: 'ann', untilMs: 1_000 } },
    });
  });

  test('whatever comes is checked without throwing', () => {
    fc.assert(
      fc.property(fc.constantFrom('pause', 'trigger', 'changeSchedule'), fc.anything(), (kind, payload) => {
        fc.pre(typeof payload !== 'bigint');
        const checked = checkScheduleMessage(kind, payload);
        expect('message' in checked || 'problem' in checked).toBe(true);
      }),
    );
  });

  test('a payload that cannot be decoded becomes a marker, any other its value', () => {
    const converter = tolerant(defaultPayloadConverter);
    const bogus = { metadata: { encoding: Buffer.from('bogus') }, data: Buffer.from('x') };
    expect(converter.fromPayload(bogus)).toHaveProperty([UNDECODABLE]);
    const payload = converter.toPayload({ a: 1 });
    expect(payload && converter.fromPayload(payload)).toEqual({ a: 1 });
  });
});

describe('definitions', () => {
  const minimal = { spec: '* * * * *', target: 'command' };

  test('a spec and a target are enough; every default is filled in', () => {
    expect(parseSchedule(minimal, 5)).toEqual({
      ok: true,
      enabled: true,
      definition: {
        spec: { expressions: ['* * * * *'], timeZone: 'UTC', createdAtMs: 5 },
        overlap: 'skip',
        catchUp: { mode: 'latest', windowMs: 86_400_000 },
        run: {
          target: { name: 'command' },
          pool: 'default',
          size: 1,
          priority: 0,
          retry: { limit: 5, minBackoffMs: 1_000, maxBackoffMs: 3_600_000, coefficient: 2 },
          timeouts: { attemptMs: 3_600_000, heartbeatMs: 10_000, scheduleToStartMs: 10_000 },
          consistency: 'atLeastOnce',
        },
      },
    });
  });

  test.each([
    [{ target: 'x' }, 'spec'],
    [{ spec: '* * * * *' }, 'target'],
    [{ ...minimal, sizze: 1 }, ''],
    [{ ...minimal, size: 0 }, 'size'],
    [{ ...minimal, retry: { limit: -1 } }, 'retry.limit'],
    [{ ...minimal, retry: { minBackoff: '2h' } }, 'retry.minBackoff'],
    [{ ...minimal, timeouts: { heartbeat: '10ms' } }, 'timeouts.heartbeat'],
    [{ ...minimal, startDeadline: 'soon' }, 'startDeadline'],
    [{ ...minimal, overlap: 'jump' }, 'overlap'],
    [{ ...minimal, spec: { expressions: '* * * * *', endAt: 'tomorrow' } }, 'spec.endAt'],
    [{ ...minimal, pool: 'a/b' }, 'pool'],
    [{ ...minimal, dataset: { id: 'd', mode: 'maybe' } }, 'dataset.mode'],
  ])('%j is refused, and the field is named', (input, path) => {
    const parsed = parseSchedule(input, 0);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.issues.map((issue) => issue.path)).toContain(path);
  });

  test('a job takes what a schedule takes, but no spec', () => {
    expect(parseRun('job "j"', { target: { name: 't', input: 1 }, dataset: 'photos' })).toMatchObject({
      target: { name: 't', input: 1 },
      dataset: { id: 'photos', mode: 'required' },
    });
    expect(() => parseRun('job "j"', minimal)).toThrow('job "j"');
  });
});
