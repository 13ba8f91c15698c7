import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type LatestLimits, openMvccStore, type Store } from '../mvcc';
import { syncDirectory, syncFile } from '../process';
import { nodeEnvironment } from './environment';
import { LmdbEngine } from './lmdb-engine';
import type { Patience } from './patient-batch';

export interface StoreFileOptions {
  /** The directory that holds the file `db`; made if it is missing. The caller holds its lock. */
  readonly directory: string;
  /** A commit failed: log it and end the process. */
  readonly onFatal: (error: unknown) => void;
  /** A commit has ended; milliseconds. */
  readonly onCommit?: (tookMs: number) => void;
  /** How to bear a full disk: reads and, as long as memory lasts, writes go on. Without it such a commit is fatal too. */
  readonly patience?: Patience;
  /** Longest time from visible to the start of the commit, milliseconds. */
  readonly flushIntervalMs?: number;
  readonly flushBytes?: number;
  readonly flushVersions?: number;
  readonly overlayBytesMax?: number;
  /** Whether the rolling hash of the state is kept (default: it is). */
  readonly stateHash?: boolean;
}

const MEBIBYTE = 1024 * 1024;
/** What a start after a crash reads again is at most about two rounds: some 100 ms. */
export const LATEST: LatestLimits = {
  rows: 32_768,
  bytes: 16 * MEBIBYTE,
  commitsPerRound: 16,
  rowsPerCommitMin: 1_000,
  cacheBytes: 48 * MEBIBYTE,
};

/**
 * Opens the store of a member and commits what is pending every `flushIntervalMs`. Throws CorruptionError,
 * NewerFormatError or the system's error.
 */
export function openStore(options: StoreFileOptions): Store {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const file = join(options.directory, 'db');
  // What a killed process wrote and did not sync can be read, but only now may it count as durable.
  if (existsSync(file)) syncFile(file);
  const engine = new LmdbEngine(file, options.patience, options.onCommit);
  syncDirectory(options.directory);
  const store = openMvccStore(engine, nodeEnvironment, {
    flushBytes: options.flushBytes ?? 8 * MEBIBYTE,
    flushVersions: options.flushVersions ?? 2000,
    overlayBytesMax: options.overlayBytesMax ?? 64 * MEBIBYTE,
    latest: LATEST,
    stateHash: options.stateHash ?? true,
    onFatal: options.onFatal,
  });
  const timer = setInterval(() => store.startFlush(), options.flushIntervalMs ?? 100);
  timer.unref();
  const close = store.close.bind(store);
  store.close = () => {
    clearInterval(timer);
    return close();
  };
  return store;
}
