import type { ProcessConfig } from '../../libs/config';
import { WATCH_BATCH_REVISIONS_MAX, WATCH_PROGRESS_INTERVAL_MS_MIN, WATCH_REST_AFTER_MS } from '../../libs/limits';
import { DEFAULT_WATCH_LIMITS, type WatchLimits } from '../../libs/watch-core';

export interface WatchConfig {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Of the member that it is part of; empty: it is none's, and known by its address. */
  readonly shownName: string;
  /** Progress notifications: this long plus up to a tenth. */
  readonly progressIntervalMs: number;
  readonly core: WatchLimits;
  /** How long after its last watcher has gone the hub still follows events: clients that come back find them in memory. */
  readonly restAfterMs: number;
  /** A proxy that lets more than this wait gets no catch-up until it has drained. */
  readonly queueBytesSoft: number;
  /** A proxy that lets more than this wait is disconnected. */
  readonly queueBytesMax: number;
  /** All proxies together; beyond it the one with the longest queue is disconnected. */
  readonly allQueuesBytesMax: number;
}

const MIB = 1024 * 1024;
/** What a watcher takes at most (libs/watch-core/memory.test.ts). */
export const WATCHER_BYTES_MAX = 1024;

/**
 * Divides the hub's memory ceiling: an eighth for recent events, a sixteenth for the live feed; watchers may take three quarters,
 * and proxies' queues half, less what watchers take of it.
 */
export function watchConfig(config: ProcessConfig): WatchConfig {
  const ceiling = config.limits.watchMemoryMaxBytes;
  const queueBytesMax = Math.min(128 * MIB, ceiling / 4);
  return {
    clusterId: BigInt(`0x${config.clusterId}`),
    memberId: BigInt(`0x${config.memberId}`),
    shownName: config.tiers.attach === null ? config.name : '',
    progressIntervalMs: Math.max(config.timing.watchProgressNotifyMs, WATCH_PROGRESS_INTERVAL_MS_MIN),
    restAfterMs: WATCH_REST_AFTER_MS,
    core: {
      ...DEFAULT_WATCH_LIMITS,
      watchersMax: Math.floor((0.75 * ceiling) / WATCHER_BYTES_MAX),
      sliceRevisionsMax: WATCH_BATCH_REVISIONS_MAX,
      windowBytesMax: Math.min(DEFAULT_WATCH_LIMITS.windowBytesMax, ceiling / 8),
      pendingBytesMax: Math.min(DEFAULT_WATCH_LIMITS.pendingBytesMax, ceiling / 16),
    },
    queueBytesSoft: Math.min(4 * MIB, queueBytesMax / 4),
    queueBytesMax,
    allQueuesBytesMax: ceiling / 2,
  };
}
