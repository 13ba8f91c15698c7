import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** Reads what journal.c writes; the layout is its `struct record`. */
const HEADER_BYTES = 32;
const MAGIC = 0x4c4e524a;
const READ_BYTES = 8 << 20;

export const Kind = {
  Opened: 1,
  Created: 2,
  Write: 3,
  Zeros: 4,
  RangeSynced: 5,
  SyncBegan: 6,
  SyncEnded: 7,
  Truncated: 8,
  Renamed: 9,
  Unlinked: 10,
  MadeDirectory: 11,
  RemovedDirectory: 12,
} as const;

export interface JournalRecord {
  readonly kind: number;
  readonly inode: number;
  /** Offset of a write, new size of a truncated file, number of a sync. */
  readonly offset: number;
  readonly length: number;
  /** Valid until the next record is read. */
  readonly payload: Buffer;
}

/** All whole records. A last one may be torn: its writer was killed while it wrote, so its effect was not synced. */
export function* readJournal(path: string): Generator<JournalRecord> {
  const fd = openSync(path, 'r');
  try {
    const size = statSync(path).size;
    let chunk = Buffer.alloc(0);
    let from = 0;
    const ensure = (at: number, bytes: number): Buffer | undefined => {
      if (at + bytes > size) return undefined;
      if (at < from || at + bytes > from + chunk.length) {
        chunk = Buffer.allocUnsafe(Math.min(size - at, Math.max(bytes, READ_BYTES)));
        from = at;
        for (let done = 0; done < chunk.length; ) done += readSync(fd, chunk, done, chunk.length - done, at + done);
      }
      return chunk.subarray(at - from, at - from + bytes);
    };
    for (let at = 0; ; ) {
      const header = ensure(at, HEADER_BYTES);
      if (header === undefined || header.readUInt32LE(0) !== MAGIC) return;
      const kind = header.readUInt32LE(4);
      const inode = Number(header.readBigUInt64LE(8));
      const offset = Number(header.readBigUInt64LE(16));
      const length = header.readUInt32LE(24);
      const bytes = header.readUInt32LE(28);
      const payload = ensure(at + HEADER_BYTES, bytes);
      if (payload === undefined) return;
      yield { kind, inode, offset, length, payload };
      at += HEADER_BYTES + bytes;
    }
  } finally {
    closeSync(fd);
  }
}
