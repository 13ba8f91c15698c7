const BUCKET_KEYS_MAX = 512;

/**
 * A growing set of strings that is put in order only when somebody asks for the order: adding costs a push, and a run of
 * writes that nobody scans never pays for sorting. Buckets of bounded size keep an insertion cheap in a large set.
 */
export class OrderedKeys {
  private buckets: string[][] = [];
  private pending: string[] = [];
  private settled = 0;

  get size(): number {
    return this.settled + this.pending.length;
  }

  /** The key must not be in the set. */
  add(key: string): void {
    this.pending.push(key);
  }

  /** Walks keys with start ≤ key < end (undefined: open), from the last one when `reverse`. The set must not change meanwhile. */
  walk(start: string | undefined, end: string | undefined, reverse: boolean): KeyWalk {
    this.settle();
    const from = start === undefined ? { bucket: 0, index: 0 } : this.seek(start);
    const to = end === undefined ? { bucket: this.buckets.length, index: 0 } : this.seek(end);
    return new KeyWalk(this.buckets, from, to, reverse);
  }

  /** Puts in order what was added since the last time. */
  settle(): void {
    const pending = this.pending;
    if (pending.length === 0) return;
    if (pending.length > this.settled) this.rebuild();
    else for (const key of pending) this.insert(key);
    this.settled += pending.length;
    this.pending = [];
  }

  private rebuild(): void {
    const all = this.buckets.flat();
    for (const key of this.pending) all.push(key);
    all.sort(compareStrings);
    this.buckets = [];
    for (let at = 0; at < all.length; at += BUCKET_KEYS_MAX / 2)
      this.buckets.push(all.slice(at, at + BUCKET_KEYS_MAX / 2));
  }

  private insert(key: string): void {
    let { bucket, index } = this.seek(key);
    if (bucket === this.buckets.length) {
      bucket--;
      index = (this.buckets[bucket] as string[]).length;
    }
    const keys = this.buckets[bucket] as string[];
    keys.splice(index, 0, key);
    if (keys.length > BUCKET_KEYS_MAX) this.buckets.splice(bucket + 1, 0, keys.splice(BUCKET_KEYS_MAX / 2));
  }

  /** Where the first key ≥ `key` is. */
  private seek(key: string): Spot {
    const bucket = firstIndex(this.buckets.length, (i) => (this.buckets[i]?.at(-1) as string) >= key);
    const keys = this.buckets[bucket];
    if (keys === undefined) return { bucket, index: 0 };
    return { bucket, index: firstIndex(keys.length, (i) => (keys[i] as string) >= key) };
  }
}

interface Spot {
  bucket: number;
  index: number;
}

/** The smallest index below `length` for which the monotonous predicate holds, else `length`. */
export function firstIndex(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function compareStrings(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export class KeyWalk {
  constructor(
    private readonly buckets: readonly (readonly string[])[],
    private readonly from: Spot,
    private readonly to: Spot,
    private readonly reverse: boolean,
  ) {}

  /** The next key, undefined at the end. */
  next(): string | undefined {
    const { from, to } = this;
    if (from.bucket > to.bucket || (from.bucket === to.bucket && from.index >= to.index)) return undefined;
    if (this.reverse) {
      if (to.index === 0) {
        to.bucket--;
        to.index = (this.buckets[to.bucket] as readonly string[]).length;
      }
      return this.buckets[to.bucket]?.[--to.index];
    }
    const keys = this.buckets[from.bucket] as readonly string[];
    const key = keys[from.index++];
    if (from.index === keys.length) {
      from.bucket++;
      from.index = 0;
    }
    return key;
  }
}
