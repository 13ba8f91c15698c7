import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** Reads what journal.c writes; the layout is its `struct record`, the payload, and `struct record_end`. */
const HEADER_BYTES = 32;
const END_BYTES = 8;
const MAGIC = 0x4c4e524a;
const MAGIC_BYTES = Buffer.from('JRNL');
const END = 0x21444e45;
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

/**
 * All whole records. A torn one, anywhere, is passed over: its writer was killed while it wrote, so its effect was not
 * confirmed to anybody, and the other processes of the member went on behind it.
 */
export function* readJournal(path: string): Generator<JournalRecord> {
  const journal = new JournalFile(path);
  try {
    for (let at = 0; at < journal.size; ) {
      const record = readRecord(journal, at);
      if (record === undefined) at = nextMagic(journal, at + 1);
      else {
        yield record;
        at += HEADER_BYTES + record.payload.length + END_BYTES;
      }
    }
  } finally {
    journal.close();
  }
}

function readRecord(journal: JournalFile, at: number): JournalRecord | undefined {
  const header = journal.bytes(at, HEADER_BYTES);
  if (header === undefined || header.readUInt32LE(0) !== MAGIC) return undefined;
  const payloadBytes = header.readUInt32LE(28);
  const kind = header.readUInt32LE(4);
  const inode = Number(header.readBigUInt64LE(8));
  const offset = Number(header.readBigUInt64LE(16));
  const length = header.readUInt32LE(24);
  const rest = journal.bytes(at + HEADER_BYTES, payloadBytes + END_BYTES);
  if (rest === undefined) return undefined;
  if (rest.readUInt32LE(payloadBytes) !== END || rest.readUInt32LE(payloadBytes + 4) !== payloadBytes) return undefined;
  return { kind, inode, offset, length, payload: rest.subarray(0, payloadBytes) };
}

/** Where a record may begin at `from` or behind it; the journal's size: nowhere. */
function nextMagic(journal: JournalFile, from: number): number {
  for (let at = from; at < journal.size; at += READ_BYTES / 2) {
    const found = journal.bytes(at, Math.min(READ_BYTES, journal.size - at))?.indexOf(MAGIC_BYTES) ?? -1;
    if (found >= 0) return at + found;
  }
  return journal.size;
}

class JournalFile {
  readonly size: number;
  private readonly fd: number;
  private chunk = Buffer.alloc(0);
  private from = 0;

  constructor(path: string) {
    this.fd = openSync(path, 'r');
    this.size = statSync(path).size;
  }

  /** undefined: the journal ends before that. The bytes are valid until the next call. */
  bytes(at: number, length: number): Buffer | undefined {
    if (at + length > this.size) return undefined;
    if (at < this.from || at + length > this.from + this.chunk.length) {
      this.chunk = Buffer.allocUnsafe(Math.min(this.size - at, Math.max(length, READ_BYTES)));
      this.from = at;
      for (let done = 0; done < this.chunk.length; ) {
        done += readSync(this.fd, this.chunk, done, this.chunk.length - done, at + done);
      }
    }
    return this.chunk.subarray(at - this.from, at - this.from + length);
  }

  close(): void {
    closeSync(this.fd);
  }
}
