/**
 * Memo and search attributes of the user's own: their shape, checked field by field, and as Temporal takes them. Used by
 * the schemas of the edges, by starts, and by the invocation's workflow (the `workflow` target), so it loads no zod.
 */
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { MEMO_BYTES_MAX, SEARCH_ATTRIBUTES_MAX } from '../core/limits.ts';
import type { InputIssue } from './errors.ts';
import { isRecord, parseInstant } from './message-shape.ts';
import type { SearchAttributeInput, SearchAttributesInput } from './schedule.ts';

/** Temporal's names of the types, by ours. */
export const SEARCH_ATTRIBUTE_TYPES = {
  keyword: 'KEYWORD',
  text: 'TEXT',
  int: 'INT',
  double: 'DOUBLE',
  bool: 'BOOL',
  datetime: 'DATETIME',
  keywordList: 'KEYWORD_LIST',
} as const;

/** Temporal allows 2 KB for one value. */
const VALUE_LENGTH_MAX = 500;
const LIST_LENGTH_MAX = 100;
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

export function searchAttributesIssues(given: unknown, path: string): readonly InputIssue[] {
  if (!isRecord(given)) {
    const message = `must be an object of name -> { type, value }, got ${JSON.stringify(given)}`;
    return [{ path, message }];
  }
  const names = Object.keys(given);
  if (names.length > SEARCH_ATTRIBUTES_MAX) {
    return [{ path, message: `are ${names.length}, at most ${SEARCH_ATTRIBUTES_MAX} are allowed` }];
  }
  return names.flatMap((name) => {
    const message = nameProblem(name) ?? attributeProblem(given[name]);
    return message === undefined ? [] : [{ path: `${path}.${name}`, message }];
  });
}

function nameProblem(name: string): string | undefined {
  if (name.startsWith('Escapement')) return 'is set by Escapement itself: use another name';
  return NAME.test(name)
    ? undefined
    : 'must begin with a letter and have at most 64 of A-Z, a-z, 0-9, _ and -';
}

function attributeProblem(attribute: unknown): string | undefined {
  const example = '{ "type": "keyword", "value": "blue" }';
  if (!isRecord(attribute)) return `must be an object such as ${example}, got ${JSON.stringify(attribute)}`;
  const extra = Object.keys(attribute).find((name) => name !== 'type' && name !== 'value');
  if (extra !== undefined) return `has an unknown field "${extra}": it wants ${example}`;
  const { type, value } = attribute;
  if (typeof type !== 'string' || !Object.hasOwn(SEARCH_ATTRIBUTE_TYPES, type)) {
    const known = Object.keys(SEARCH_ATTRIBUTE_TYPES).join(', ');
    return `type must be one of ${known}, got ${JSON.stringify(type)}`;
  }
  const wanted = wantedOf(type as SearchAttributeInput['type'], value);
  return wanted === undefined ? undefined : `value must be ${wanted}, got ${JSON.stringify(value)}`;
}

/** What the value should be, where it is not. */
function wantedOf(type: SearchAttributeInput['type'], value: unknown): string | undefined {
  switch (type) {
    case 'keyword':
    case 'text':
      return isShort(value) ? undefined : `text of at most ${VALUE_LENGTH_MAX} characters`;
    case 'int':
      return Number.isSafeInteger(value) ? undefined : 'a whole number';
    case 'double':
      return Number.isFinite(value) ? undefined : 'a number';
    case 'bool':
      return typeof value === 'boolean' ? undefined : 'true or false';
    case 'datetime':
      return parseInstant(value) === undefined
        ? 'an ISO 8601 instant with its offset, such as "2026-01-31T09:00:00Z"'
        : undefined;
    case 'keywordList': {
      const fits = Array.isArray(value) && value.length <= LIST_LENGTH_MAX && value.every(isShort);
      return fits
        ? undefined
        : `a list of at most ${LIST_LENGTH_MAX} texts of ${VALUE_LENGTH_MAX} characters each`;
    }
  }
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value.length <= VALUE_LENGTH_MAX;
}

/** As Temporal's clients and workflows take them. They have been checked. */
export function searchAttributePairs(attributes: SearchAttributesInput = {}): SearchAttributePair[] {
  return Object.entries(attributes).map(([name, { type, value }]) => ({
    key: defineSearchAttributeKey(name, SEARCH_ATTRIBUTE_TYPES[type]),
    value: type === 'datetime' ? new Date(parseInstant(value) ?? Number.NaN) : value,
  })) as SearchAttributePair[];
}

/** What Escapement itself notes in the memo of an invocation, or of the workflow that it starts. */
const RESERVED = 'escapement';

export function memoIssues(given: unknown, path: string): readonly InputIssue[] {
  if (!isRecord(given)) return [{ path, message: `must be an object, got ${JSON.stringify(given)}` }];
  const length = JSON.stringify(given).length;
  return [
    ...(Object.hasOwn(given, RESERVED)
      ? [{ path: `${path}.${RESERVED}`, message: 'is set by Escapement itself: use another name' }]
      : []),
    ...(length > MEMO_BYTES_MAX
      ? [{ path, message: `has ${length} characters as JSON, at most ${MEMO_BYTES_MAX} are allowed` }]
      : []),
  ];
}
