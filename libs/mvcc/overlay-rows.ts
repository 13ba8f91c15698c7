import { type KeyWalk, OrderedKeys } from './ordered-keys';

/** Rows that lie over those of an engine: keys, and the row of each. */
export interface OverlaySource<V> {
  readonly keys: OrderedKeys;
  get(key: string): V | undefined;
}

/** Rows of one table that are visible and not yet in the engine, by latin1 key. A later write of a key replaces the earlier. */
export class OverlayRows<V> implements OverlaySource<V> {
  private readonly rows = new Map<string, V>();
  readonly keys = new OrderedKeys();

  get(key: string): V | undefined {
    return this.rows.get(key);
  }

  set(key: string, row: V): void {
    const before = this.rows.size;
    this.rows.set(key, row);
    if (this.rows.size !== before) this.keys.add(key);
  }

  entries(): IterableIterator<[string, V]> {
    return this.rows.entries();
  }
}

/** Rows of an ordered source, with the key of the current one as latin1 text. */
export interface MergeBase {
  next(): boolean;
  /** Only asked for when there is something to merge with. */
  keyText(): string;
  close(): void;
}

interface Head<V> {
  readonly rows: OverlaySource<V>;
  readonly walk: KeyWalk;
  key: string | undefined;
}

/**
 * The rows of a range as they are seen: overlays (newest first) over the engine's rows, in order. A row is either an
 * overlay's, then `row` has it, or the base's current one, then `row` is undefined.
 */
export class MergeCursor<V> {
  row: V | undefined = undefined;
  private readonly heads: Head<V>[] = [];
  private baseKey: string | undefined;
  private baseState: 'unread' | 'row' | 'end' = 'unread';

  constructor(
    overlays: readonly OverlaySource<V>[],
    private readonly base: MergeBase,
    start: string | undefined,
    end: string | undefined,
    private readonly reverse: boolean,
  ) {
    for (const rows of overlays) {
      if (rows.keys.size === 0) continue;
      const walk = rows.keys.walk(start, end, reverse);
      const key = walk.next();
      if (key !== undefined) this.heads.push({ rows, walk, key });
    }
  }

  next(): boolean {
    if (this.heads.length === 0) return this.nextOfBase();
    if (this.baseState === 'unread') this.readBase();
    let first = this.baseKey;
    for (const head of this.heads)
      if (head.key !== undefined && (first === undefined || this.isBefore(head.key, first))) first = head.key;
    if (first === undefined) return false;
    this.row = undefined;
    for (const head of this.heads) {
      if (head.key !== first) continue;
      this.row ??= head.rows.get(first);
      head.key = head.walk.next();
    }
    if (this.baseKey === first) {
      this.baseKey = undefined;
      this.baseState = 'unread';
    }
    return true;
  }

  close(): void {
    this.base.close();
  }

  private isBefore(a: string, b: string): boolean {
    return this.reverse ? a > b : a < b;
  }

  private nextOfBase(): boolean {
    return this.base.next();
  }

  private readBase(): void {
    const found = this.base.next();
    this.baseState = found ? 'row' : 'end';
    this.baseKey = found ? this.base.keyText() : undefined;
  }
}
