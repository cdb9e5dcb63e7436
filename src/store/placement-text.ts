/**
 * The reasons of a placement as short text, as one is written with every grant and copied with every end: about 80 bytes
 * where the same as jsonb takes 350. Used by the store only. Promise: what is written is read back the same.
 */
import type { LosingCandidate, LostBy, PlacementReasons } from '../contract/explanations.ts';

const LETTERS: Readonly<Record<LostBy, string>> = {
  expired: 'x',
  draining: 'd',
  cordoned: 'c',
  'no-target': 't',
  'no-dataset': 'n',
  colder: 'o',
  'too-small': 's',
  full: 'f',
  reserved: 'r',
  'less-good-fit': 'g',
};
const REASONS = new Map(Object.entries(LETTERS).map(([by, letter]) => [letter, by as LostBy]));

/** Of nearly all workers: as they are in JSON. */
const PLAIN = /^[\w.@:-]+$/;

/** `[left, "g999f1", ["w1", "g", 7, …]]`; put together by hand, as that takes a third of the time. */
export function placementText({ left, lost, nearest }: PlacementReasons): string {
  let counts = '';
  for (const by in lost) counts += `${LETTERS[by as LostBy]}${lost[by as LostBy]}`;
  let named = '';
  for (const { workerId, by, free } of nearest) {
    const id = PLAIN.test(workerId) ? `"${workerId}"` : JSON.stringify(workerId);
    named += `${named === '' ? '' : ','}${id},"${LETTERS[by]}",${free}`;
  }
  return `[${left},"${counts}",[${named}]]`;
}

export function readPlacement(text: string): PlacementReasons {
  const [left, counts, named] = JSON.parse(text) as [number, string, readonly (string | number)[]];
  const lost: Partial<Record<LostBy, number>> = {};
  for (const [, letter = '', n] of counts.matchAll(/([a-z])(\d+)/g)) {
    const by = REASONS.get(letter);
    if (by !== undefined) lost[by] = Number(n);
  }
  const nearest: LosingCandidate[] = [];
  for (let at = 0; at + 2 < named.length; at += 3) {
    const by = REASONS.get(String(named[at + 1]));
    if (by !== undefined) nearest.push({ workerId: String(named[at]), by, free: Number(named[at + 2]) });
  }
  return { left, lost, nearest };
}
