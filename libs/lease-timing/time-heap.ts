interface Entry<T> {
  readonly at: number;
  readonly item: T;
}

/** A binary min-heap by time. Items may be in it more than once; whoever pops decides whether an entry still counts. */
export class TimeHeap<T> {
  private entries: Entry<T>[] = [];

  get size(): number {
    return this.entries.length;
  }

  /** The earliest time; infinity when empty. */
  get earliest(): number {
    return this.entries[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.entries = [];
  }

  /** Drops the items that `keep` refuses. */
  retain(keep: (item: T) => boolean): void {
    const before = this.entries;
    this.entries = [];
    for (const { at, item } of before) if (keep(item)) this.push(at, item);
  }

  push(at: number, item: T): void {
    const { entries } = this;
    entries.push({ at, item });
    let child = entries.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.at(parent) <= at) return;
      this.swap(child, parent);
      child = parent;
    }
  }

  /** Takes out the earliest item if its time is at or before `now`. */
  popDue(now: number): T | undefined {
    const first = this.entries[0];
    if (first === undefined || first.at > now) return undefined;
    const last = this.entries.pop() as Entry<T>; // there is at least one
    if (this.entries.length > 0) {
      this.entries[0] = last;
      this.sink();
    }
    return first.item;
  }

  private sink(): void {
    const { length } = this.entries;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      if (left >= length) return;
      const right = left + 1;
      const least = right < length && this.at(right) < this.at(left) ? right : left;
      if (this.at(parent) <= this.at(least)) return;
      this.swap(parent, least);
      parent = least;
    }
  }

  private at(index: number): number {
    return (this.entries[index] as Entry<T>).at;
  }

  private swap(a: number, b: number): void {
    const entry = this.entries[a] as Entry<T>;
    this.entries[a] = this.entries[b] as Entry<T>;
    this.entries[b] = entry;
  }
}
