import type { LogIndex } from './types';

/** The bytes a leader has appended in its term and not committed yet, batch by batch. */
export class UncommittedBytes {
  private batches: { readonly last: LogIndex; readonly bytes: number }[] = [];
  private total = 0;

  constructor(private readonly max: number) {}

  /** False: refused, the limit is reached. While nothing is uncommitted a batch of any size is taken. */
  maybeAdd(last: LogIndex, bytes: number): boolean {
    if (this.total > 0 && this.total + bytes > this.max) return false;
    this.batches.push({ last, bytes });
    this.total += bytes;
    return true;
  }

  committedTo(index: LogIndex): void {
    let count = 0;
    for (const batch of this.batches) {
      if (batch.last > index) break;
      this.total -= batch.bytes;
      count++;
    }
    if (count > 0) this.batches.splice(0, count);
  }

  clear(): void {
    this.batches = [];
    this.total = 0;
  }
}
