/**
 * The schedule workflow's ear: handlers check a message's shape, leave a note and return (updates then wait
 * for the loop's answer). No state changes here. What cannot be understood becomes a note too, so it is recorded.
 */
import {
  ApplicationFailure,
  currentUpdateInfo,
  setDefaultSignalHandler,
  setHandler,
  Trigger,
  workflowInfo,
} from '@temporalio/workflow';
import type { UpdateDefinition } from '@temporalio/common';
import {
  type Checked,
  checkScheduleMessage,
  type ScheduleMessage,
  type ScheduleMessageKind,
} from '../../src/contract/message-shape.ts';
import {
  describeSchedule,
  type ScheduleDescription,
  scheduleSignals,
  scheduleUpdates,
} from '../../src/contract/messages.ts';

interface Unreadable {
  readonly kind: 'unreadable';
  readonly problem: string;
  readonly field?: string;
}

/** `reply` is there for an update: it must be settled, with an answer or an ApplicationFailure. */
export interface Note {
  /**
   * Names the message for good: a task that is lost is done again with the same messages, more may have come, and updates
   * may have changed places with signals.
   */
  readonly token: string;
  readonly message: ScheduleMessage | Unreadable;
  readonly reply?: Trigger<unknown>;
}

export interface Inbox {
  readonly notes: Note[];
}

export function openInbox(describe: () => ScheduleDescription): Inbox {
  const inbox: Inbox = { notes: [] };
  const leave = (checked: Checked, token: string, reply?: Trigger<unknown>): void => {
    const message = 'problem' in checked ? ({ kind: 'unreadable', ...checked } as const) : checked.message;
    inbox.notes.push({ token, message, ...(reply !== undefined && { reply }) });
  };

  const { runId } = workflowInfo();
  let signals = 0;
  const hear = (checked: Checked): void => leave(checked, `${runId}.${++signals}`);

  setHandler(describeSchedule, describe);
  for (const [kind, definition] of Object.entries(scheduleSignals)) {
    setHandler(definition, (payload?: unknown) =>
      hear(checkScheduleMessage(kind as ScheduleMessageKind, payload)),
    );
  }
  setDefaultSignalHandler((name) => {
    const known = Object.keys(scheduleSignals).join(', ');
    hear({ problem: `unknown signal "${name}": known are ${known}` });
  });
  for (const [kind, definition] of Object.entries(scheduleUpdates)) {
    answerUpdate(definition, kind as ScheduleMessageKind, leave);
  }
  return inbox;
}

function answerUpdate(
  definition: UpdateDefinition<unknown, [unknown?]>,
  kind: ScheduleMessageKind,
  leave: (checked: Checked, token: string, reply: Trigger<unknown>) => void,
): void {
  setHandler(
    definition,
    async (payload?: unknown) => {
      const reply = new Trigger<unknown>();
      leave(checkScheduleMessage(kind, payload), currentUpdateInfo()?.id ?? kind, reply);
      return await reply;
    },
    {
      validator: (payload?: unknown) => {
        const checked = checkScheduleMessage(kind, payload);
        if (!('problem' in checked)) return;
        const { problem, field } = checked;
        throw ApplicationFailure.nonRetryable(
          problem,
          'InvalidInput',
          ...(field === undefined ? [] : [{ field }]),
        );
      },
    },
  );
}
