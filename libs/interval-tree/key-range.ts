import { compareBytes } from './bytes';
import type { RangeEnd } from './tree';

/** What a (key, range_end) pair of etcd's API means. */
export type KeyRange =
  | { readonly kind: 'key'; readonly key: Uint8Array }
  | { readonly kind: 'range'; readonly begin: Uint8Array; readonly end: RangeEnd };

const LOWEST_KEY = new Uint8Array([0]);

/**
 * Reads etcd's convention: an empty end is the single key, an end of one zero byte means "no upper end", and an empty
 * key (watch only) is the lowest key. Undefined: the range is empty (key ≥ end), which etcd refuses.
 */
export function parseKeyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange | undefined {
  const begin = key.length === 0 ? LOWEST_KEY : key;
  if (rangeEnd.length === 0) return { kind: 'key', key: begin };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { kind: 'range', begin, end: undefined };
  return compareBytes(begin, rangeEnd) < 0 ? { kind: 'range', begin, end: rangeEnd } : undefined;
}

export function rangeContains(range: KeyRange, key: Uint8Array): boolean {
  if (range.kind === 'key') return compareBytes(range.key, key) === 0;
  return compareBytes(range.begin, key) <= 0 && (range.end === undefined || compareBytes(key, range.end) < 0);
}
