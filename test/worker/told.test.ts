/** What the targets that need no code tell of a call: to commands, over HTTP, and the one that only holds capacity. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import type { CallContext } from '../../src/contract/target.ts';
import { type CommandResult, commandTarget } from '../../src/worker/targets/command.ts';
import { type HttpResult, httpTarget } from '../../src/worker/targets/http.ts';
import type { TargetContext } from '../../src/worker/targets/target.ts';
import { workflowTarget } from '../../src/worker/targets/workflow.ts';

const CALL: CallContext = {
  invocationId: 'schedule/größe/1970-01-01T00:01:00Z',
  scheduleId: 'größe',
  nominalAtMs: 60_000,
  actualAtMs: 60_005,
  lateByMs: 5,
  why: 'automatic',
  origin: 'automatic',
  attempt: 1,
  window: { fromMs: 0, toMs: 60_000 },
  triggers: [{ kind: 'manual', key: 'k', createdAtMs: 1_000, input: { n: 1 } }],
  lastResult: {
    invocationId: 'schedule/größe/1970-01-01T00:00:00Z',
    endedAtMs: 2_000,
    result: { cursor: 7 },
  },
};

function contextFor(input: unknown, extra: Partial<TargetContext> = {}): TargetContext {
  return {
    call: CALL,
    input,
    worker: { poolId: 'default', id: 'w1' },
    signal: new AbortController().signal,
    heartbeat: () => {},
    log: new DefaultLogger('ERROR'),
    ...extra,
  };
}

describe('a command', () => {
  async function environmentOf(call: CallContext): Promise<readonly string[]> {
    const context = contextFor({ command: ['env'] }, { call });
    const { stdout } = (await commandTarget.run(context)) as CommandResult;
    return stdout.split('\n').filter((line) => line.startsWith('ESCAPEMENT_'));
  }

  test('is told all of it by its environment', async () => {
    expect((await environmentOf(CALL)).toSorted()).toEqual([
      'ESCAPEMENT_ACTUAL_TIME=1970-01-01T00:01:00.005Z',
      'ESCAPEMENT_ATTEMPT=1',
      'ESCAPEMENT_INVOCATION=schedule/größe/1970-01-01T00:01:00Z',
      'ESCAPEMENT_LAST_RESULT={"cursor":7}',
      'ESCAPEMENT_LATE_BY_MS=5',
      'ESCAPEMENT_NOMINAL_TIME=1970-01-01T00:01:00Z',
      'ESCAPEMENT_POOL=default',
      'ESCAPEMENT_SCHEDULE=größe',
      'ESCAPEMENT_TRIGGERS=[{"kind":"manual","key":"k","createdAtMs":1000,"input":{"n":1}}]',
      'ESCAPEMENT_TRIGGER_COUNT=1',
      'ESCAPEMENT_WHY=automatic',
      'ESCAPEMENT_WINDOW_FROM=1970-01-01T00:00:00Z',
      'ESCAPEMENT_WINDOW_TO=1970-01-01T00:01:00Z',
      'ESCAPEMENT_WORKER=w1',
    ]);
  });

  test('starts also where there are more triggers than an environment holds: it is told how many', async () => {
    const triggers = Array.from({ length: 1_000 }, (_, n) => ({
      kind: 'manual' as const,
      key: `k${n}`,
      createdAtMs: n,
      input: 'x'.repeat(200),
    }));
    const lines = await environmentOf({ ...CALL, triggers });
    expect(lines).toContain('ESCAPEMENT_TRIGGER_COUNT=1000');
    expect(lines.filter((line) => line.startsWith('ESCAPEMENT_TRIGGERS='))).toEqual([]);
  });
});

describe('a request', () => {
  /** One request to a server that answers with what it got. */
  async function ask(input: object): Promise<{ body: string; headers: IncomingHttpHeaders }> {
    let headers: IncomingHttpHeaders = {};
    const server = createServer((request, response) => {
      headers = request.headers;
      request.pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      const url = `http://127.0.0.1:${port}/`;
      const { body } = (await httpTarget.run(contextFor({ url, ...input }))) as HttpResult;
      return { body, headers };
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  test('without a body of its own tells all of it as JSON', async () => {
    const { body, headers } = await ask({ method: 'post' });
    expect(JSON.parse(body)).toEqual({
      invocationId: CALL.invocationId,
      scheduleId: 'größe',
      nominalTime: '1970-01-01T00:01:00Z',
      actualTime: '1970-01-01T00:01:00.005Z',
      lateByMs: 5,
      why: 'automatic',
      origin: 'automatic',
      attempt: 1,
      window: { from: '1970-01-01T00:00:00Z', to: '1970-01-01T00:01:00Z' },
      triggers: [{ kind: 'manual', key: 'k', createdAt: '1970-01-01T00:00:01Z', input: { n: 1 } }],
      lastResult: {
        invocationId: CALL.lastResult?.invocationId,
        endedAt: '1970-01-01T00:00:02Z',
        result: { cursor: 7 },
      },
    });
    expect(headers['content-type']).toBe('application/json');
  });

  test('with a body, or a method that has none, tells it by its headers', async () => {
    const own = await ask({ method: 'PUT', body: 'mine' });
    expect(own.body).toBe('mine');
    const none = await ask({});
    expect(none.body).toBe('');
    for (const { headers } of [own, none]) {
      expect(headers).toMatchObject({
        'escapement-invocation': encodeURI(CALL.invocationId),
        'escapement-attempt': '1',
        'escapement-why': 'automatic',
        'escapement-nominal-time': '1970-01-01T00:01:00Z',
        'escapement-window-from': '1970-01-01T00:00:00Z',
        'escapement-window-to': '1970-01-01T00:01:00Z',
      });
    }
  });

  test('its own headers win', async () => {
    const { headers } = await ask({ headers: { 'Escapement-Attempt': 'mine' } });
    expect(headers['escapement-attempt']).toBe('mine');
  });
});

describe('the target workflow, on a worker', () => {
  test('holds capacity and beats until it is stopped, and then fails with the reason', async () => {
    const stop = new AbortController();
    const beats: unknown[] = [];
    let beaten: () => void = () => {};
    const twice = new Promise<void>((resolve) => {
      beaten = resolve;
    });
    const heartbeat = (details: unknown) => {
      beats.push(details);
      if (beats.length === 2) beaten();
    };
    const input = { holdsFor: 'job/a/workflow/1' };
    const holding = workflowTarget.run(contextFor(input, { signal: stop.signal, heartbeat }));
    await twice;
    expect(beats).toEqual([input, input]);
    stop.abort(new Error('enough'));
    await expect(holding).rejects.toThrow('enough');
  });

  test('does not begin to hold where it was stopped before', async () => {
    const stopped = workflowTarget.run(contextFor({}, { signal: AbortSignal.abort(new Error('too late')) }));
    await expect(stopped).rejects.toThrow('too late');
  });
});
