import { exponentialBounds, Histogram } from '../../libs/telemetry';

/** What the work beside apply and reads took: compaction, copies of the store, hashes. With etcd's bounds. */
export class MaintenanceCounts {
  /** When the last compaction was done, seconds since the epoch; 0: none since the process began. */
  compactedAt = 0;
  /** Milliseconds that a slice of compaction held the event loop. */
  readonly compactionPause = new Histogram(exponentialBounds(1, 2, 13));
  /** Milliseconds from a compaction's first slice to its last. */
  readonly compactionTotal = new Histogram(exponentialBounds(100, 2, 14));
  /** Seconds from here on. */
  readonly defragmentation = new Histogram(exponentialBounds(0.1, 2, 13));
  defragmentations = 0;
  readonly backup = new Histogram(exponentialBounds(0.01, 2, 17));
  readonly copyIn = new Histogram(exponentialBounds(0.1, 2, 10));
  readonly hash = new Histogram(exponentialBounds(0.01, 2, 15));
  readonly hashAtRevision = new Histogram(exponentialBounds(0.01, 2, 15));
  /** Backups and copies that read the store now. */
  openReads = 0;
}
