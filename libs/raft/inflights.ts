import type { LogIndex } from './types';

/** The append messages sent to one follower and not acknowledged: a queue bounded by count and by bytes. */
export class Inflights {
  private readonly lastIndexes: LogIndex[] = [];
  private readonly sizes: number[] = [];
  private head = 0;
  private bytesTotal = 0;

  constructor(
    private readonly messagesMax: number,
    private readonly bytesMax: number,
  ) {}

  get count(): number {
    return this.lastIndexes.length - this.head;
  }

  get bytes(): number {
    return this.bytesTotal;
  }

  /** A window with room takes one more message whatever its size, so that a large entry can't be stuck. */
  get full(): boolean {
    return this.count >= this.messagesMax || this.bytesTotal >= this.bytesMax;
  }

  add(lastIndex: LogIndex, bytes: number): void {
    this.lastIndexes.push(lastIndex);
    this.sizes.push(bytes);
    this.bytesTotal += bytes;
  }

  /** Frees every message whose last entry is at or below `index`. */
  freeTo(index: LogIndex): void {
    const end = this.lastIndexes.length;
    while (this.head < end && (this.lastIndexes[this.head] as number) <= index) {
      this.bytesTotal -= this.sizes[this.head] as number;
      this.head++;
    }
    if (this.head === end) this.clear();
    else if (this.head >= 64 && this.head * 2 >= end) this.dropFreed();
  }

  clear(): void {
    this.lastIndexes.length = 0;
    this.sizes.length = 0;
    this.head = 0;
    this.bytesTotal = 0;
  }

  private dropFreed(): void {
    this.lastIndexes.splice(0, this.head);
    this.sizes.splice(0, this.head);
    this.head = 0;
  }
}
