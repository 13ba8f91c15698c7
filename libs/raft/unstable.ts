import { invariant } from './invariant';
import type { LogEntry, LogIndex, SnapshotMetadata } from './types';

/**
 * The end of the log that is not known to be synced yet: entries from `offset` on, and a snapshot that was accepted and is
 * not recorded yet. Entries up to `handedOver` are on their way to disk.
 */
export class Unstable {
  entries: LogEntry[] = [];
  snapshot: SnapshotMetadata | undefined;
  handedOver: LogIndex;

  /** `offset`: index of the first entry that is not synced; the log ends at offset + entries.length − 1. */
  constructor(public offset: LogIndex) {
    this.handedOver = offset - 1;
  }

  get lastIndex(): LogIndex {
    return this.offset + this.entries.length - 1;
  }

  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) this.entries.push(entry);
  }

  /** Drops everything from `index` on. What was synced there counts as not synced any more. */
  truncateFrom(index: LogIndex): void {
    if (index <= this.offset) {
      this.offset = index;
      this.entries = [];
    } else {
      this.entries.length = index - this.offset;
    }
    this.handedOver = Math.min(this.handedOver, index - 1);
  }

  /** The log is replaced by a snapshot. */
  restore(snapshot: SnapshotMetadata): void {
    this.snapshot = snapshot;
    this.offset = snapshot.index + 1;
    this.entries = [];
    this.handedOver = snapshot.index;
  }

  /** Entries not given to the host yet, marked as given. */
  handOver(): LogEntry[] {
    const from = this.handedOver + 1 - this.offset;
    this.handedOver = this.lastIndex;
    return from === 0 ? this.entries.slice() : this.entries.slice(from);
  }

  get hasNew(): boolean {
    return this.handedOver < this.lastIndex;
  }

  /** Entries up to `index` are synced: the host's storage answers for them from now on. */
  stableTo(index: LogIndex): void {
    invariant(index <= this.handedOver, () => `entry ${index} was reported as synced but never handed over`);
    if (index < this.offset) return;
    this.entries = index === this.lastIndex ? [] : this.entries.slice(index + 1 - this.offset);
    this.offset = index + 1;
  }

  stableSnapshot(index: LogIndex): void {
    if (this.snapshot?.index === index) this.snapshot = undefined;
  }
}
