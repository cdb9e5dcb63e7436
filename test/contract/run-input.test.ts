/** What a person writes for a run: the target `workflow`, memo, search attributes; wrong fields are named. */
import { describe, expect, test } from 'vitest';
import { InvalidInputError } from '../../src/contract/errors.ts';
import { createNames, parseOrigin, parseWorkflowId } from '../../src/contract/ids.ts';
import { parseRun } from '../../src/contract/run-schema.ts';
import { parseSchedule } from '../../src/contract/schemas.ts';
import { searchAttributePairs } from '../../src/contract/search-attributes.ts';
import { readWorkflowTarget } from '../../src/contract/workflow-target.ts';
import { MEMO_BYTES_MAX, WARM_WAIT_MS_DEFAULT } from '../../src/core/limits.ts';

const workflow = { type: 'reportWorkflow', taskQueue: 'reports' };
const run = { target: 'workflow', input: workflow };

function pathsOf(input: unknown): readonly string[] {
  try {
    parseRun('job "j"', input);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.issues.map(({ path }) => path);
  }
}

describe('the target workflow', () => {
  test('takes no capacity unless a size, a pool or a dataset is given', () => {
    expect(parseRun('job', run).size).toBe(0);
    expect(parseRun('job', { ...run, pool: 'gpu' })).toMatchObject({ size: 1, pool: 'gpu' });
    expect(parseRun('job', { ...run, dataset: 'photos' })).toMatchObject({ size: 1, pool: 'default' });
    expect(parseRun('job', { ...run, pool: 'gpu', size: 0 }).size).toBe(0);
    expect(parseRun('job', { ...run, size: 3 }).size).toBe(3);
    expect(parseRun('job', { target: 'command' }).size).toBe(1);
  });

  test.each([
    [undefined, 'input'],
    ['reportWorkflow', 'input'],
    [{ taskQueue: 'reports' }, 'input.type'],
    [{ type: 'reportWorkflow' }, 'input.taskQueue'],
    [{ ...workflow, type: ' ' }, 'input.type'],
    [{ ...workflow, type: 7 }, 'input.type'],
    [{ ...workflow, taskQueue: 'x'.repeat(251) }, 'input.taskQueue'],
    [{ ...workflow, taskQueue: '/_sys/reports' }, 'input.taskQueue'],
    [{ ...workflow, args: 'one' }, 'input.args'],
    [{ ...workflow, args: Array.from({ length: 101 }) }, 'input.args'],
    [{ ...workflow, workflowId: 'a\nb' }, 'input.workflowId'],
    [{ ...workflow, memo: { escapement: 1 } }, 'input.memo.escapement'],
    [{ ...workflow, executionTimeout: 'soon' }, 'input.executionTimeout'],
    [{ ...workflow, executionTimeout: 0 }, 'input.executionTimeout'],
    [{ ...workflow, executionTimeout: {} }, 'input.executionTimeout'],
    [{ ...workflow, summary: 7 }, 'input.summary'],
    [{ ...workflow, queue: 'reports' }, 'input.queue'],
    [{ ...workflow, searchAttributes: { Colour: 'red' } }, 'input.searchAttributes.Colour'],
  ])('%j is refused, and the field is named', (input, path) => {
    expect(pathsOf({ target: 'workflow', input })).toContain(path);
  });

  test('an input beside the name is refused by its own path', () => {
    expect(pathsOf({ target: { name: 'workflow', input: { type: 'a' } } })).toEqual([
      'target.input.taskQueue',
    ]);
  });

  test('capacity and dataset go together, and only this target does without', () => {
    expect(pathsOf({ ...run, size: 0, dataset: 'photos' })).toEqual(['size']);
    expect(pathsOf({ target: 'command', size: 0 })).toEqual(['size']);
    expect(pathsOf({ ...run, size: -1 })).toEqual(['size']);
  });

  test('a schedule is refused as a job is', () => {
    const parsed = parseSchedule({ spec: '* * * * *', target: 'workflow' }, 0);
    expect(parsed).toMatchObject({ ok: false, issues: [{ path: 'input' }] });
  });

  test('a length of time is read, and the rest stays as it was written', () => {
    expect(readWorkflowTarget({ ...workflow, args: [1], executionTimeout: '2m' })).toEqual({
      ok: true,
      workflow: { ...workflow, args: [1], executionTimeoutMs: 120_000 },
    });
  });
});

describe('memo and search attributes', () => {
  const with_ = (more: object) => ({ target: 'command', ...more });

  test.each([
    [{ memo: 'blue' }, 'memo'],
    [{ memo: [] }, 'memo'],
    [{ memo: { escapement: {} } }, 'memo.escapement'],
    [{ memo: { long: 'x'.repeat(MEMO_BYTES_MAX) } }, 'memo'],
    [{ searchAttributes: 'Colour' }, 'searchAttributes'],
    [{ searchAttributes: { Colour: 'red' } }, 'searchAttributes.Colour'],
    [{ searchAttributes: { Colour: { type: 'colour', value: 'red' } } }, 'searchAttributes.Colour'],
    [{ searchAttributes: { Colour: { type: 'keyword', value: 7 } } }, 'searchAttributes.Colour'],
    [{ searchAttributes: { Colour: { type: 'keyword', value: 'red', of: 1 } } }, 'searchAttributes.Colour'],
    [{ searchAttributes: { Count: { type: 'int', value: 1.5 } } }, 'searchAttributes.Count'],
    [{ searchAttributes: { Count: { type: 'double', value: '1' } } }, 'searchAttributes.Count'],
    [{ searchAttributes: { On: { type: 'bool', value: 'yes' } } }, 'searchAttributes.On'],
    [{ searchAttributes: { Since: { type: 'datetime', value: 'today' } } }, 'searchAttributes.Since'],
    [{ searchAttributes: { Tags: { type: 'keywordList', value: 'a' } } }, 'searchAttributes.Tags'],
    [{ searchAttributes: { '7up': { type: 'int', value: 7 } } }, 'searchAttributes.7up'],
    [
      { searchAttributes: { EscapementPool: { type: 'keyword', value: 'x' } } },
      'searchAttributes.EscapementPool',
    ],
  ])('%j is refused, and the field is named', (more, path) => {
    expect(pathsOf(with_(more))).toContain(path);
  });

  test('too many attributes are refused by their number', () => {
    const searchAttributes = Object.fromEntries(
      Array.from({ length: 51 }, (_, n) => [`A${n}`, { type: 'int', value: n }]),
    );
    expect(pathsOf(with_({ searchAttributes }))).toEqual(['searchAttributes']);
  });

  test('every type becomes what Temporal takes', () => {
    const { searchAttributes } = parseRun(
      'job',
      with_({
        searchAttributes: {
          Colour: { type: 'keyword', value: 'red' },
          Words: { type: 'text', value: 'a b' },
          Count: { type: 'int', value: 1 },
          Share: { type: 'double', value: 0.5 },
          On: { type: 'bool', value: true },
          Since: { type: 'datetime', value: '2026-01-31T09:00:00Z' },
          Tags: { type: 'keywordList', value: ['a', 'b'] },
        },
      }),
    );
    const pairs = searchAttributePairs(searchAttributes).map(({ key, value }) => [key.name, key.type, value]);
    expect(pairs).toEqual([
      ['Colour', 'KEYWORD', 'red'],
      ['Words', 'TEXT', 'a b'],
      ['Count', 'INT', 1],
      ['Share', 'DOUBLE', 0.5],
      ['On', 'BOOL', true],
      ['Since', 'DATETIME', new Date('2026-01-31T09:00:00Z')],
      ['Tags', 'KEYWORD_LIST', ['a', 'b']],
    ]);
  });
});

describe('ids of invocations', () => {
  const names = createNames('blue');

  test.each([
    [names.fireInvocationId('s', 0), { kind: 'fire', nominal: '1970-01-01T00:00:00Z' }],
    [names.manualInvocationId('s', 'k'), { kind: 'manual', key: 'k' }],
    [
      names.upstreamInvocationId('s', names.fireInvocationId('up', 0)),
      { kind: 'upstream', upstream: 'up/1970-01-01T00:00:00Z' },
    ],
    [
      names.upstreamInvocationId('s', names.upstreamInvocationId('mid', names.manualInvocationId('up', 'k'))),
      { kind: 'upstream', upstream: 'mid/upstream/up/manual/k' },
    ],
  ] as const)('%s says what made it', (id, origin) => {
    const parsed = parseWorkflowId(id);
    expect(parsed).toMatchObject({ deployment: 'blue', noun: 'schedule', id: 's' });
    expect(parseOrigin(parsed?.rest ?? '')).toEqual(origin);
  });
});

describe('a dataset', () => {
  test.each([
    ['by its mode', { id: 'films', mode: 'required', warmWait: '1m' }],
    ['as that is the default', { id: 'films', warmWait: '1m' }],
  ])('that must be there is not waited for a while only: required %s', (_how, dataset) => {
    const read = () => parseRun('job "j"', { target: 'command', dataset });
    expect(read).toThrow(
      'dataset.warmWait: is for "preferred", not for "required": leave it out, or choose that',
    );
  });

  test('that is preferred is waited for as long as is said, or as others are', () => {
    const of = (dataset: unknown) => parseRun('job', { target: 'command', dataset }).dataset;
    expect(of({ id: 'films', mode: 'preferred', warmWait: '1m' })?.warmWaitMs).toBe(60_000);
    expect(of({ id: 'films', mode: 'preferred' })?.warmWaitMs).toBe(WARM_WAIT_MS_DEFAULT);
    expect(of({ id: 'films' })).toEqual(of('films'));
  });
});
