/**
 * Keyset pages: the cursor is the last row's key as base64url of json. Used by all listings.
 * Promise: a page has at most 100 items; a cursor that is not ours is InvalidInputError, never an SQL error.
 */
import { InvalidInputError } from '../contract/errors.ts';
import { PAGE_LIMIT_MAX } from '../core/limits.ts';
import { storable } from './rows.ts';
import type { Page, PageRequest } from './store.ts';

type KeyPart = 'number' | 'string';
type KeyOf<K extends readonly KeyPart[]> = { [I in keyof K]: K[I] extends 'number' ? number : string };

/** Default and most: 100. */
export function limitOf(page: PageRequest | undefined): number {
  const limit = page?.limit ?? PAGE_LIMIT_MAX;
  if (Number.isInteger(limit) && limit >= 1 && limit <= PAGE_LIMIT_MAX) return limit;
  throw new InvalidInputError('page', [
    { path: 'limit', message: `must be a whole number from 1 to ${PAGE_LIMIT_MAX}, got ${limit}` },
  ]);
}

/** The key after which the page begins, checked against its parts' types. */
export function readCursor<const K extends readonly KeyPart[]>(
  page: PageRequest | undefined,
  parts: K,
): KeyOf<K> | undefined {
  if (page?.cursor === undefined) return undefined;
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(page.cursor, 'base64url').toString('utf8'));
  } catch {
    key = undefined;
  }
  const fits = (part: unknown, n: number) =>
    typeof part === parts[n] &&
    (typeof part === 'string' ? storable(part) === part : Number.isSafeInteger(part));
  if (Array.isArray(key) && key.length === parts.length && key.every(fits)) return key as KeyOf<K>;
  throw new InvalidInputError('page', [
    { path: 'cursor', message: 'was not made by an earlier page: leave it out to begin again' },
  ]);
}

/** `rows` holds one more than `limit` where there is another page. */
export function pageOf<R, T>(
  rows: readonly R[],
  limit: number,
  item: (row: R) => T,
  key: (row: R) => readonly (string | number)[],
): Page<T> {
  const items = rows.slice(0, limit).map(item);
  const last = rows[limit - 1];
  if (rows.length <= limit || last === undefined) return { items };
  return { items, nextCursor: Buffer.from(JSON.stringify(key(last))).toString('base64url') };
}
