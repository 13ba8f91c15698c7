import { crc32 } from 'node:zlib';
import type { HardState, LogEntry } from '../../raft';
import type { WalDisk } from '../disk';
import type { WalBootstrap, WalOptions } from '../types';

export function walOptions(disk: WalDisk, changes: Partial<WalOptions> = {}): WalOptions {
  let random = 12345;
  return {
    disk,
    clusterId: 0xc1n,
    memberId: 0xa1n,
    segmentBytes: 64 * 1024,
    firstSegmentBytes: 16 * 1024,
    cacheBytes: 1024 * 1024,
    readBackBytes: 1024 * 1024,
    checksum: (bytes, seed) => crc32(bytes, seed),
    randomUint32: () => {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      return random;
    },
    now: () => performance.now(),
    fsync: true,
    onFatal: (error) => {
      throw error;
    },
    onWarning: () => undefined,
    ...changes,
  };
}

export const voters = [0xa1n, 0xb2n, 0xc3n];

export const bootstrapOfThree: WalBootstrap = {
  entries: voters.map((_, i) => entry(i + 1, 1, 8, 1)),
  hardState: { term: 1, vote: 0n, commit: 3 },
  configuration: { index: 3, conf: { voters, votersOutgoing: [], learners: [], learnersNext: [] } },
};

/** An entry whose data tells its index and term. */
export function entry(index: number, term: number, bytes = 40, type = 0): LogEntry {
  const data = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i += 1) data[i] = (index * 31 + term * 7 + i) & 0xff;
  return { term, index, type, data };
}

export function entries(from: number, to: number, term: number, bytes?: number): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term, bytes));
}

export function hardState(term: number, commit: number, vote = 0n): HardState {
  return { term, vote, commit };
}
