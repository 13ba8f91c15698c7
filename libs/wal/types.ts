import type { ConfState, HardState, LogEntry } from '../raft';
import type { Checksum, ConfigurationMarker } from '../wal-format';
import type { WalDisk } from './disk';

/** A WAL that may not be used as it is. Its message is for the operator: what is wrong, where, and what to do. */
export class WalError extends Error {
  override readonly name = 'WalError';
}

export interface WalOptions {
  readonly disk: WalDisk;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Size of a prepared segment. */
  readonly segmentBytes: number;
  /** Size of the very first segment, which is prepared before the process can start. */
  readonly firstSegmentBytes: number;
  /** Memory for the newest entries. */
  readonly cacheBytes: number;
  /** Memory for entries read back from disk. */
  readonly readBackBytes: number;
  readonly checksum: Checksum;
  /** A random integer below 2^32. */
  readonly randomUint32: () => number;
  /** `performance.now()`. */
  readonly now: () => number;
  /** False: never syncs (etcd's --unsafe-no-fsync). */
  readonly fsync: boolean;
  /** A write or sync failed, or bytes read back are bad: the process must end. */
  onFatal(error: Error): void;
  onWarning(message: string, detail: Readonly<Record<string, unknown>>): void;
}

/** What a new WAL begins with; the same entries on every initial member. */
export interface WalBootstrap {
  readonly entries: readonly LogEntry[];
  readonly hardState: HardState;
  readonly configuration: { readonly index: number; readonly conf: ConfState };
}

/** What an existing WAL holds, besides its entries. */
export interface WalRecovered {
  readonly hardState: HardState;
  /** The latest configuration that was stored. */
  readonly configuration: ConfigurationMarker;
  /** All configuration entries that the log holds, committed or not. */
  readonly confEntries: readonly LogEntry[];
}

/** One Ready's share of a write. */
export interface WalAppend {
  readonly number: number;
  readonly mustSync: boolean;
  readonly entries: readonly LogEntry[];
  readonly hardState: HardState | undefined;
  readonly snapshot: ConfigurationMarker | undefined;
}

/** Counters since the process started. */
export interface WalStats {
  syncs: number;
  batches: number;
  entries: number;
  bytesWritten: number;
  readBacks: number;
  /** Durations of write and fdatasync together. */
  readonly syncSeconds: Histogram;
}

/** A histogram in the form Prometheus wants: counts per upper bound, not cumulated, the last for everything above. */
export interface Histogram {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum: number;
}

export function createHistogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
}

export function observe(histogram: Histogram, value: number): void {
  const { bounds, counts } = histogram;
  let at = 0;
  while (at < bounds.length && value > (bounds[at] as number)) at += 1;
  counts[at] = (counts[at] as number) + 1;
  histogram.sum += value;
}
