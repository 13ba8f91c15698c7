import type { Watcher } from './watcher';

interface Entry {
  readonly next: number;
  readonly watcher: Watcher;
}

const GARBAGE_MIN = 64;

/** Watchers that start in the future, lowest revision first. A binary heap; entries that have moved on are skipped. */
export class WaitingList {
  private heap: Entry[] = [];
  private gone = 0;

  get lowest(): number {
    return this.heap[0]?.next ?? Number.POSITIVE_INFINITY;
  }

  add(watcher: Watcher, next: number): void {
    this.heap.push({ next, watcher });
    this.up(this.heap.length - 1);
  }

  /** Tells that one watcher has left by another way than `take`. */
  left(): void {
    this.gone += 1;
    if (this.gone < GARBAGE_MIN || this.gone * 2 < this.heap.length) return;
    const kept = this.heap.filter(isValid);
    this.heap = [];
    this.gone = 0;
    for (const entry of kept) this.add(entry.watcher, entry.next);
  }

  /** Takes out the watchers whose next revision is at most `revision`. */
  take(revision: number): Watcher[] {
    const taken: Watcher[] = [];
    while (this.lowest <= revision) {
      const entry = this.pop();
      // Invalid entries were counted when they left; valid ones will be, when their state changes.
      this.gone -= 1;
      if (isValid(entry)) taken.push(entry.watcher);
    }
    return taken;
  }

  private pop(): Entry {
    const top = this.heap[0] as Entry; // the caller checked `lowest`
    const last = this.heap.pop() as Entry;
    if (this.heap.length > 0) {
      this.heap[0] = last;
      this.down(0);
    }
    return top;
  }

  private up(start: number): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.heap[parent] as Entry).next <= (this.heap[at] as Entry).next) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private down(start: number): void {
    let at = start;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.heap.length) return;
      const right = left + 1;
      const smaller =
        right < this.heap.length && (this.heap[right] as Entry).next < (this.heap[left] as Entry).next ? right : left;
      if ((this.heap[at] as Entry).next <= (this.heap[smaller] as Entry).next) return;
      this.swap(at, smaller);
      at = smaller;
    }
  }

  private swap(a: number, b: number): void {
    const entry = this.heap[a] as Entry;
    this.heap[a] = this.heap[b] as Entry;
    this.heap[b] = entry;
  }
}

function isValid({ watcher, next }: Entry): boolean {
  return watcher.state.at === 'waiting' && watcher.state.next === next;
}
