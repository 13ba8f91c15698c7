import { bytesToMapKey } from './bytes';
import type { KeptRange } from './key-range';
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

  get(range: KeptRange): V | undefined {
    return typeof range === 'string' ? this.keys.get(range) : this.ranges.get(range.begin, range.end);
  }

  set(range: KeptRange, value: V): void {
    if (typeof range === 'string') this.keys.set(range, value);
    else this.ranges.set(range.begin, range.end, value);
  }

  delete(range: KeptRange): boolean {
    return typeof range === 'string' ? this.keys.delete(range) : this.ranges.delete(range.begin, range.end);
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
