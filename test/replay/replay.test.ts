/**
 * Recorded histories replayed on today's workflows: what runs already must go on. And histories that were altered, which
 * must fail, or this test would notice nothing. Recorded by `test/histories/record.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { beforeAll, expect, test } from 'vitest';
import { scheduleUpdates } from '../../src/contract/messages.ts';
import { quietRuntime, sharedWorkflowBundle } from '../support/shared.ts';

interface RecordedEvent {
  eventType: string;
  workflowExecutionStartedEventAttributes?: { workflowId: string };
  timerStartedEventAttributes?: unknown;
  workflowExecutionUpdateAcceptedEventAttributes?: { acceptedRequest: { input: { name: string } } };
  activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  startChildWorkflowExecutionInitiatedEventAttributes?: { workflowType: { name: string } };
}
interface Recorded {
  events: RecordedEvent[];
}

const folder = fileURLToPath(new URL('../histories/', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

let workflowBundle: { readonly codePath: string };
beforeAll(async () => {
  await quietRuntime();
  workflowBundle = await sharedWorkflowBundle();
});

const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Recorded;

async function replay(history: Recorded): Promise<void> {
  const workflowId = history.events[0]?.workflowExecutionStartedEventAttributes?.workflowId;
  await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
}

test.each(files)('%s replays', async (file) => {
  await expect(replay(read(file))).resolves.toBeUndefined();
});

test('every workflow of ours is recorded', () => {
  for (const workflow of ['schedule', 'invocation', 'pool']) {
    expect(files.some((file) => file.startsWith(workflow))).toBe(true);
  }
});

test('every message to a schedule is recorded, but those that others send', () => {
  const told = files.filter((file) => file.startsWith('schedule')).map((file) => read(file));
  const names = told.flatMap(({ events }) =>
    events.flatMap(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) => {
      return accepted?.acceptedRequest.input.name ?? [];
    }),
  );
  const others = new Set(['calendarChanged', 'invocationEnded', 'delete', 'stopBacklog']);
  const known = Object.keys(scheduleUpdates).filter((name) => !others.has(name));
  expect([...new Set(names)].filter((name) => !others.has(name)).toSorted()).toEqual(known.toSorted());
});

test.each(files)('%s tells nothing of the machine it was recorded on', (file) => {
  const text = readFileSync(join(folder, file), 'utf8');
  const payloads = [...text.matchAll(/"data": "([^"]*)"/g)].map(([, data = '']) =>
    Buffer.from(data, 'base64').toString(),
  );
  for (const part of [text, ...payloads]) {
    expect(part).not.toMatch(/\b\d+@\w/);
    expect(part).not.toMatch(/file:\/\/|\/node_modules\//);
  }
});

const alterations: readonly [file: string, what: string, alter: (event: RecordedEvent) => boolean][] = [
  ...(
    [
      'schedule-steady.json',
      'schedule-greedy.json',
      'schedule-occurrences.json',
      'schedule-late-all.json',
    ] as const
  ).map((file): (typeof alterations)[number] => [
    file,
    'a timer that was something else',
    (event) => {
      if (event.timerStartedEventAttributes === undefined) return false;
      delete event.timerStartedEventAttributes;
      event.eventType = 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED';
      event.activityTaskScheduledEventAttributes = { activityType: { name: 'other' } };
      return true;
    },
  ]),
  [
    'invocation-child.json',
    'a child workflow of another type',
    ({ startChildWorkflowExecutionInitiatedEventAttributes: initiated }) => {
      if (initiated === undefined) return false;
      initiated.workflowType.name = 'other';
      return true;
    },
  ],
  ...(['invocation-success.json', 'pool.json', 'invocation-child-held.json'] as const).map(
    (file): (typeof alterations)[number] => [
      file,
      'an activity of another name',
      ({ activityTaskScheduledEventAttributes: scheduled }) => {
        if (scheduled === undefined) return false;
        scheduled.activityType.name = 'other';
        return true;
      },
    ],
  ),
];

test.each(alterations)('%s with %s does not replay', async (file, _what, alter) => {
  const history = read(file);
  expect(history.events.some(alter)).toBe(true);
  await expect(replay(history)).rejects.toBeInstanceOf(DeterminismViolationError);
});
