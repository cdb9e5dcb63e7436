/** `escapement eval explain` and `invocation explain`: why something waits and until when, or why it went where it went. */
import type { Invocations } from '../client/scheduler.ts';
import {
  type EvalExplanation,
  type EvalStory,
  type LosingCandidate,
  lostText,
  type PlacementReasons,
  type StartEstimate,
  type Waited,
  waitText,
} from '../contract/explanations.ts';
import { isoInstant } from '../contract/ids.ts';
import { describeWhole, refuseOther } from './invocations.ts';
import { card, counted, print, section, shortLength, table } from './output.ts';
import { type GlobalOptions, openGateway, withScheduler } from './session.ts';

export async function explainEval(evalId: string, options: GlobalOptions): Promise<void> {
  const gateway = await openGateway(options);
  const explanation = await gateway.explainEval(evalId);
  print({ json: explanation, text: await evalText(evalId, explanation) }, options);
}

export async function explainInvocation(id: string, options: GlobalOptions): Promise<void> {
  refuseOther(id);
  await withScheduler(options, async (scheduler) => {
    const known = await describeWhole(scheduler, id);
    const { evals, waits } = await evalsOf(scheduler.invocations, scheduler.gateway, id);
    const json = { ...known.json, evals, ...(waits && { waits }) };
    const stories = await Promise.all(evals.map((story) => storyText(story)));
    const waiting = waits === undefined ? '' : `\n\n${await evalText(waits.waiting.id, waits)}`;
    const none = evals.length === 0 ? '\n\nit has asked for no capacity so far' : '';
    print(
      { json, text: `${known.text}${none}${stories.map((one) => `\n\n${one}`).join('')}${waiting}` },
      options,
    );
  });
}

/** With the whole explanation of the one that waits, where one does. */
async function evalsOf(
  invocations: Invocations,
  gateway: Pick<Awaited<ReturnType<typeof openGateway>>, 'explainEval'>,
  id: string,
) {
  const evals = await invocations.explain(id);
  const waiting = evals.find((story) => story.state === 'waiting');
  if (waiting === undefined) return { evals };
  const waits = await gateway.explainEval(waiting.evalId);
  // It may have been granted between the two questions.
  return waits.state === 'waiting' ? { evals: evals.filter((story) => story !== waiting), waits } : { evals };
}

async function evalText(evalId: string, explanation: EvalExplanation): Promise<string> {
  if (explanation.state !== 'waiting') return storyText(explanation.story);
  const { waiting, waited, candidates, lost } = explanation;
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['pool', waiting.poolId],
    ['wants', `${waiting.size} for ${waiting.target}${datasetText(waiting.dataset)}`],
    ['place', `${waiting.position}${waiting.priority === 0 ? '' : `, priority ${waiting.priority}`}`],
    ['waits for', waitText(waiting.reason)],
    ['since', isoInstant(waiting.enqueuedAtMs)],
    ['begins', estimateText(waiting.estimate)],
  ];
  const why = section('waited before', waitedLines(waited, waiting.enqueuedAtMs));
  return `eval ${evalId} waits\n\n${card(entries)}${why}${await losersText(candidates, lost)}`;
}

async function storyText(story: EvalStory): Promise<string> {
  const { enqueuedAtMs, grantedAtMs, endedAtMs, placement } = story;
  const waitedMs =
    enqueuedAtMs !== undefined && grantedAtMs !== undefined ? grantedAtMs - enqueuedAtMs : undefined;
  const held = grantedAtMs !== undefined && endedAtMs !== undefined ? endedAtMs - grantedAtMs : undefined;
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['pool', story.poolId],
    ['asked', enqueuedAtMs === undefined ? undefined : isoInstant(enqueuedAtMs)],
    ['waits for', story.waitsFor && waitText(story.waitsFor)],
    [
      'worker',
      story.workerId && `${story.workerId}${story.warm === false ? ', without the preferred dataset' : ''}`,
    ],
    ['waited', waitedMs === undefined ? undefined : shortLength(waitedMs)],
    ['held it for', held === undefined ? undefined : shortLength(held)],
    ['left over', placement && `${placement.left} on that worker`],
  ];
  const end = story.release === undefined ? '' : `: ${story.release}`;
  const why = section('waited for', waitedLines(story.waited, enqueuedAtMs));
  const losers = placement === undefined ? '' : await losersText(placement.nearest, placement.lost);
  return `eval ${story.evalId} ${STATES[story.state]}${end}\n\n${card(entries)}${why}${losers}`;
}

const STATES = { waiting: 'waits', granted: 'holds its capacity', ended: 'is over' } as const;

function datasetText(dataset: { readonly id: string; readonly mode: string } | undefined): string {
  return dataset === undefined ? '' : `, dataset ${dataset.id} ${dataset.mode}`;
}

function waitedLines(waited: readonly Waited[], enqueuedAtMs: number | undefined): readonly string[] {
  let sinceMs = enqueuedAtMs;
  return waited.map(({ reason, untilAtMs }) => {
    const length = sinceMs === undefined ? '' : `${shortLength(untilAtMs - sinceMs)}: `;
    sinceMs = untilAtMs;
    return `${length}${waitText(reason)}`;
  });
}

async function losersText(
  named: readonly LosingCandidate[],
  lost: PlacementReasons['lost'],
): Promise<string> {
  const all = Object.values(lost).reduce((sum, n) => sum + n, 0);
  if (all === 0) return '';
  const rows = named.map(({ workerId, by, free }) => [workerId, free, lostText(by)]);
  const lines = (await table(['worker', 'free', 'why not'], rows, '')).split('\n');
  const rest = all - named.length;
  const counts = Object.entries(lost).map(([by, n]) => `${n} ${by}`);
  return section('other workers', rest > 0 ? [...lines, `${all} in all: ${counts.join(', ')}`] : lines);
}

/** As part of a sentence, from now on. */
export function estimateText(estimate: StartEstimate, nowMs = Date.now()): string {
  if (estimate.kind === 'estimate') {
    const { medianAtMs, fromAtMs, untilAtMs, runs, withoutRuns } = estimate;
    const within = (atMs: number) => shortLength(atMs - nowMs);
    const late = untilAtMs === undefined ? 'no telling how late' : within(untilAtMs);
    const unknown = withoutRuns.length === 0 ? '' : `; nothing is known of ${withoutRuns.join(', ')}`;
    const basis = runs === 0 ? '' : `, by ${counted(runs, 'past run')}`;
    return `in about ${within(medianAtMs)} (${within(fromAtMs)} to ${late}${basis}${unknown})`;
  }
  switch (estimate.why) {
    case 'no-past-runs':
      return `unknown: no past runs of ${(estimate.targets ?? []).join(', ')} to go by`;
    case 'nobody-could':
      return 'unknown: no present worker could ever take it';
    default:
      return 'unknown: too many wait before it';
  }
}
