/**
 * Sets of byte ranges. A range follows etcd's conventions: an empty end is the single key, the end "\0" has no upper
 * bound. Inside this file a range is half-open `[begin, end)`, with `undefined` for "no upper bound".
 */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

interface Span {
  readonly begin: Uint8Array;
  readonly end: Uint8Array | undefined;
}

/** Byte-wise order, shorter first among equal prefixes: < 0, 0 or > 0. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function isOpenEnd(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

/** The least key above `key`: the key followed by a zero byte. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

function toSpan(range: KeyRange): Span {
  if (range.rangeEnd.length === 0) return { begin: range.key, end: successor(range.key) };
  return { begin: range.key, end: isOpenEnd(range.rangeEnd) ? undefined : range.rangeEnd };
}

/** True when `end` (undefined: no bound) is at or above `other`. */
function endReaches(end: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (end === undefined) return true;
  return other !== undefined && compareBytes(end, other) >= 0;
}

/**
 * An immutable union of ranges: overlapping and adjacent ones are merged, so that a request is inside the union exactly
 * when it is inside one merged span. Lookups are a binary search.
 */
export class RangeSet {
  static readonly EMPTY = new RangeSet([]);
  private readonly spans: readonly Span[];

  constructor(ranges: readonly KeyRange[]) {
    this.spans = mergeSpans(ranges.map(toSpan));
  }

  /** Whether every key of the range belongs to the set. An empty range (end ≤ key) is contained where its key is. */
  contains(key: Uint8Array, rangeEnd: Uint8Array): boolean {
    const span = this.spanAtOrBefore(key);
    if (span === undefined || (span.end !== undefined && compareBytes(key, span.end) >= 0)) return false;
    if (rangeEnd.length === 0) return true;
    return endReaches(span.end, isOpenEnd(rangeEnd) ? undefined : rangeEnd);
  }

  private spanAtOrBefore(key: Uint8Array): Span | undefined {
    let low = 0;
    let high = this.spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.spans[middle] as Span).begin, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : this.spans[low - 1];
  }
}

function mergeSpans(spans: Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.sort((a, b) => compareBytes(a.begin, b.begin))) {
    if (span.end !== undefined && compareBytes(span.end, span.begin) <= 0) continue;
    const last = merged[merged.length - 1];
    if (last === undefined || !endReaches(last.end, span.begin)) merged.push(span);
    else if (!endReaches(last.end, span.end)) merged[merged.length - 1] = { begin: last.begin, end: span.end };
  }
  return merged;
}
