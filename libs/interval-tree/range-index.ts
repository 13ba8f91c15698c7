import { bytesToMapKey } from './bytes';
import type { KeyRange } from './key-range';
import { IntervalTree } from './tree';

/**
 * Values by key range, found by a key. Single keys, by far the most watched ranges, are one hash lookup; the tree holds
 * only real ranges.
 */
export class RangeIndex<V> {
  private readonly keys = new Map<string, V>();
  private readonly ranges = new IntervalTree<V>();

  get size(): number {
    return this.keys.size + this.ranges.size;
  }

  get(range: KeyRange): V | undefined {
    if (range.kind === 'key') return this.keys.get(bytesToMapKey(range.key));
    return this.ranges.get(range.begin, range.end);
  }

  set(range: KeyRange, value: V): void {
    if (range.kind === 'key') this.keys.set(bytesToMapKey(range.key), value);
    else this.ranges.set(range.begin, range.end, value);
  }

  delete(range: KeyRange): boolean {
    if (range.kind === 'key') return this.keys.delete(bytesToMapKey(range.key));
    return this.ranges.delete(range.begin, range.end);
  }

  /** Calls `visit` for the value of each range that contains `key`: the single key first. */
  visitAt(key: Uint8Array, visit: (value: V) => void): void {
    if (this.keys.size > 0) {
      const value = this.keys.get(bytesToMapKey(key));
      if (value !== undefined) visit(value);
    }
    if (this.ranges.size > 0) this.ranges.visitAt(key, visit);
  }
}
