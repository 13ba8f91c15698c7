import { bytesToMapKey, compareBytes, mapKeyToBytes } from './bytes';
import type { RangeEnd } from './tree';

/** What a (key, range_end) pair of etcd's API means. */
export type KeyRange =
  | { readonly kind: 'key'; readonly key: Uint8Array }
  | { readonly kind: 'range'; readonly begin: Uint8Array; readonly end: RangeEnd };

const LOWEST_KEY = new Uint8Array([0]);
const NO_BYTES = new Uint8Array(0);

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
  return range.kind === 'key' ? compareBytes(range.key, key) === 0 : isWithin(range, key);
}

function isWithin({ begin, end }: { readonly begin: Uint8Array; readonly end: RangeEnd }, key: Uint8Array): boolean {
  return compareBytes(begin, key) <= 0 && (end === undefined || compareBytes(key, end) < 0);
}

/**
 * A range as it is kept when there are a million: single keys, by far the most, are the string that keys the index too. An array of
 * bytes takes three times as much, and a view keeps all that it is a view of.
 */
export type KeptRange = string | { readonly begin: Uint8Array; readonly end: RangeEnd };

/** Copies what the range is made of. */
export function keptRange(range: KeyRange): KeptRange {
  if (range.kind === 'key') return bytesToMapKey(range.key);
  return { begin: range.begin.slice(), end: range.end?.slice() };
}

export function keptRangeContains(range: KeptRange, key: Uint8Array): boolean {
  if (typeof range !== 'string') return isWithin(range, key);
  if (range.length !== key.length) return false;
  for (let at = 0; at < key.length; at += 1) if (range.charCodeAt(at) !== key[at]) return false;
  return true;
}

/** etcd's (key, range_end) of the range. */
export function keptRangeKeys(range: KeptRange): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  if (typeof range === 'string') return { key: mapKeyToBytes(range), rangeEnd: NO_BYTES };
  return { key: range.begin, rangeEnd: range.end ?? LOWEST_KEY };
}
