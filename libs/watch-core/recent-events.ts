import { bytesToMapKey } from '../interval-tree';
import type { SharedEvent } from './event';

export interface RecentRevision {
  readonly revision: number;
  readonly events: readonly SharedEvent[];
}

interface Slot extends RecentRevision {
  readonly bytes: number;
}

/**
 * The last revisions, bounded by bytes: what watchers that start a little in the past read instead of asking storage.
 * Complete: every event of a revision in [floor, last] is here. Also finds the value a key had at a recent revision,
 * which is the prev_kv of the event that replaced it.
 */
export class RecentEvents {
  private slots: Slot[] = [];
  private head = 0;
  private totalBytes = 0;
  /** The first revision of which everything is known. */
  private floorRevision = Number.POSITIVE_INFINITY;

  constructor(private readonly bytesMax: number) {}

  get bytes(): number {
    return this.totalBytes;
  }

  get floor(): number {
    return this.floorRevision;
  }

  /** Forgets everything; complete from `floor` on. */
  reset(floor: number): void {
    this.slots = [];
    this.head = 0;
    this.totalBytes = 0;
    this.floorRevision = floor;
  }

  /** Revisions must ascend. */
  append(revision: number, events: readonly SharedEvent[]): void {
    let bytes = 64;
    for (const event of events) bytes += event.bytes;
    this.slots.push({ revision, events, bytes });
    this.totalBytes += bytes;
    while (this.totalBytes > this.bytesMax && this.head < this.slots.length) this.evict();
    // Moves the tail once half of the array is behind the head: constant cost per revision.
    if (this.head > 1_024 && this.head * 2 > this.slots.length) {
      this.slots = this.slots.slice(this.head);
      this.head = 0;
    }
  }

  /** The revisions at or after `from`, which must not be below `floor`, until `visit` returns false. */
  forEachFrom(from: number, visit: (revision: RecentRevision) => boolean): void {
    for (let i = this.indexOf(from); i < this.slots.length; i += 1) {
      if (!visit(this.slots[i] as Slot)) return;
    }
  }

  /** The encoded key-value that `revision` gave `key`; undefined when it is not in the window or was a deletion. */
  findKv(key: Uint8Array, revision: number): Uint8Array | undefined {
    const slot = this.slots[this.indexOf(revision)];
    if (slot === undefined || slot.revision !== revision) return undefined;
    const wanted = slot.events.length > 1 ? bytesToMapKey(key) : '';
    for (const event of slot.events) {
      if (event.isDelete) continue;
      if (slot.events.length === 1 || bytesToMapKey(event.key) === wanted) return event.kv;
    }
    return undefined;
  }

  private evict(): void {
    const slot = this.slots[this.head] as Slot; // head < length, the caller checked
    this.slots[this.head] = EMPTY_SLOT;
    this.head += 1;
    this.totalBytes -= slot.bytes;
    this.floorRevision = slot.revision + 1;
  }

  /** Index of the first slot whose revision is at least `revision`. */
  private indexOf(revision: number): number {
    let low = this.head;
    let high = this.slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.slots[middle] as Slot).revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const EMPTY_SLOT: Slot = { revision: 0, events: [], bytes: 0 };
