import type { SimProcess } from './process';

/** Something that will happen. `cancelled` events are passed over. */
export interface SimEvent {
  at: number;
  order: number;
  readonly process: SimProcess | undefined;
  readonly run: () => void;
  cancelled: boolean;
  done: boolean;
}

/** Events by time; at equal times in the order in which they were added. */
export class EventQueue {
  private readonly heap: SimEvent[] = [];
  private added = 0;

  /** `again`: an event that was taken out before and keeps its identity (it may have been cancelled meanwhile). */
  add(at: number, process: SimProcess | undefined, run: () => void, again?: SimEvent): SimEvent {
    const event = again ?? { at, order: 0, process, run, cancelled: false, done: false };
    event.at = at;
    event.order = this.added++;
    this.heap.push(event);
    this.siftUp(this.heap.length - 1);
    return event;
  }

  /** The earliest event, if it is not after `end`. */
  takeUntil(end: number): SimEvent | undefined {
    for (;;) {
      const first = this.heap[0];
      if (first === undefined || first.at > end) return undefined;
      this.removeFirst();
      if (!first.cancelled) return first;
    }
  }

  private removeFirst(): void {
    const { heap } = this;
    const last = heap.pop() as SimEvent; // there is a first one
    if (heap.length === 0) return;
    heap[0] = last;
    this.siftDown();
  }

  private siftUp(from: number): void {
    const { heap } = this;
    const event = heap[from] as SimEvent;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as SimEvent;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  private siftDown(): void {
    const { heap } = this;
    const event = heap[0] as SimEvent;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as SimEvent, heap[child] as SimEvent)) child++;
      if (!isBefore(heap[child] as SimEvent, event)) break;
      heap[at] = heap[child] as SimEvent;
      at = child;
    }
    heap[at] = event;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
