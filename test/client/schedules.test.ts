/** Schedules over the SDK and the command line, against a whole system: what is checked, and what is read of the past. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Scheduler } from '../../src/client/scheduler.ts';
import { InvalidInputError } from '../../src/contract/errors.ts';
import type { RunRecord } from '../../src/contract/ledger.ts';
import { createNames } from '../../src/contract/ids.ts';
import type { ScheduleInput } from '../../src/contract/schedule.ts';
import { forgetDeleted } from '../../src/gateway/retention.ts';
import { temporalCallbacks } from '../../src/gateway/temporal-callbacks.ts';
import { runCli } from '../cli/run-cli.ts';
import { startWholeSystem, type WholeSystem } from '../cli/whole-system.ts';
import { freshDeployment } from '../support/shared.ts';

const WAIT = { timeout: 60_000, interval: 200 };
vi.setConfig({ testTimeout: 240_000 });

let system: WholeSystem;
let scheduler: Scheduler;

beforeAll(async () => {
  const names = createNames(freshDeployment());
  system = await startWholeSystem(names);
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, ...rest } = system.environment;
  scheduler = await Scheduler.connect({
    ...{ address: address ?? '', namespace: namespace ?? '', deployment: names.deployment },
    ...{ gatewayUrl: rest['ESCAPEMENT_GATEWAY_URL'] ?? '', gatewayKey: rest['ESCAPEMENT_GATEWAY_KEY'] ?? '' },
  });
});
afterAll(async () => {
  await scheduler?.close();
  await system?.close();
});

const TRIGGERED: ScheduleInput = { spec: 'triggered', target: 'echo' };
const cli = (...args: string[]) => runCli(args, system.environment);

test('a namespace that is not there is named, with what to do', async () => {
  const { TEMPORAL_ADDRESS: address = '' } = system.environment;
  const refused = Scheduler.connect({ address, namespace: 'nowhere' });
  await expect(refused).rejects.toThrow(
    /namespace: the Temporal server has no namespace "nowhere": name one/,
  );
  const { code, stderr } = await cli('schedule', 'list', '--namespace', 'nowhere');
  expect(stderr).toMatch(/has no namespace "nowhere"/);
  expect(code).toBe(2);
});

test('the summary of a watch over one schedule counts one', async () => {
  await scheduler.schedules.create('lonely', TRIGGERED);
  await vi.waitFor(async () => {
    const { stdout } = await cli('watch', '--once');
    expect(stdout).toBe('1 schedule, each due time with its outcome\n');
  }, WAIT);
});

describe('a change', () => {
  test('is checked for calendars and search attributes as a creation is, with the same words', async () => {
    const handle = await scheduler.schedules.create('checked', TRIGGERED);
    const wrong: readonly ScheduleInput[] = [
      { target: 'echo', spec: { expressions: '@daily', exclude: { calendars: 'nowhere' } } },
      { ...TRIGGERED, searchAttributes: { NobodyKnowsThat: { type: 'int', value: 1 } } },
    ];
    for (const input of wrong) {
      const told = async (act: Promise<unknown>) => {
        const error: unknown = await act.catch((reason: unknown) => reason);
        return (error as { issues?: readonly { path: string; message: string }[] }).issues;
      };
      const issues = await told(handle.change(input));
      expect(issues).toHaveLength(1);
      expect(issues).toEqual(await told(scheduler.schedules.create('another', input)));
    }
    expect((await handle.describe()).revision).toBe(1);
  });
});

describe('schedules that would trigger each other in a circle', () => {
  test('are refused when one is made, changed or looked at', async () => {
    const { schedules } = scheduler;
    const first = await schedules.create('a', TRIGGERED);
    await schedules.create('b', { ...TRIGGERED, triggers: ['a'] });
    await schedules.create('c', { ...TRIGGERED, triggers: ['b'] });
    const circle = /triggers: .*"a" -> "c" -> "b" -> "a"/;
    await expect(first.change({ ...TRIGGERED, triggers: ['c'] })).rejects.toThrow(circle);
    const closes = { ...TRIGGERED, triggers: ['c'] };
    await expect(schedules.preview(closes, { id: 'a' })).rejects.toThrow(circle);
    await expect(schedules.create('self', { ...TRIGGERED, triggers: 'self' })).rejects.toThrow(
      /triggers: .*"self" -> "self"/,
    );
    const flags = ['--spec', 'triggered', '--target', 'echo', '--triggers', 'c'];
    expect(await cli('schedule', 'create', 'a', ...flags, '--dry-run')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(circle) as string,
    });
    expect((await schedules.preview(closes, { id: 'free' })).definition.triggers).toEqual(['c']);
  });

  test('end where they began if somebody has made them all the same, and the ledger says why', async () => {
    const { client, names } = scheduler;
    for (const [id, next] of [
      ['ping', 'pong'],
      ['pong', 'ping'],
    ] as const) {
      await client.workflow.start('scheduleWorkflow', {
        args: [{ ...TRIGGERED, triggers: [next] }],
        taskQueue: names.schedulesQueue,
        workflowId: names.scheduleWorkflowId(id),
      });
    }
    await scheduler.schedules.get('ping').trigger({ key: 'go' });
    const rows = async (id: string) => (await system.store.listFires({ scheduleId: id })).items;
    await vi.waitFor(async () => {
      const outcomes = (await rows('ping')).map(({ kind, outcome }) => `${kind} ${outcome}`);
      expect(outcomes).toEqual(['upstream refused', 'manual started']);
    }, WAIT);
    const refused = (await rows('ping')).find(({ outcome }) => outcome === 'refused');
    expect(refused?.reason).toMatch(/in a circle: "ping", "pong", "ping"/);
    expect((await rows('pong')).map(({ outcome }) => outcome)).toEqual(['started']);
  });
});

describe('what code can ask wrong', () => {
  /** Its error class, and the fields at fault. */
  const refusal = async (act: () => Promise<unknown>) => {
    const error: unknown = await act().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidInputError);
    const { issues, message } = error as InvalidInputError;
    return { paths: issues.map(({ path }) => path), message };
  };
  /** As code without types may call it. */
  const untyped = <A>(value: unknown) => value as A;

  test('an act on many that does not say on which acts on none', async () => {
    const { schedules } = scheduler;
    const handle = await schedules.create('stays', TRIGGERED);
    await vi.waitFor(async () => {
      const ids = [];
      for await (const { id } of schedules.list()) ids.push(id);
      expect(ids).toContain('stays');
    }, WAIT);
    for (const options of [{}, undefined, null, { query: '  ' }, { all: false }, { query: 'x', all: true }]) {
      const { paths, message } = await refusal(() => schedules.bulk('delete', untyped(options)));
      expect(paths).toEqual(['query']);
      expect(message).toMatch(/all: true/);
    }
    const unknown = await refusal(() => schedules.bulk(untyped('pauze'), { all: true }));
    expect(unknown.paths).toEqual(['act']);
    expect(unknown.message).toMatch(/"pauze".*enable, disable, pause, resume, delete/);
    expect((await handle.describe()).state).toBe('active');
    const would = await schedules.bulk('delete', { all: true, dryRun: true });
    expect(would.map(({ id }) => id)).toContain('stays');
    await handle.delete();
  });

  test('times of the past that end before they begin', async () => {
    const bounds = { from: '2026-01-02T00:00:00Z', until: Date.UTC(2026, 0, 1) };
    const { paths, message } = await refusal(() => scheduler.schedules.fires('any', bounds).next());
    expect(paths).toEqual(['from']);
    expect(message).toMatch(/2026-01-02T00:00:00Z is later than until, 2026-01-01T00:00:00Z/);
  });

  test('next times that cannot be counted, and a trigger that is none', async () => {
    const handle = await scheduler.schedules.create('asked', { spec: 'every 15m', target: 'echo' });
    for (const count of [-1, Number.NaN, 0.5, Infinity, 10_001]) {
      const { paths, message } = await refusal(() => handle.nextTimes(count));
      expect(paths).toEqual(['count']);
      expect(message).toContain(`${count} is not a whole number from 0 to 10000`);
    }
    expect((await refusal(() => handle.nextTimes(1, Number.NaN))).paths).toEqual(['afterMs']);
    expect(await handle.nextTimes(2, 0)).toEqual([900_000, 1_800_000]);
    for (const request of [null, 'now', ['a'], 5]) {
      const { message } = await refusal(() => handle.trigger(untyped(request)));
      expect(message).toMatch(/request: expected an object.*, got (null|"now"|\["a"\]|5)/);
    }
    expect((await refusal(() => handle.triggerMany(untyped(null)))).paths).toEqual(['triggers']);
    expect((await refusal(() => handle.triggerMany(untyped([{}, null])))).paths).toEqual(['triggers[1]']);
    expect((await handle.describe()).counts).toEqual({});
    await handle.delete();
  });
});

describe('what has run', () => {
  const stretch = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T04:00:00Z' };
  const ranAt = '2026-01-01T02:00:00Z';

  test('is read by the handle too, and marked in the look at a backfill', async () => {
    const { schedules } = scheduler;
    const handle = await schedules.create('hourly', { spec: '0 * * * *', target: 'echo', enabled: false });
    await handle.backfill({ from: '2026-01-01T01:00:00Z', to: ranAt });
    const fires = async () => {
      const found = [];
      for await (const fire of handle.fires({ from: stretch.from, outcome: 'started' })) found.push(fire);
      return found;
    };
    await vi.waitFor(async () => expect(await fires()).toHaveLength(1), WAIT);
    const [fire] = await fires();
    expect(fire).toMatchObject({ kind: 'backfill', toMs: Date.parse(ranAt) });
    await expect(handle.fires({ from: 'yesterday' }).next()).rejects.toThrow(/from: "yesterday" is not an/);

    const preview = await handle.previewBackfill({ ...stretch, order: 'newest', count: 3 });
    expect(preview).toMatchObject({ instants: 4, order: 'newest', tooMany: false, ledgerRead: true });
    expect(preview.times.map(({ duplicateOf }) => duplicateOf)).toEqual([
      undefined,
      undefined,
      fire?.invocationId,
    ]);
    const again = await handle.previewBackfill({ ...stretch, rerun: true });
    expect(again.times.filter(({ duplicateOf }) => duplicateOf !== undefined)).toEqual([]);
    await expect(handle.previewBackfill({ ...stretch, to: 'soon' })).rejects.toThrow(/to: "soon" is not an/);

    const look = ['schedule', 'backfill', 'hourly', '--from', stretch.from, '--to', stretch.to, '--dry-run'];
    const { stdout } = await cli(...look);
    expect(stdout).toContain(`  ${ranAt}   duplicate: ${fire?.invocationId} ran it\n`);
    expect(stdout).toContain('4 due times would run, oldest first; nothing was done');
    expect(stdout).toContain('1 of the 4 shown ran already, and would not run again without --rerun');
  });
});

test('which creations of schedules are no more is told by Temporal, and those alone are forgotten', async () => {
  const { schedules, client, names } = scheduler;
  const { store } = system;
  const creationOf = async (id: string) => (await schedules.get(id).describe()).creation;
  await schedules.create('lives', TRIGGERED);
  await schedules.create('dies', TRIGGERED);
  await schedules.create('returns', TRIGGERED);
  const [lives, dies, before] = await Promise.all(['lives', 'dies', 'returns'].map(creationOf));
  await schedules.delete('dies');
  await schedules.delete('returns');
  await schedules.create('returns', TRIGGERED);
  const refs = [
    { scheduleId: 'lives', creation: lives ?? '' },
    { scheduleId: 'dies', creation: dies ?? '' },
    { scheduleId: 'returns', creation: before ?? '' },
    { scheduleId: 'returns', creation: await creationOf('returns') },
    { scheduleId: 'never-was', creation: 'x' },
  ];
  const { schedulesGone } = temporalCallbacks({ client, store, names });
  expect(await schedulesGone(refs)).toEqual([refs[1], refs[2], refs[4]]);

  const run = (n: number): RunRecord => ({
    ...{
      invocationId: `quiet-${n}`,
      target: 'echo',
      poolId: 'default',
      why: 'automatic',
      status: 'succeeded',
    },
    ...{ attempts: 1, lost: 0, startedAtMs: 0, endedAtMs: 0 },
  });
  for (const [n, succeeded] of refs.entries()) {
    await store.finish({ poolId: 'default', release: 'finished', run: run(n), succeeded });
  }
  const forgetting = forgetDeleted({ store, keptMs: 1_000, schedulesGone });
  await vi.waitFor(async () => {
    const known = await Promise.all(
      refs.map(async (ref) => (await store.readPast(ref)).lastResult !== undefined),
    );
    expect(known).toEqual([true, false, false, true, false]);
  }, WAIT);
  forgetting.stop();
});
